package injector

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// Annotation is what there is to know of one annotation: a row of the table that parses them.
type Annotation struct {
	Key       string // with Prefix
	Doc       string // a few sentences, with Markdown's backticks
	Default   string // as a user would write it; empty where there is none
	Example   string
	Supported bool // by this version
}

// Annotations lists all of them, in the order of their documentation.
func Annotations() []Annotation {
	all := make([]Annotation, len(table))
	for i, r := range table {
		all[i] = r.annotation()
	}
	return all
}

// FindAnnotation finds one by its key, with Prefix or without. The error names the nearest that there is.
func FindAnnotation(key string) (Annotation, error) {
	key = strings.TrimPrefix(key, Prefix)
	r, known := rowOf(key)
	switch {
	case key == "":
		return Annotation{}, errors.New("the key is empty, expected one such as region")
	case !known:
		return Annotation{}, errors.New(Prefix + shown(key) + " is " + wrong(key))
	}
	return r.annotation(), nil
}

func (r row) annotation() Annotation {
	return Annotation{Key: Prefix + r.key, Doc: r.doc, Default: r.builtIn, Example: r.example, Supported: r.set != nil}
}

// Setting is what one annotation comes to for one pod, and who decided it.
type Setting struct {
	Key string // of the annotation, without Prefix
	// Value as a user would write it. It is empty where nobody has set it, and where Hidden says that it may hold a secret.
	Value  string
	Hidden bool
	// By says who decided it, in words for people. It is empty where nobody has.
	By string
	// Open says that the kwargs of the backend that the pod has had come before By, if they name the setting.
	Open bool
	// Locked says that an administrator of the cluster lets no pod set it.
	Locked bool
}

// Explain gives every setting of a pod that Decide injects, in the order of the documentation, as far as the pod itself
// and the cluster's defaults decide. What the pod's former backend adds is TakeKwargs's to say.
func (in *Injector) Explain(raw []byte) []Setting {
	pod, wrong := readPod(raw)
	if wrong != nil {
		return nil
	}
	s, _ := in.settle(pod.Metadata.Annotations)
	var settings []Setting
	for _, r := range table {
		if r.set != nil && r.key != statusKey {
			settings = append(settings, in.setting(s, r))
		}
	}
	if s.kwargs != nil {
		settings = TakeKwargs(openTo(settings, s.annotated), s.kwargs, "the annotation "+Prefix+"backend-kwargs")
	}
	decided := s.decided()
	return openTo(settings, func(key string) bool { return slices.Contains(decided, key) })
}

// openTo marks the settings that kwargs decide where nothing else has.
func openTo(settings []Setting, decided func(key string) bool) []Setting {
	for i := range settings {
		settings[i].Open = slices.Contains(contract.KwargSettings(), settings[i].Key) && !decided(settings[i].Key)
	}
	return settings
}

func (in *Injector) setting(s settings, r row) Setting {
	out := Setting{Key: r.key, Value: r.builtIn, By: "built in", Locked: s.locked[r.key]}
	byDefault, defaulted := s.defaults[r.key]
	switch {
	case s.annotated(r.key):
		out.Value, out.By = s.annotations[Prefix+r.key], "the annotation"
	case defaulted:
		out.Value, out.By = byDefault, "cluster default"
	case r.key == "image":
		out.Value, out.By = in.FetcherImage, "the webhook's --fetcher-image"
		return out // which a webhook tells anyway
	case r.builtIn == "":
		out.By = ""
	}
	return out.hide(r.hidden)
}

// hide takes the value away, if there is one and it may be a secret.
func (s Setting) hide(hidden bool) Setting {
	if hidden && s.Value != "" {
		s.Value, s.Hidden = "", true
	}
	return s
}

// TakeKwargs gives the settings as they are once the arguments of a SecretsManagerBackend, which are valid, are taken over
// from a place. In that of backend-kwargs are the names of those that no other setting stands for.
func TakeKwargs(settings []Setting, kwargs map[string]any, place string) []Setting {
	taken := slices.Clone(settings)
	for _, name := range contract.Kwargs() {
		value, given := kwargs[name]
		key := cmp.Or(contract.KwargSetting(name), "backend-kwargs")
		at := slices.IndexFunc(settings, func(s Setting) bool { return s.Open && s.Key == key })
		switch {
		case !given || at < 0 || !says(name, value) || overruled(taken, key):
		case key == "backend-kwargs":
			taken[at].Value, taken[at].By = strings.TrimPrefix(taken[at].Value+", "+name, ", "), "kwargs in "+place
		case taken[at] == settings[at]: // of keys and a profile, keys come first
			r, _ := rowOf(key)
			taken[at].Value, taken[at].By = showKwarg(value), "kwarg "+name+" in "+place
			taken[at] = taken[at].hide(r.hidden || slices.Contains(keyKwargs, name))
		}
	}
	return taken
}

// says tells a value from none: null and an empty text are none, except for prefixes and the separator.
func says(name string, value any) bool {
	if name == "sep" || strings.HasSuffix(name, "_prefix") {
		return true
	}
	return value != nil && value != "" && contract.KwargBelongsTo(name) == ""
}

// overruled says whether a setting has no effect beside others: a pattern beside ids, or where the kind is turned off.
func overruled(settings []Setting, key string) bool {
	kind, isPattern := strings.CutSuffix(key, "-lookup-pattern")
	return isPattern && slices.ContainsFunc(settings, func(s Setting) bool {
		return s.Key == kind && s.Value != "" || s.Key == kind+"-prefix" && s.Value == "none"
	})
}

// showKwarg is a value as an annotation would have it.
func showKwarg(value any) string {
	switch value := value.(type) {
	case nil:
		return "none" // of a prefix
	case string:
		return value
	}
	text, err := json.Marshal(value)
	if err != nil {
		return "" // what JSON was read from, it can be written to
	}
	return string(text)
}
