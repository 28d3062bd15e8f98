package airflow

import (
	"errors"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
)

// The same and more is held against the real Airflow in test/airflow.
func TestReading(t *testing.T) {
	words := Reading{Words: map[string][]string{"user": {"owner", "key"}, "login": {"actor"}, "schema": {"Name"}, "extra": {"options"}}}
	encoded := Reading{URLEncoded: true}
	both := Reading{URLEncoded: true, Words: words.Words}
	for _, c := range []struct {
		name, value string
		how         Reading
		token       string // or, where it starts with no brace, a part of why the value is left out
	}{
		{"no words", `{"owner": "app", "password": "p"}`, Reading{}, `{"password": "p"}`},
		{"a word of user", `{"owner": "app", "password": "p"}`, words, `{"login": "app", "password": "p"}`},
		{"a word of login as well", `{"actor": "app"}`, words, `{"login": "app"}`},
		{"the first in the text, not in the list", `{"actor": "first", "login": "second"}`, words, `{"login": "first"}`},
		{"one word, two fields", `{"key": "both"}`, words, `{"login": "both", "password": "both"}`},
		{"case counts", `{"name": "shop", "Name": "Shop"}`, words, `{"schema": "Shop"}`},
		{"extra by another word", `{"options": {"a": 1}}`, words, `{"extra_dejson": {"a": 1}}`},
		{"null is found too", `{"owner": null, "login": "app"}`, words, `{}`},

		{"not encoded", `{"password": "p%40ss"}`, Reading{}, `{"password": "p%40ss"}`},
		{"encoded", `{"login": "a%2Bb+c", "password": "p%40ss%2525"}`, encoded, `{"login": "a+b+c", "password": "p@ss%25"}`},
		{"a port", `{"port": "%35432"}`, encoded, `{"port": 5432}`},
		{"a type before its dash is replaced", `{"conn_type": "google%2Dcloud"}`, encoded, `{"conn_type": "google_cloud"}`},
		{"an extra that is an object stays", `{"extra": {"a": "%41"}}`, encoded, `{"extra_dejson": {"a": "%41"}}`},
		{"an extra that is a string", `{"extra": "%7B%22a%22%3A 1}"}`, encoded, `{"extra": "{\"a\": 1}"}`},
		{"an extra that is no JSON any more", `{"extra": "{\"a\": \"%22\"}"}`, encoded, "extra is a string and not JSON"},
		{"null and nothing", `{"login": null}`, encoded, `{}`},
		{"a URI is not touched", "postgres://app:p%2540@db", encoded, `"postgres://app:p%2540@db"`},
		{"a number", `{"host": "db", "port": 5432}`, encoded, "port is a number, expected a string, since are_secret_values_urlencoded is set"},
		{"a boolean", `{"login": true}`, encoded, "login is a boolean"},
		{"an object", `{"host": {}}`, encoded, "host is an object"},
		{"an array as extra", `{"extra": []}`, encoded, "extra is an array"},
		{"what is dropped may be anything", `{"size": 5, "login": "%61"}`, encoded, `{"login": "a"}`},
		{"both", `{"owner": "%61pp", "options": {"a": "%41"}}`, both, `{"login": "app", "extra_dejson": {"a": "%41"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, err := Connection(secret.New(c.value), c.how)
			var why *contract.Error
			switch {
			case err == nil && token.Unwrap() != c.token:
				t.Errorf("token is %s\n    expected %s", token.Unwrap(), c.token)
			case err != nil && (!errors.As(err, &why) || why.Code != contract.SecretMalformed || !strings.Contains(why.Detail, c.token)):
				t.Errorf("error is %v, expected code %s and %q", err, contract.SecretMalformed, c.token)
			}
		})
	}
}
