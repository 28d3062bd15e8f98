package pods

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/inputs"
)

// options are ids by the variable that sets the option, such as AIRFLOW__CORE__FERNET_KEY.
type options map[string]string

// commandStart starts the command by which Airflow gets an option from its file; the id is what follows.
var commandStart = "cat " + path.Join(contract.Directory, contract.OptionsDirectory) + "/"

// annotatedOptions are those of the annotation airflow-secrets/config, which all of Airflow's containers get.
func annotatedOptions(pod parts) options {
	var value string
	all := options{}
	if json.Unmarshal(pod.annotations["airflow-secrets/config"], &value) != nil || value == "" {
		return all
	}
	for entry := range strings.SplitSeq(value, ",") {
		name, id, _ := strings.Cut(strings.TrimSpace(entry), "=")
		dot := max(strings.LastIndex(name, "."), 0)
		all[variableOf(name[:dot], strings.TrimPrefix(name[dot:], "."))] = id
	}
	return all
}

// variableOf is the variable that sets an option. A dot in the section becomes an underscore.
func variableOf(section, key string) string {
	return "AIRFLOW__" + strings.ToUpper(strings.ReplaceAll(section, ".", "_")) + "__" + strings.ToUpper(key)
}

// optionVariables are the variables that set an option which Airflow takes from a command or from a backend.
func optionVariables() []string {
	var names []string
	for _, option := range contract.OptionNames() {
		names = append(names, "AIRFLOW__"+strings.ToUpper(strings.Replace(option, ".", "__", 1)))
	}
	return names
}

// options are those that a container of Airflow's gets: the annotation's, be they by commands or by the variables themselves; beside them those that it has taken from the
// backend, if nothing else that it has would win over that; and those that it gets from our files already.
func (s seen) options(annotated options) options {
	own := maps.Clone(annotated)
	for _, option := range optionVariables() {
		_, plain := s.last(option)
		command, hasCommand := s.last(option + "_CMD")
		former, fromBackend := s.last(option + "_SECRET")
		id, isOurs := strings.CutPrefix(command.Value, commandStart)
		switch {
		case annotated[option] != "":
		case isOurs:
			own[option] = id
		case fromBackend && !plain && !hasCommand && !s.prefers(newer[option]):
			own[option] = former.Value
		}
	}
	return own
}

// prefers says whether the container sets an option in any way.
func (s seen) prefers(option string) bool {
	return option != "" && slices.ContainsFunc([]string{"", "_CMD", "_SECRET"}, func(form string) bool { _, ok := s.last(option + form); return ok })
}

// last finds a variable. Of several with one name the last counts.
func (s seen) last(name string) (element, bool) {
	for _, e := range slices.Backward(s.Env) {
		if e.Name == name {
			return e, true
		}
	}
	return element{}, false
}

// wanted are the variables by which a container gets the options, and their values.
func (o options) wanted() map[string]string {
	commands := map[string]string{}
	for option, id := range o {
		if slices.Contains(optionVariables(), option) {
			commands[option+"_CMD"] = commandStart + id
		}
	}
	return commands
}

// newer are the variables of the names that Airflow prefers to older ones, by the variable of the older name.
var newer = map[string]string{
	"AIRFLOW__CORE__SQL_ALCHEMY_CONN":       "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
	"AIRFLOW__CORE__DATASET_MANAGER_KWARGS": "AIRFLOW__CORE__ASSET_MANAGER_KWARGS",
	"AIRFLOW__WEBSERVER__SECRET_KEY":        "AIRFLOW__API__SECRET_KEY",
}

// lose is true of the variables that would win over a command of ours, and of those whose place it takes.
func (o options) lose(e element) bool {
	_, plain := o[e.Name]
	former := strings.TrimSuffix(e.Name, "_SECRET")
	fromBackend := o[former] != "" && slices.Contains(optionVariables(), former)
	for older := range o {
		for _, form := range []string{"", "_CMD", "_SECRET"} {
			if name := newer[older]; name != "" && e.Name == name+form && o.wanted()[e.Name] == "" {
				return true
			}
		}
	}
	return plain || fromBackend
}

// checkOptions expects the fetcher to be told of the options that the containers get, once each, and to ask AWS for them.
func checkOptions(config contract.Config, annotated options, containers []options) error {
	told := options{}
	for _, o := range config.Options {
		variable := variableOf(o.Section, o.Key)
		if _, twice := told[variable]; twice {
			return fmt.Errorf("the fetcher is told twice of the option %s", o)
		}
		if _, isAnnotated := annotated[variable]; o.Former == isAnnotated {
			return fmt.Errorf("the fetcher is told that the option %s was a former one: %t", o, o.Former)
		}
		own := config.Accounts[0].Config
		if own == nil || !slices.Contains(own.IDs, o.ID) {
			return fmt.Errorf("the fetcher is not told to ask for %s, which the option %s needs", o.ID, o)
		}
		told[variable] = o.ID
	}
	var errs []error
	for _, wanted := range append(containers, annotated) {
		for option, id := range wanted {
			if told[option] != id {
				errs = append(errs, fmt.Errorf("a container gets %s from the secret %q, and the fetcher is told %q", option, id, told[option]))
			}
		}
	}
	return errors.Join(errs...)
}

// checkShared expects the account that the annotations name, and nothing of it that cannot be read. Of kwargs that are not
// taken over yet, only the fetcher can say what they come to.
func checkShared(config contract.Config, pod parts) error {
	var id string
	json.Unmarshal(pod.annotations["airflow-secrets/shared-account"], &id) // that there is none is empty, too
	shared := config.Shared()
	switch {
	case shared == nil && id == "", shared != nil && id == "" && shared.ID == "" && shared.Role == nil:
		return nil
	case shared == nil || id != "" && shared.ID != id:
		return fmt.Errorf("the fetcher is told of the shared account %+v, expected %s", shared, id)
	}
	if _, err := config.Settled(); err != nil && len(config.TakeOver.Moved) == 0 {
		return fmt.Errorf("the fetcher cannot read the shared account: %w", err)
	}
	return nil
}

// addOption adds a variable by which Airflow gets an option: its value, a command, or an id in the secrets backend. Those
// of one option may meet in a container, and ids differ between containers.
func (o object) addOption(c *inputs.Choices) {
	option := inputs.Of(c, "CORE__FERNET_KEY", "DATABASE__SQL_ALCHEMY_CONN", "CORE__SQL_ALCHEMY_CONN", "CELERY__BROKER_URL", "CORE__DAGS_FOLDER")
	e := object{"name": "AIRFLOW__" + option, "value": PodCanary}
	switch c.Below(8) {
	case 0, 1, 2, 3, 4:
		e["name"], e["value"] = "AIRFLOW__"+option+"_SECRET", inputs.Of(c, "fernet", "fernet", "fernet", "fernet", "db/metadata")
		if c.OneIn(8) {
			e["value"] = inputs.Of(c, "", "$(X)", "../up", "a b", takenCanary)
		}
	case 5:
		e["name"], e["value"] = "AIRFLOW__"+option+"_CMD", "cat /etc/"+PodCanary
	}
	if c.OneIn(32) {
		delete(e, "value")
		e["valueFrom"] = map[string]any{"secretKeyRef": map[string]any{"name": "s", "key": "k"}}
	}
	if to := o.any(c); to["name"] != contract.ContainerName { // what others put into ours stays there, and is none of ours
		to.insert(c, "env", e)
	}
}
