package kubelet

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// Objects are the Secrets and ConfigMaps at hand, all of one namespace. The zero Objects are none. They print as their
// number.
type Objects struct {
	all map[string]object // kind and name → its entries
}

// object is one Secret or ConfigMap.
type object struct {
	namespace   string            // empty where the file names none: that fits any pod
	data, files map[string]string // key → content, for variables and for volumes: these have a ConfigMap's binaryData too
}

// Format hides the values from every verb of fmt.
func (o Objects) Format(w fmt.State, _ rune) { fmt.Fprintf(w, "[%d objects]", len(o.all)) }

// Add reads Secrets and ConfigMaps as kubectl prints them, and as people write them: YAML or JSON, one object, several
// YAML documents or a List. It may be called for one file after another.
//
// All mistakes are told at once: other kinds, an object given twice, fields that the kind does not have, values that are no
// text or, where they must be, no base64. No value is in the error. After one, the objects are not complete.
func (o *Objects) Add(text []byte) error {
	r := reader{objects: o}
	documents, err := split(text)
	if err != nil {
		return err
	}
	for i, document := range documents {
		r.read(fmt.Sprintf("document %d", i+1), document)
	}
	if len(r.others) > 0 {
		r.wrong("expected Secrets and ConfigMaps, found %s", strings.Join(r.others, ", "))
	}
	if len(r.problems) > 0 {
		return errors.New(strings.Join(r.problems, "; "))
	}
	return nil
}

// split takes a text apart at its lines of ---, of which JSON has none.
func split(text []byte) ([][]byte, error) {
	var documents [][]byte
	for lines := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		switch document, err := lines.Read(); {
		case errors.Is(err, io.EOF):
			return documents, nil
		case err != nil:
			return nil, fmt.Errorf("document %d is no YAML: a line of --- has more in it", len(documents)+1)
		default:
			documents = append(documents, document)
		}
	}
}

// reader gathers what is wrong with a file on the way through it.
type reader struct {
	objects          *Objects
	problems, others []string
}

func (r *reader) wrong(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// read takes one document, which may be empty. JSON is taken as it is: read as YAML, some of its escapes would be mistakes.
func (r *reader) read(where string, document []byte) {
	if !json.Valid(document) {
		text, err := yaml.YAMLToJSONStrict(document)
		if err != nil {
			r.wrong("%s is no YAML or JSON%s", where, whatYAML(err))
			return
		}
		document = text
	}
	if string(document) == "null" {
		return
	}
	var tree map[string]any
	twice, err := kjson.UnmarshalStrict(document, &tree)
	if err != nil {
		r.wrong("%s is no Kubernetes object", where)
		return
	}
	for _, err := range twice {
		r.wrong("%s: %v", where, err) // which names the field alone
	}
	r.add(where, tree)
}

// lineOf and twiceIn are what of a YAML error can be shown: the rest quotes what was found, which may be a secret.
var (
	lineOf  = regexp.MustCompile(`^(?:error converting YAML to JSON: )?yaml: line (\d+):`)
	twiceIn = regexp.MustCompile(`line (\d+): key (".*") already set in map`)
)

func whatYAML(err error) string {
	if found := twiceIn.FindStringSubmatch(err.Error()); found != nil {
		return fmt.Sprintf(": its line %s gives the key %s once more", found[1], found[2])
	}
	if found := lineOf.FindStringSubmatch(err.Error()); found != nil {
		return ": see its line " + found[1]
	}
	return ": is a value to be put in quotes?"
}

// add takes an object or, one by one, those of a List.
func (r *reader) add(where string, tree map[string]any) {
	version, _ := tree["apiVersion"].(string)
	kind, _ := tree["kind"].(string)
	switch {
	case kind == "":
		r.wrong("%s has no kind", where)
	case version != "v1" || kind != "List" && sections[kind] == nil:
		r.others = append(r.others, named(kind, tree))
	case kind == "List":
		items, _ := tree["items"].([]any)
		for i, item := range items {
			inner, _ := item.(map[string]any)
			r.add(fmt.Sprintf("%s, item %d", where, i+1), inner)
		}
	default:
		r.addObject(where, kind, tree)
	}
}

// named is an object by its kind and, if it has one, its name.
func named(kind string, tree map[string]any) string {
	metadata, _ := tree["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	return strings.TrimSpace(kind + " " + name)
}

// section is a field that holds entries of an object.
type section struct {
	field, hint string
	base64      bool
	volumesOnly bool
}

// sections has them by kind, in the order in which one wins over those before.
var sections = map[string][]section{
	secretKind:    {{field: "data", base64: true, hint: "a plain value belongs into stringData"}, {field: "stringData"}},
	configMapKind: {{field: "data"}, {field: "binaryData", base64: true, volumesOnly: true, hint: "a plain value belongs into data"}},
}

// known are the fields that an object has besides its sections.
var known = []string{"apiVersion", "kind", "metadata", "immutable", "type"}

func (r *reader) addObject(where, kind string, tree map[string]any) {
	name := named(kind, tree)
	if name == kind {
		r.wrong("%s: the %s has no metadata.name", where, kind)
		return
	}
	if _, ok := r.objects.all[name]; ok {
		r.wrong("the %s is given more than once: give those of the pod's namespace alone", name)
		return
	}
	metadata, _ := tree["metadata"].(map[string]any)
	namespace, _ := metadata["namespace"].(string)
	o := object{namespace: namespace, data: map[string]string{}, files: map[string]string{}}
	fields := slices.Clone(known)
	for _, s := range sections[kind] {
		fields = append(fields, s.field)
		r.addEntries(name, s, tree[s.field], o)
	}
	for _, field := range slices.Sorted(maps.Keys(tree)) {
		if !slices.Contains(fields, field) {
			r.wrong("the %s has a field %s, which is none of its kind: its entries are in %s or %s", name, field, sections[kind][0].field, sections[kind][1].field)
		}
	}
	if r.objects.all == nil {
		r.objects.all = map[string]object{}
	}
	r.objects.all[name] = o
}

// addEntries puts what a section holds into its object.
func (r *reader) addEntries(name string, s section, found any, o object) {
	entries, ok := found.(map[string]any)
	if !ok && found != nil {
		r.wrong("%s of the %s is %s, expected keys with texts", s.field, name, form(found))
	}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		text, ok := entries[key].(string)
		_, twice := o.files[key]
		switch {
		case len(validation.IsConfigMapKey(key)) > 0:
			r.wrong("%s of the %s has the key %q, expected one of letters, digits, -, _ and .", s.field, name, key)
		case s.volumesOnly && twice:
			r.wrong("the key %s of the %s is in data and in binaryData", key, name)
		case !ok && entries[key] != nil:
			r.wrong("%s.%s of the %s is %s, expected a text: put it in quotes", s.field, key, name, form(entries[key]))
		}
		if s.base64 {
			decoded, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				r.wrong("%s.%s of the %s is no base64: %s", s.field, key, name, s.hint)
			}
			text = string(decoded)
		}
		o.files[key] = text
		if !s.volumesOnly {
			o.data[key] = text
		}
	}
}

// form is what a value is, without the value.
func form(value any) string {
	switch value.(type) {
	case string:
		return "a text"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "a mapping"
	}
	return "a number"
}
