package airflow

import (
	"unicode/utf8"

	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
)

// Option gives what Airflow will read from the output of a command (_CMD): the secret's text as it is. Airflow decodes
// that output as UTF-8 and adds and strips nothing (run_command of airflow/configuration.py).
//
// An error is a *contract.Error with the code SecretEmpty or SecretMalformed. It holds no part of the value.
func Option(value secret.Value) (secret.Value, error) {
	text := value.Unwrap()
	if text == "" {
		return secret.Value{}, empty()
	}
	if !utf8.ValidString(text) {
		return secret.Value{}, malformed("the value is not UTF-8")
	}
	return value, nil
}
