package contract

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// TakeOver is what the fetcher has to know to find the secrets backend that the pod has had until now. Its class and its
// keyword arguments may lie in Secrets and ConfigMaps, which the webhook does not read.
type TakeOver struct {
	// Workers says that the pod runs tasks, so that Airflow 3 looks at [workers] before [secrets].
	Workers bool `json:"workers,omitempty"`
	// ConfigFile is where a volume puts airflow.cfg, if one does.
	ConfigFile string `json:"configFile,omitempty"`
	// Moved are the variables that only the fetcher has any more. What else it finds, Airflow finds as well.
	Moved []string `json:"moved,omitempty"`
	// Decided are the settings, by the keys of their annotations, that keyword arguments do not change.
	Decided []string `json:"decided,omitempty"`
	// Locked are the settings that they may not even name.
	Locked []string `json:"locked,omitempty"`
}

// SecretsManagerBackend is the class whose place we take.
const SecretsManagerBackend = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"

// SharedBackend is that of the plugin airflow-aws-shared-secrets, which looks into another account for what is not in one's
// own.
const SharedBackend = "airflow_aws_shared_secrets.secret_manager.SharedSecretsManagerBackend"

// Lookup finds one of Airflow's options in one place, such as the environment: its value, and what it is called there.
// An empty name says that it is not there. An error with a name says that it is there and cannot be read.
type Lookup func(section, option string) (value, name string, err error)

// EnvName is the variable that sets an option (_env_var_name of AirflowConfigParser).
func EnvName(section, option string) string {
	return "AIRFLOW__" + strings.ToUpper(strings.ReplaceAll(section, ".", "_")) + "__" + strings.ToUpper(option)
}

// InEnv looks options up in environment variables.
func InEnv(lookup func(name string) (string, bool)) Lookup {
	return func(section, option string) (string, string, error) {
		name := EnvName(section, option)
		if value, ok := lookup(name); ok {
			return value, name, nil
		}
		return "", "", nil
	}
}

// Backend is a secrets backend that a pod has had: a SecretsManagerBackend, the SharedSecretsManagerBackend of the plugin
// airflow-aws-shared-secrets, or none.
type Backend struct {
	// Shared says that it is the plugin's.
	Shared bool
	// Name is what the option with the class is called where it was found. It is empty if there is no backend to take over.
	Name string
	// Kwargs are its keyword arguments. They may hold access keys.
	Kwargs map[string]any
	// KwargsName is what the option with them is called where it was found, if it was.
	KwargsName string
	// Region is where the plugin looks for the shared account's secrets unless its kwargs say otherwise: AWS_REGION, or else
	// eu-central-1 (airflow_aws_shared_secrets.get_aws_region).
	Region string
}

// Finder looks for a backend where Airflow does.
type Finder struct {
	// Places in the order in which Airflow prefers them: the environment, then airflow.cfg.
	Places []Lookup
	// Env are the variables by name, for those of which only the start is known.
	Env map[string]string
	// Workers is TakeOver.Workers.
	Workers bool
	// Options are those that are delivered, wherever else they may come from.
	Options []Option
}

// Find gives the backend that Airflow would use (get_custom_secret_backend of airflow/configuration.py). Its errors are
// *Error: a backend that is not to be replaced, or arguments that cannot be read. They show no argument's value.
func (f Finder) Find() (Backend, error) {
	if value, name, err := f.option("core", "multi_team"); err != nil {
		return Backend{}, err
	} else if isTrue(value) {
		return Backend{}, &Error{Code: MultiTeam, Detail: name}
	}
	sections := BackendEnv()
	if f.Workers {
		slices.Reverse(sections)
	}
	var used *BackendVariables
	var class, name string
	for _, s := range sections {
		found, called, err := f.option(s.Section, s.BackendOption)
		found = strings.TrimSpace(found)
		switch {
		case err != nil:
			return Backend{}, err
		case found != "" && !slices.Contains([]string{SecretsManagerBackend, SharedBackend, LocalFilesystemBackend}, found):
			return Backend{}, foreign(found, called) // ours would take its place in the other section's processes as well
		case found != "" && used == nil:
			used, class, name = &s, found, called
		}
	}
	switch class {
	case "":
		return Backend{}, nil
	case LocalFilesystemBackend:
		return Backend{}, f.ownFiles(*used, name)
	}
	b, err := f.withKwargs(*used, name)
	b.Shared, b.Region = class == SharedBackend, cmp.Or(f.Env["AWS_REGION"], "eu-central-1")
	return b, err
}

// ownFiles refuses a LocalFilesystemBackend that reads files of the pod's own: ours would take their place.
func (f Finder) ownFiles(s BackendVariables, name string) error {
	text, form, kwargsName, err := f.sensitive(s.Section, s.KwargsOption)
	if err != nil || text == BackendKwargs(Directory) {
		return err
	}
	kwargs, _ := ParseKwargs(text)
	if len(kwargs) == 0 && form == "" { // none, or none that Airflow can read
		return nil
	}
	return &Error{Code: ForeignBackend, Detail: fmt.Sprintf("%s is %s with files of its own (%s): remove both, or remove the annotation airflow-secrets/inject", name, LocalFilesystemBackend, kwargsName)}
}

// option asks the places in turn.
func (f Finder) option(section, option string) (value, name string, err error) {
	for _, place := range f.Places {
		if value, name, err = place(section, option); err != nil || name != "" {
			return value, name, err
		}
	}
	return "", "", nil
}

// isTrue is AirflowConfigParser.getboolean, for which # starts a comment.
func isTrue(value string) bool {
	value, _, _ = strings.Cut(value, "#")
	return slices.Contains([]string{"t", "true", "1"}, strings.ToLower(strings.TrimSpace(value)))
}

func foreign(class, name string) error {
	return &Error{Code: ForeignBackend, Detail: fmt.Sprintf("%s is %s, expected %s, %s or none: remove it, or remove the annotation airflow-secrets/inject",
		name, ShowClass(class), SecretsManagerBackend, SharedBackend)}
}

// withKwargs reads the backend's arguments: the option's JSON, and over it what Airflow 3.2 takes from variables of their
// own, as text.
func (f Finder) withKwargs(s BackendVariables, name string) (Backend, error) {
	if err := f.checkOptions(); err != nil {
		return Backend{}, err
	}
	text, form, kwargsName, err := f.sensitive(s.Section, s.KwargsOption)
	if err != nil {
		return Backend{}, err
	}
	if form != "" {
		return Backend{}, &Error{Code: InvalidKwargs, Detail: fmt.Sprintf("%s: expected the kwargs themselves, since the init container has neither "+
			"the command nor the backend that would give them: write them into %s, or set the annotation airflow-secrets/backend-kwargs", kwargsName, s.Kwargs)}
	}
	b := Backend{Name: name, KwargsName: kwargsName, Kwargs: map[string]any{}}
	if strings.TrimSpace(text) != "" {
		if b.Kwargs, err = ParseKwargs(text); err != nil {
			return Backend{}, &Error{Code: InvalidKwargs, Detail: kwargsName, Err: err}
		}
	}
	for _, variable := range slices.Sorted(maps.Keys(f.Env)) {
		if key, ok := strings.CutPrefix(variable, s.KwargPrefix); ok && key != "" {
			b.Kwargs[strings.ToLower(key)] = f.Env[variable]
			b.KwargsName = cmp.Or(b.KwargsName, variable)
		}
	}
	return b, nil
}

// sensitive finds one of the options that Airflow can also take from a command's output or from a backend. The form says
// which it is: nothing, _cmd or _secret.
func (f Finder) sensitive(section, option string) (value, form, name string, err error) {
	for _, place := range f.Places {
		for _, form := range []string{"", "_cmd", "_secret"} {
			if value, name, err = place(section, option+form); err != nil || name != "" {
				return value, form, name, err
			}
		}
	}
	return "", "", "", nil
}

// checkOptions refuses options that come from the backend by a variable or a line that no patch can change, and for which
// nothing else is delivered.
func (f Finder) checkOptions() error {
	for _, o := range sensitiveOptions {
		_, form, name, err := f.sensitive(o.Section, o.Key)
		delivered := slices.ContainsFunc(f.Options, func(d Option) bool { return d.Section == o.Section && d.Key == o.Key })
		switch {
		case name == "" && err != nil:
			return err
		case form == "_secret" && !delivered:
			return &Error{Code: OptionFromBackend, Detail: fmt.Sprintf("%s: set the annotation airflow-secrets/config to %s=ID with the id that it names, and remove it", name, o)}
		}
	}
	return nil
}

// ParseKwargs reads keyword arguments as Airflow does (AirflowConfigParser.getjson). Its error does not show the text.
func ParseKwargs(text string) (map[string]any, error) {
	var kwargs map[string]any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	err := decoder.Decode(&kwargs)
	if _, end := decoder.Token(); err != nil || kwargs == nil || end != io.EOF {
		return nil, errors.New("expected a JSON object such as {\"connections_prefix\": \"airflow/connections\"} (its text is not shown, since it may hold keys)")
	}
	return kwargs, nil
}
