package injector

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// settings is what the annotations and the cluster's defaults come to for one pod.
type settings struct {
	connections, variables, config names

	separator string
	options   []contract.Option
	files     []contract.File
	kwargs    map[string]any // those of the annotation backend-kwargs

	shared sharedSettings

	region, endpointURL string
	roleARN, externalID string
	webIdentityRoleARN  string
	credentialsSecret   string

	read                          contract.Read
	onMissing, onInvalid, onEmpty contract.Response
	timeout                       time.Duration

	deliver    contract.Deliver
	entrypoint []string // of the image, for containers that name no command

	containers []string // empty: to be recognised
	image      string   // empty: Injector.FetcherImage
	pullPolicy corev1.PullPolicy
	resources  resources
	fileMode   contract.FileMode

	annotations, defaults map[string]string // where the values come from
	locked                map[string]bool   // by key, without Prefix
}

// sharedSettings are those of the account that backs up one's own.
type sharedSettings struct {
	account, region, roleARN, externalID string
	connections, variables, config       sharedNames
}

// sharedNames is where one kind of things is found there; without a prefix and ids it is not shared.
type sharedNames struct {
	prefix *prefix
	ids    []string
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

func (s *settings) sharedOf(kind string) *sharedNames {
	switch kind {
	case "connections":
		return &s.shared.connections
	case "variables":
		return &s.shared.variables
	}
	return &s.shared.config
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
		value, ok := annotations[r.name]
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
	s.pullPolicy = in.FetcherPullPolicy
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

// warnings tell of settings that do what they say but hardly what was meant.
func (s *settings) warnings() []string {
	var warnings []string
	if strings.HasPrefix(strings.ToLower(s.endpointURL), "http:") {
		warnings = append(warnings, s.subject("endpoint-url")+" is http: secrets cross the network unencrypted")
	}
	if s.connections.prefix.off && s.variables.prefix.off && len(s.files) == 0 {
		warnings = append(warnings, s.subject("connections-prefix")+" and variables-prefix are none: nothing will be read")
	}
	if s.annotated("config-prefix") && len(s.options) == 0 {
		warnings = append(warnings, Prefix+"config-prefix has no effect unless options are asked for in "+Prefix+"config")
	}
	if s.annotated("entrypoint") && s.deliver != contract.DeliverEnv {
		warnings = append(warnings, Prefix+"entrypoint has no effect unless "+Prefix+"deliver is env")
	}
	if s.annotated("config-lookup-pattern") {
		warnings = append(warnings, Prefix+"config-lookup-pattern has no effect: options are named one by one")
	}
	return warnings
}

// contract is what the fetcher is told of the settings, and of what the pod has had until now.
func (s *settings) contract(before former) (contract.Config, error) {
	config := contract.Config{
		Version:   contract.Version,
		Directory: contract.Directory,
		FileMode:  s.fileMode,
		Timeout:   contract.Duration(s.timeout),
		Read:      s.read,
		OnMissing: s.onMissing, OnInvalid: s.onInvalid, OnEmpty: s.onEmpty,
		Image:    s.image,
		Accounts: s.accounts(before.options),
		Options:  before.options,
	}
	if s.deliver == contract.DeliverEnv {
		config.Deliver, config.ExecDirectory = s.deliver, contract.ExecDirectory
		if len(before.commandless) > 0 {
			config.Entrypoint, config.EntrypointOf = s.entrypoint, before.commandless
		}
	}
	if s.kwargs != nil {
		config.TakeOver = &contract.TakeOver{Locked: s.lockedSettings()}
		_, shared := s.kwargs["shared_account"]
		var err error
		if config, config.Warnings, err = config.TakeKwargs(contract.Backend{Kwargs: s.kwargs, Shared: shared}); err != nil {
			return contract.Config{}, err
		}
	}
	config.TakeOver = &before.takeOver
	return config, nil
}

// accounts are one's own and, where anything is said of it, the one that backs it up.
func (s *settings) accounts(options []contract.Option) []contract.Account {
	own := contract.Account{
		Name: contract.OwnAccount, Region: s.region, EndpointURL: s.endpointURL, STSEndpointURL: s.endpointURL, Separator: s.separator,
		KeysFromEnv: s.credentialsSecret != "",
		Connections: s.connections.contract(), Variables: s.variables.contract(), Files: s.files,
	}
	if s.webIdentityRoleARN != "" {
		own.WebIdentity = &contract.WebIdentity{RoleARN: s.webIdentityRoleARN, TokenFile: contract.TokenFile}
	}
	if s.roleARN != "" {
		own.Role = &contract.Role{ARN: s.roleARN, ExternalID: s.externalID}
	}
	if ids := optionIDs(options); len(ids) > 0 {
		own.Config = &contract.Names{Prefix: s.config.prefix.text, IDs: ids}
	}
	shared := s.sharedAccount(own)
	if s.shared.account == "" && s.shared.roleARN == "" && s.shared.region == "" && len(shared.Kinds()) == 0 {
		return []contract.Account{own}
	}
	return []contract.Account{own, shared}
}

// sharedAccount is asked by the same identity as one's own, unless there is a role for it.
func (s *settings) sharedAccount(own contract.Account) contract.Account {
	shared := own.Beside()
	shared.ID, shared.Region = s.shared.account, cmp.Or(s.shared.region, s.region)
	if s.shared.roleARN != "" {
		shared.Role = &contract.Role{ARN: s.shared.roleARN, ExternalID: s.shared.externalID}
	}
	shared.Connections = s.shared.connections.contract("connections", s.shared.connections.ids)
	shared.Variables = s.shared.variables.contract("variables", s.shared.variables.ids)
	if own.Config != nil && s.shared.config.prefix != nil {
		shared.Config = s.shared.config.contract("config", own.Config.IDs)
	}
	return shared
}

// contract is where a kind is found in the shared account; nil if it is not shared. Ids without a prefix have the one that
// Airflow's own backend has built in.
func (n sharedNames) contract(kind string, ids []string) *contract.Names {
	switch {
	case n.prefix == nil && len(ids) == 0, n.prefix != nil && n.prefix.off:
		return nil
	case n.prefix == nil:
		return &contract.Names{Prefix: "airflow/" + kind, IDs: ids}
	}
	return &contract.Names{Prefix: n.prefix.text, IDs: ids}
}

func optionIDs(options []contract.Option) []string {
	var ids []string
	for _, o := range options {
		if !slices.Contains(ids, o.ID) {
			ids = append(ids, o.ID)
		}
	}
	return ids
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
	for _, key := range []string{"shared-variables-prefix", "shared-config-prefix"} { // the plugin has one prefix for all kinds
		if s.annotated(key) {
			decided = append(decided, key)
		}
	}
	return decided
}

// lockedSettings are those that nothing in a pod may set, its backend's kwargs included.
func (s *settings) lockedSettings() []string {
	return slices.DeleteFunc(contract.KwargSettings(), func(key string) bool { return !s.locked[key] })
}
