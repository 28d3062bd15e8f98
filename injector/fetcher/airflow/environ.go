package airflow

import (
	"fmt"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/airflowcfg"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
)

// ConnectionName and VariableName are the environment variables in which Airflow's EnvironmentVariablesBackend looks for an
// id. Ids that differ only in case share one.
//
// Source: airflow/secrets/environment_variables.py. A secret's name is ASCII, of which str.upper and ToUpper make the same.
func ConnectionName(id string) string { return "AIRFLOW_CONN_" + strings.ToUpper(id) }

// VariableName is to a variable what ConnectionName is to a connection.
func VariableName(id string) string { return "AIRFLOW_VAR_" + strings.ToUpper(id) }

// ConnectionText gives the text of an AIRFLOW_CONN_ variable. It is made by the rules of Connection, since Airflow takes it
// apart as it takes apart what SecretsManagerBackend gives (deserialize_connection of airflow/secrets/base_secrets.py): JSON
// where it starts with a brace, and anything else as a URI. Errors are those of Connection.
func ConnectionText(value secret.Value, how Reading) (secret.Value, error) {
	entry, err := connection(value.Unwrap(), how)
	if err != nil {
		return secret.Value{}, err
	}
	if entry.kind == jsonString {
		return secret.New(string(entry.text)), nil
	}
	forFromJSON(entry.members)
	return secret.New(ascii(entry)), nil
}

// forFromJSON writes fields for Connection.from_json (airflow/models/connection.py), where a file has them for Connection
// itself: an object is an extra as well, and a port of zero has to be true to Python, since it takes no other for a port.
func forFromJSON(fields []member) {
	for i, f := range fields {
		switch {
		case string(f.key) == "extra_dejson":
			fields[i].key = []rune("extra")
		case string(f.key) == "port" && !f.value.truth():
			fields[i].value = textValue("0")
		}
	}
}

// VariableText gives the text of an AIRFLOW_VAR_ variable: the secret's own. Errors are those of Variable.
func VariableText(value secret.Value) (secret.Value, error) { return Option(value) }

// OptionText gives the text of a variable that sets one of Airflow's options. Airflow puts other variables and home
// directories into it where it finds their names (expand_env_var of airflow/configuration.py), which is no part of a
// command's output: a value in which it might is refused. Errors are those of Option.
func OptionText(value secret.Value) (secret.Value, error) {
	text, err := Option(value)
	if err != nil {
		return secret.Value{}, err
	}
	if airflowcfg.SelfContained(text.Unwrap()) != nil { // its error may show a part of a secret
		return secret.Value{}, malformed("Airflow replaces a $NAME, and a ~ at the start, in the variable of an option, and the value has one")
	}
	return text, nil
}

// Fits refuses a variable that no environment can hold, or only one in which a string, with NUL included, may have more bytes
// than the limit. An error is a *contract.Error with the code SecretUnfit.
func Fits(name string, value secret.Value, limit int) error {
	size := len(name) + len("=") + value.Len() + 1
	switch {
	case strings.Contains(name, "="):
		return unfit("the id has an =, where the name of a variable ends")
	case strings.Contains(value.Unwrap(), "\x00"):
		return unfit("the value has a NUL character, where a variable ends")
	case size > limit:
		return unfit("with its name %s it has %d bytes, and Linux takes %d at most", name, size, limit)
	}
	return nil
}

func unfit(format string, args ...any) error {
	return &contract.Error{Code: contract.SecretUnfit, Detail: fmt.Sprintf(format, args...)}
}
