package injector

import (
	"strings"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// settings is what the annotations and the cluster's defaults come to for one pod.
type settings struct {
	connections, variables, config prefix

	separator   string
	region      string
	endpointURL string
	read        contract.Read
	containers  []string // empty: to be recognised
	image       string   // empty: Injector.FetcherImage
	resources   resources
	fileMode    contract.FileMode
	timeout     time.Duration

	configAsked bool // config-prefix was set in the pod

	annotations, defaults map[string]string // where the values come from
}

// subject names a setting as whoever has to change it knows it.
func (s *settings) subject(key string) string {
	if _, ok := s.annotations[Prefix+key]; !ok && s.defaults[key] != "" {
		return "the cluster default " + key
	}
	return Prefix + key
}

func (s *settings) prefixOf(kind string) *prefix {
	switch kind {
	case "connections":
		return &s.connections
	case "variables":
		return &s.variables
	}
	return &s.config
}

// builtInSettings are those of a pod that says nothing, read from the table like any others.
var builtInSettings = func() (s settings) {
	for _, r := range table {
		if r.set == nil || r.builtIn == "" {
			continue
		}
		if err := r.set(&s, r.builtIn); err != nil {
			panic("the built-in value of " + r.key + ": " + err.Error())
		}
	}
	return s
}()

// settle takes each setting from where it counts first: the pod's annotation, the cluster's default, the built-in one.
// It goes on after a mistake, so that all of them are told at once.
func (in *Injector) settle(annotations map[string]string) (settings, []problem) {
	s := builtInSettings
	s.annotations, s.defaults = annotations, in.Defaults.values
	problems := in.keyProblems(annotations)
	for _, r := range table {
		value, ok := annotations[Prefix+r.key]
		if !ok {
			value, ok = in.Defaults.values[r.key]
		}
		if !ok || r.set == nil { // one that is not built is told by keyProblems
			continue
		}
		if err := r.set(&s, value); err != nil {
			problems = append(problems, r.problem(s.subject(r.key), value, err))
		}
	}
	if s.image == "" {
		s.image = in.FetcherImage
	}
	_, s.configAsked = annotations[Prefix+"config-prefix"]
	return s, append(problems, s.crossProblems()...)
}

// keyProblems are mistakes in the keys themselves: unknown, not built yet, locked, or without a clear question.
func (in *Injector) keyProblems(annotations map[string]string) []problem {
	var problems []problem
	for _, key := range ours(annotations) {
		is := wrong(key)
		if is == "" && in.Defaults.locked[key] {
			is = "locked by an administrator of the cluster: remove it"
		}
		if is != "" {
			problems = append(problems, problem{code: contract.InvalidAnnotations, subject: Prefix + shown(key), is: is})
		}
	}
	if value, ok := annotations[Prefix+injectKey]; !ok {
		problems = append(problems, problem{code: contract.InvalidAnnotations, subject: Prefix + injectKey, expected: "true or false beside the other annotations", found: "no such annotation"})
	} else if value != "true" {
		problems = append(problems, problem{code: contract.InvalidAnnotations, subject: Prefix + injectKey, expected: "true or false", found: shown(value)})
	}
	return problems
}

func (r row) problem(subject, value string, err error) problem {
	p := problem{code: contract.InvalidAnnotations, subject: subject, expected: err.Error(), found: shown(value)}
	if r.hidden {
		p.found = ""
	}
	return p
}

// crossProblems are mistakes that two settings make together.
func (s *settings) crossProblems() []problem {
	var problems []problem
	for _, kind := range []string{"connections", "variables"} {
		if p := s.prefixOf(kind); p.text != "" && s.separator != "" && strings.Trim(p.text, s.separator) == "" {
			problems = append(problems, problem{code: contract.InvalidAnnotations, subject: s.subject(kind + "-prefix"),
				expected: "more than separators, such as airflow/" + kind, found: shown(p.text)})
		}
	}
	return problems
}

// warnings tell of settings that do what they say but hardly what was meant.
func (s *settings) warnings() []string {
	var warnings []string
	if strings.HasPrefix(strings.ToLower(s.endpointURL), "http:") {
		warnings = append(warnings, s.subject("endpoint-url")+" is http: secrets cross the network unencrypted")
	}
	if s.connections.off && s.variables.off {
		warnings = append(warnings, s.subject("connections-prefix")+" and variables-prefix are none: nothing will be read")
	}
	if s.configAsked {
		warnings = append(warnings, Prefix+"config-prefix has no effect: no config option is asked for")
	}
	return warnings
}

// contract is what the fetcher is told of the settings.
func (s *settings) contract(warnings []string) contract.Config {
	names := func(p prefix) *contract.Names {
		if p.off {
			return nil
		}
		return &contract.Names{Prefix: p.text}
	}
	return contract.Config{
		Version:   contract.Version,
		Directory: contract.Directory,
		FileMode:  s.fileMode,
		Timeout:   contract.Duration(s.timeout),
		Read:      s.read,
		Image:     s.image,
		Accounts: []contract.Account{{
			Name: "own", Region: s.region, EndpointURL: s.endpointURL, Separator: s.separator,
			Connections: names(s.connections), Variables: names(s.variables),
		}},
		Warnings: warnings,
	}
}
