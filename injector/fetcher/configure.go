package fetcher

import (
	"fmt"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// configure reads what the webhook wrote. Before that it refuses what only the container's environment shows: the
// webhook cannot see into the Secrets and ConfigMaps that the pod's envFrom names.
func configure(environ []string) (contract.Config, error) {
	if problems := foreignBackends(environ); len(problems) > 0 {
		return contract.Config{}, &contract.Error{Code: contract.ForeignBackend, Detail: strings.Join(problems, "; ")}
	}
	text, ok := lookup(environ, contract.ConfigEnv)
	if !ok {
		return contract.Config{}, &contract.Error{Code: contract.InvalidConfig, Detail: contract.ConfigEnv + " is not set"}
	}
	return contract.Decode(text)
}

// foreignBackends lists the variables that keep Airflow from reading our files with LocalFilesystemBackend, and what to
// do about each, in order of their names.
func foreignBackends(environ []string) []string {
	var problems []string
	for _, backend := range contract.BackendEnv() {
		if class, _ := lookup(environ, backend.Backend); class != "" && class != contract.LocalFilesystemBackend {
			problems = append(problems, fmt.Sprintf("%s is %s: taking its settings over is not supported yet, so "+
				"remove %s from the Secret or ConfigMap that the pod's envFrom names, and name the prefixes in annotations",
				backend.Backend, contract.ShowClass(class), backend.Backend))
		}
		for _, name := range withPrefix(environ, backend.KwargPrefix) {
			problems = append(problems, fmt.Sprintf("%s gives LocalFilesystemBackend an argument that it does not know, so it would "+
				"not start: remove %s from the Secret or ConfigMap that the pod's envFrom names", name, name))
		}
	}
	slices.Sort(problems)
	return problems
}

// lookup finds a variable. Of a name that is there twice the last one counts, as in os/exec.
func lookup(environ []string, name string) (value string, ok bool) {
	for _, variable := range environ {
		if v, found := strings.CutPrefix(variable, name+"="); found {
			value, ok = v, true
		}
	}
	return value, ok
}

// withPrefix lists the names of the variables that start with prefix.
func withPrefix(environ []string, prefix string) []string {
	var names []string
	for _, variable := range environ {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}
