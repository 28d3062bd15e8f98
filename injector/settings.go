package injector

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// settings is what the annotations and the cluster's defaults come to for one pod.
type settings struct {
	connections, variables, config names

	separator string
	files     []contract.File
	kwargs    map[string]any // those of the annotation backend-kwargs

	region, endpointURL string
	roleARN, externalID string
	webIdentityRoleARN  string
	credentialsSecret   string

	read                          contract.Read
	onMissing, onInvalid, onEmpty contract.Response
	timeout                       time.Duration

	containers []string // empty: to be recognised
	image      string   // empty: Injector.FetcherImage
	resources  resources
	fileMode   contract.FileMode

	annotations, defaults map[string]string // where the values come from
	locked                map[string]bool   // by key, without Prefix
}

// names is where one kind of things is found, and which of them are wanted.
type names struct {
	prefix  prefix
	pattern string
	ids     []string
}

// subject names a setting as whoever has to change it knows it.
func (s *settings) subject(key string) string {
	if _, ok := s.defaults[key]; ok && !s.annotated(key) {
		return "the cluster default " + key
	}
	return Prefix + key
}

// annotated says whether the pod itself has the setting.
func (s *settings) annotated(key string) bool {
	_, ok := s.annotations[Prefix+key]
	return ok
}

func (s *settings) namesOf(kind string) *names {
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
	s.annotations, s.defaults, s.locked = annotations, in.Defaults.values, in.Defaults.locked
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

// crossProblems are mistakes that several settings make together.
func (s *settings) crossProblems() []problem {
	var problems []problem
	mistake := func(key, expected, found string) {
		problems = append(problems, problem{code: contract.InvalidAnnotations, subject: s.subject(key), expected: expected, found: found})
	}
	for _, pair := range exclusive {
		if s.annotated(pair[0]) && s.annotated(pair[1]) {
			mistake(pair[0], "it or "+Prefix+pair[1]+", not both", "both")
		}
	}
	for _, kind := range []string{"connections", "variables"} {
		n := s.namesOf(kind)
		switch {
		case n.prefix.off && len(n.ids) > 0:
			mistake(kind, "a prefix for the ids in "+Prefix+kind+"-prefix", "none")
		case n.prefix.isNothing(s.separator) && !n.prefix.off && len(n.ids) == 0:
			mistake(kind+"-prefix", "more than separators, such as airflow/"+kind+", or the ids in "+Prefix+kind+" where a name is the bare id", shown(n.prefix.text))
		}
	}
	if s.externalID != "" && s.roleARN == "" {
		mistake("external-id", "the role that asks for it in "+Prefix+"role-arn", "none")
	}
	return append(problems, s.kwargsProblems()...)
}

// kwargsProblems are those of the annotation backend-kwargs.
func (s *settings) kwargsProblems() []problem {
	if s.kwargs == nil {
		return nil
	}
	const key = "backend-kwargs"
	for _, name := range slices.Sorted(maps.Keys(s.kwargs)) {
		if setting := contract.KwargSetting(name); setting != "" && s.annotated(setting) {
			return []problem{{code: contract.InvalidAnnotations, subject: Prefix + key, expected: name + " or the annotation " + Prefix + setting + ", not both", found: "both"}}
		}
	}
	if _, _, err := s.ownAccount().TakeKwargs(s.kwargs, nil, s.lockedSettings()); err != nil {
		return []problem{{code: contract.InvalidAnnotations, says: Prefix + key + ": " + err.Error()}}
	}
	return nil
}

// warnings tell of settings that do what they say but hardly what was meant.
func (s *settings) warnings() []string {
	var warnings []string
	if strings.HasPrefix(strings.ToLower(s.endpointURL), "http:") {
		warnings = append(warnings, s.subject("endpoint-url")+" is http: secrets cross the network unencrypted")
	}
	if s.connections.prefix.off && s.variables.prefix.off && len(s.files) == 0 {
		warnings = append(warnings, s.subject("connections-prefix")+" and variables-prefix are none: nothing will be read")
	}
	for _, key := range []string{"config-prefix", "config-lookup-pattern"} {
		if s.annotated(key) {
			warnings = append(warnings, Prefix+key+" has no effect: no config option is asked for")
		}
	}
	return warnings
}

// contract is what the fetcher is told of the settings.
func (s *settings) contract() (contract.Config, error) {
	own := s.ownAccount()
	var warnings []string
	if s.kwargs != nil {
		var err error
		if own, warnings, err = own.TakeKwargs(s.kwargs, nil, nil); err != nil {
			return contract.Config{}, err
		}
	}
	return contract.Config{
		Version:   contract.Version,
		Directory: contract.Directory,
		FileMode:  s.fileMode,
		Timeout:   contract.Duration(s.timeout),
		Read:      s.read,
		OnMissing: s.onMissing, OnInvalid: s.onInvalid, OnEmpty: s.onEmpty,
		Image:    s.image,
		Accounts: []contract.Account{own},
		Warnings: warnings,
	}, nil
}

func (s *settings) ownAccount() contract.Account {
	own := contract.Account{
		Name: "own", Region: s.region, EndpointURL: s.endpointURL, STSEndpointURL: s.endpointURL, Separator: s.separator,
		KeysFromEnv: s.credentialsSecret != "",
		Connections: s.connections.contract(), Variables: s.variables.contract(), Files: s.files,
	}
	if s.webIdentityRoleARN != "" {
		own.WebIdentity = &contract.WebIdentity{RoleARN: s.webIdentityRoleARN, TokenFile: contract.TokenFile}
	}
	if s.roleARN != "" {
		own.Role = &contract.Role{ARN: s.roleARN, ExternalID: s.externalID}
	}
	return own
}

func (n names) contract() *contract.Names {
	if n.prefix.off {
		return nil
	}
	return &contract.Names{Prefix: n.prefix.text, IDs: n.ids, Pattern: n.pattern}
}

// decided are the settings that the kwargs of the pod's backend do not change.
func (s *settings) decided() []string {
	var decided []string
	for _, key := range contract.KwargSettings() {
		identity := key == "credentials-secret" && s.annotated("web-identity-role-arn")
		if s.kwargs != nil || s.annotated(key) || identity {
			decided = append(decided, key)
		}
	}
	return decided
}

// lockedSettings are those that nothing in a pod may set, its backend's kwargs included.
func (s *settings) lockedSettings() []string {
	return slices.DeleteFunc(contract.KwargSettings(), func(key string) bool { return !s.locked[key] })
}
