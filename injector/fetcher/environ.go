package fetcher

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/airflow"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/envfile"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/source"
)

// environment is what airflow.env will hold. A nil one is that of delivery by files alone.
type environment struct {
	options []contract.Option
	limits  Limits // of the containers that get it
	unset   []string
	set     map[string]secret.Value // name → value
}

// newEnvironment has no secrets backend in it: Airflow would ask that first, and an empty variable also hides what
// airflow.cfg says.
func newEnvironment(setup Setup) *environment {
	e := &environment{options: setup.Options, limits: setup.limits, unset: setup.unset, set: map[string]secret.Value{}}
	for _, of := range contract.BackendEnv() {
		e.set[of.Backend] = secret.Value{}
	}
	return e
}

// names are the variables that a secret becomes.
func (e *environment) names(kind contract.Kind, id string) []string {
	switch kind {
	case contract.Connections:
		return []string{airflow.ConnectionName(id)}
	case contract.Variables:
		return []string{airflow.VariableName(id)}
	case contract.Options:
		var names []string
		for _, o := range e.options {
			if o.ID == id && !o.FromCommand() {
				names = append(names, o.Env())
			}
		}
		return names
	}
	return nil
}

// leaves says whether the secret of an option has to be in a file: for a command, which probes run as well, or because
// everything is.
func (e *environment) leaves(id string) bool {
	return e == nil || len(e.names(contract.Options, id)) == 0 ||
		slices.ContainsFunc(e.options, func(o contract.Option) bool { return o.ID == id && o.FromCommand() })
}

// checkNames refuses secrets of one kind that would be the same variable, where a file would have both. It counts that a
// secret is there: who asks for one that cannot be read or used must not get the other. One that is scheduled for deletion
// is gone, as is one that is renamed: AWS keeps it for a week at least. What can be no variable is in nobody's way.
func (e *environment) checkNames(found source.Found) error {
	if e == nil {
		return nil
	}
	owners, problems := map[string]string{}, []string{}
	claim := func(kind contract.Kind, id string) {
		for _, name := range e.names(kind, id) {
			other, taken := owners[name]
			if owners[name] = id; taken && other != id && !strings.Contains(name, "=") {
				problems = append(problems, fmt.Sprintf("%s %s and %s are %s", kind, other, id, name))
			}
		}
	}
	for _, s := range found.Secrets {
		claim(s.Kind, s.ID)
	}
	for _, l := range found.LeftOut {
		if l.Code != contract.SecretMissing && l.Code != contract.SecretBeingDeleted {
			claim(l.Kind, l.ID)
		}
	}
	if len(problems) == 0 {
		return nil
	}
	slices.Sort(problems)
	return &contract.Error{Code: contract.IDsAmbiguous, Detail: strings.Join(problems, "; ")}
}

// convert gives the text of the variables that the secret becomes, or of its file.
func (e *environment) convert(s source.Secret, how airflow.Reading) (text secret.Value, err error) {
	names := e.names(s.Kind, s.ID)
	switch {
	case s.Kind == contract.Connections:
		text, err = airflow.ConnectionText(s.Value, how)
	case s.Kind == contract.Variables:
		text, err = airflow.VariableText(s.Value)
	case s.Kind == contract.Options && len(names) > 0:
		text, err = airflow.OptionText(s.Value)
	case s.Kind == contract.Options:
		text, err = airflow.Option(s.Value)
	case s.Kind == contract.Files:
		text = s.Value
	default:
		err = fmt.Errorf("converting a secret of kind %q, which there is not", s.Kind)
	}
	for _, name := range names {
		if err == nil {
			err = airflow.Fits(name, text, e.limits.String)
		}
	}
	return text, err
}

func (e *environment) add(kind contract.Kind, id string, text secret.Value) {
	for _, name := range e.names(kind, id) {
		e.set[name] = text
	}
}

// toldNames is how many names a warning has room for.
const toldNames = 5

// warnings tell what a shell between us and Airflow may lose.
func (e *environment) warnings() []string {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(e.set)), envfile.IsShellName)
	if len(names) == 0 {
		return nil
	}
	told := strings.Join(names[:min(len(names), toldNames)], ", ")
	if more := len(names) - toldNames; more > 0 {
		told += fmt.Sprintf(" and %d more", more)
	}
	return []string{"a shell that is dash, as sh is in Debian's images, would not give on to Airflow the variables " + told +
		" (bash, dumb-init and Python do): let no such shell start Airflow, or set airflow-secrets/deliver to files"}
}

// spare is how much is left for the arguments and the other variables of a container.
const spare = 64 << 10

// file is the text of airflow.env. It fails where Linux would start no program with so many variables.
func (e *environment) file() ([]byte, error) {
	f := envfile.File{Unset: slices.DeleteFunc(slices.Clone(e.unset), func(name string) bool { _, set := e.set[name]; return set })}
	size := spare
	for _, name := range slices.Sorted(maps.Keys(e.set)) {
		f.Set = append(f.Set, envfile.Variable{Name: name, Value: e.set[name].Unwrap()})
		size += sizeOf(name + "=" + e.set[name].Unwrap())
	}
	if limit := e.limits.All; size > limit {
		return nil, &contract.Error{Code: contract.TooLarge, Detail: fmt.Sprintf("as environment variables they have %d bytes, and Linux takes %d of all that a program starts with, "+
			"of which %d are left for arguments and other variables; airflow-secrets/deliver may also be files", size-spare, limit, spare)}
	}
	return f.Bytes(), nil
}
