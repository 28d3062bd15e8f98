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
	targets, _ := pod.airflowContainers(s.containers)
	settings = withOptions(settings, pod.formerBackend(s, targets).options)
	if s.kwargs != nil {
		_, shared := s.kwargs["shared_account"]
		settings = TakeKwargs(openTo(settings, s.annotated), contract.Backend{Kwargs: s.kwargs, Shared: shared, KwargsName: "the annotation " + Prefix + "backend-kwargs"})
	}
	decided := s.decided()
	return openTo(settings, func(key string) bool { return s.kwargs != nil || slices.Contains(decided, key) })
}

// openTo marks the settings that kwargs decide where nothing else has.
func openTo(settings []Setting, decided func(key string) bool) []Setting {
	for i := range settings {
		key := settings[i].Key
		byPlugin := slices.ContainsFunc(pluginSettings, func(p pluginSetting) bool { return p.key == key })
		settings[i].Open = (byPlugin || slices.Contains(contract.KwargSettings(), key)) && !decided(key)
	}
	return settings
}

// withOptions adds the options that variables of the pod have taken from its backend until now.
func withOptions(settings []Setting, options []contract.Option) []Setting {
	at := slices.IndexFunc(settings, func(s Setting) bool { return s.Key == "config" })
	values, by := nonEmpty(settings[at].Value), nonEmpty(settings[at].By)
	for _, o := range options {
		if o.Former {
			values, by = append(values, o.String()+"="+o.ID), append(by, o.Env()+"_SECRET")
		}
	}
	settings[at].Value, settings[at].By = strings.Join(values, ","), strings.Join(by, ", ")
	return settings
}

func nonEmpty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
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

// TakeKwargs gives the settings as they are once the arguments of a backend, which are valid, are taken over. In that of
// backend-kwargs are the names of those that no other setting stands for.
func TakeKwargs(settings []Setting, b contract.Backend) []Setting {
	taken := slices.Clone(settings)
	place := cmp.Or(b.KwargsName, b.Name)
	for _, d := range decisions(b, settings) {
		at := slices.IndexFunc(settings, func(s Setting) bool { return s.Open && s.Key == d.key })
		switch {
		case at < 0 || overruled(taken, d.key):
		case d.key == "backend-kwargs":
			taken[at].Value, taken[at].By = strings.TrimPrefix(taken[at].Value+", "+d.kwarg, ", "), "kwargs in "+place
		case taken[at] == settings[at]: // of keys and a profile, keys come first
			r, _ := rowOf(d.key)
			taken[at].Value, taken[at].By = showKwarg(d.value), "kwarg "+d.kwarg+" in "+place
			if d.kwarg == "" {
				taken[at].By = "the plugin's default"
			}
			taken[at] = taken[at].hide(r.hidden || slices.Contains(keyKwargs, d.kwarg))
		}
	}
	return taken
}

// decision is what one argument decides about one setting.
type decision struct {
	key, kwarg string // without a kwarg, the backend has it built in
	value      any
}

// decisions are those of all arguments that are given, in the order of their documentation.
func decisions(b contract.Backend, settings []Setting) []decision {
	var all []decision
	for _, name := range contract.Kwargs() {
		key := cmp.Or(contract.KwargSetting(name), "backend-kwargs")
		byPlugin := b.Shared && slices.ContainsFunc(pluginSettings, func(p pluginSetting) bool { return p.key == key })
		if value, given := b.Kwargs[name]; given && says(name, value) && !byPlugin {
			all = append(all, decision{key, name, value})
		}
	}
	if !b.Shared {
		return all
	}
	for _, p := range pluginSettings {
		if d, ok := p.decide(b, settings); ok {
			all = append(all, d)
		}
	}
	return all
}

// pluginSetting is a setting that SharedSecretsManagerBackend decides in its own way.
type pluginSetting struct {
	key, kwarg string
	off        []string // the arguments that turn it off where they are null
	builtIn    string
}

// pluginSettings are what becomes of its prefixes, which are for all kinds alike, and of the region that it asks by itself
// (contract.Config.TakeKwargs).
var pluginSettings = []pluginSetting{
	{"variables-prefix", "connections_prefix", []string{"variables_prefix"}, "airflow/connections"},
	{"config-prefix", "connections_prefix", []string{"config_prefix"}, "airflow/connections"},
	{"variables-lookup-pattern", "connections_lookup_pattern", nil, ""},
	{"config-lookup-pattern", "connections_lookup_pattern", nil, ""},
	{"shared-connections-prefix", "connections_prefix_shared", []string{"connections_prefix"}, "airflow/connections"},
	{"shared-variables-prefix", "connections_prefix_shared", []string{"connections_prefix", "variables_prefix"}, "airflow/connections"},
	{"shared-config-prefix", "connections_prefix_shared", []string{"connections_prefix", "config_prefix"}, "airflow/connections"},
	{"shared-region", "aws_region", nil, ""},
}

func (p pluginSetting) decide(b contract.Backend, settings []Setting) (decision, bool) {
	for _, name := range p.off {
		if value, given := b.Kwargs[name]; given && value == nil {
			return decision{key: p.key, kwarg: name}, true
		}
	}
	if value, given := b.Kwargs[p.kwarg]; given && says(p.kwarg, value) {
		return decision{p.key, p.kwarg, value}, true
	}
	value := p.builtIn
	if p.key == "shared-region" && !slices.ContainsFunc(settings, func(s Setting) bool { return s.Key == "region" && s.By != "" }) {
		value = b.Region // or else it is one's own
	}
	return decision{key: p.key, value: value}, value != ""
}

// says tells a value from none: null and an empty text are none, except for prefixes and the separator.
func says(name string, value any) bool {
	if name == "sep" || strings.HasSuffix(name, "_prefix") || strings.HasSuffix(name, "_prefix_shared") {
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
