package injector

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// Defaults are the cluster's values of the annotations, and the keys that pods may not set. The zero value is none.
type Defaults struct {
	values map[string]string // by key, without Prefix
	locked map[string]bool   // by key, without Prefix
}

// lockedKey is the one entry of a defaults file that is no annotation.
const lockedKey = "locked"

// DefaultKeys lists the keys that a defaults file may give a value or lock, without Prefix, in the order of their
// documentation. One of them may not be built yet, which ParseDefaults then says.
func DefaultKeys() []string {
	var keys []string
	for _, r := range table {
		if !r.podOnly {
			keys = append(keys, r.key)
		}
	}
	return keys
}

// ParseDefaults reads a defaults file: YAML that maps keys of annotations, without their prefix, to values, and
// "locked" to a list of keys. All mistakes are told in one error, one a line.
func ParseDefaults(text []byte) (Defaults, error) {
	var entries map[string]any
	if err := yaml.UnmarshalStrict(text, &entries); err != nil {
		return Defaults{}, fmt.Errorf("reading the cluster defaults: expected YAML such as `region: eu-central-1`: %w", err)
	}
	d := Defaults{values: map[string]string{}, locked: map[string]bool{}}
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		add := d.addValue
		if key == lockedKey {
			add = d.addLocked
		}
		if p := add(key, entries[key]); p != nil {
			problems = append(problems, fmt.Errorf("cluster defaults: %v", *p))
		}
	}
	if len(problems) > 0 {
		return Defaults{}, errors.Join(problems...)
	}
	in := Injector{Defaults: Defaults{values: d.values}}
	if _, together := in.settle(map[string]string{Prefix + injectKey: "true"}); len(together) > 0 {
		return Defaults{}, fmt.Errorf("cluster defaults: %v", together[0])
	}
	return d, nil
}

func (d Defaults) addValue(key string, value any) *problem {
	p := &problem{code: contract.InvalidAnnotations, subject: key}
	r, known := rowOf(key)
	text, isText := value.(string)
	switch is := wrong(key); {
	case strings.HasPrefix(key, Prefix):
		p.is = "written without " + Prefix + " here"
		return p
	case is != "":
		p.is = is
		return p
	case known && r.podOnly:
		p.is = "for pods only: remove it"
		return p
	case !isText:
		p.is = "not text: put the value into quotes"
		return p
	}
	if err := r.set(new(settings), text); err != nil {
		*p = r.problem(key, text, err)
		return p
	}
	d.values[key] = text
	return nil
}

func (d Defaults) addLocked(key string, value any) *problem {
	list, isList := value.([]any)
	for _, element := range list {
		name, _ := element.(string)
		r, known := rowOf(name)
		switch {
		case !known:
			return &problem{code: contract.InvalidAnnotations, subject: "locked: " + shown(fmt.Sprint(element)), is: "no known annotation" + nearest(name)}
		case r.podOnly:
			return &problem{code: contract.InvalidAnnotations, subject: "locked: " + name, is: "for pods only: remove it"}
		}
		d.locked[name] = true
	}
	if !isList {
		return &problem{code: contract.InvalidAnnotations, subject: key, expected: "a list of keys such as [image, endpoint-url]", found: shown(fmt.Sprint(value))}
	}
	return nil
}
