package airflow

import (
	"unicode/utf8"

	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
)

// Variable gives the JSON token, in ASCII, that stands for a variable in LocalFilesystemBackend's file: a string of the
// secret's text as it is, unstripped, as SecretsManagerBackend.get_variable returns it.
//
// An error is a *contract.Error with the code SecretEmpty or SecretMalformed. It holds no part of the value. AWS keeps
// no empty text, so an empty one means that there was none to read.
func Variable(value secret.Value) (secret.Value, error) {
	text := value.Unwrap()
	if text == "" {
		return secret.Value{}, empty()
	}
	if !utf8.ValidString(text) {
		return secret.Value{}, malformed("the value is not UTF-8")
	}
	return secret.New(quote([]rune(text))), nil
}
