package airflow

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
)

// The corpus is also read by the real Airflow, in test/airflow.
func TestCorpus(t *testing.T) {
	all, err := corpus.Read()
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Connections) < 200 || len(all.Variables) < 20 {
		t.Fatalf("corpus has %d connections and %d variables, expected 200 and 20", len(all.Connections), len(all.Variables))
	}
	for _, s := range all.Connections {
		t.Run("connections/"+s.Name, func(t *testing.T) { checkSecret(t, s, plainly) })
	}
	for _, s := range all.Variables {
		t.Run("variables/"+s.Name, func(t *testing.T) { checkSecret(t, s, Variable) })
	}
}

// plainly reads a connection without any keyword argument that changes what it means.
func plainly(value secret.Value) (secret.Value, error) { return Connection(value, Reading{}) }

func checkSecret(t *testing.T, s corpus.Secret, convert func(secret.Value) (secret.Value, error)) {
	if s.State != "" || s.Binary != "" {
		t.Skip("AWS gives no text for it")
	}
	token, err := convert(secret.New(s.Text()))
	if s.LeftOut != "" {
		checkLeftOut(t, s, err)
		return
	}
	if err != nil {
		t.Fatalf("left out: %v", err)
	}
	checkASCII(t, token.Unwrap())
	if s.Unchanged {
		var text string
		if err := json.Unmarshal([]byte(token.Unwrap()), &text); err != nil || text != s.Text() {
			t.Errorf("token is %.200s (%v), expected the value as it is", token.Unwrap(), err)
		}
		return
	}
	if token.Unwrap() != s.Token {
		t.Errorf("token is %s\n    expected %s", token.Unwrap(), s.Token)
	}
}

func checkLeftOut(t *testing.T, s corpus.Secret, err error) {
	t.Helper()
	var why *contract.Error
	switch {
	case !errors.As(err, &why):
		t.Fatalf("error is %v, expected a *contract.Error", err)
	case string(why.Code) != s.LeftOut:
		t.Errorf("code is %s, expected %s", why.Code, s.LeftOut)
	case !strings.Contains(why.Detail, s.Because):
		t.Errorf("detail is %q, expected it to contain %q", why.Detail, s.Because)
	case why.Code == contract.SecretMalformed && s.Because == "":
		t.Errorf("corpus.yaml does not say because of what; the detail is %q", why.Detail)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error holds the value: %v", err)
	}
}

func checkASCII(t *testing.T, token string) {
	t.Helper()
	for i := range len(token) {
		if c := token[i]; c < ' ' || c > '~' {
			t.Fatalf("token has the byte %#x, expected printable ASCII", c)
		}
	}
}

// What AWS does not give, and what no corpus of text can hold.
func TestNoText(t *testing.T) {
	for _, c := range []struct {
		name, value string
		code        contract.Code
	}{
		{"none", "", contract.SecretEmpty},
		{"not UTF-8", "postgres://app:hunter2\xff@db", contract.SecretMalformed},
		{"half of a surrogate pair, encoded", "postgres://app:hunter2\xed\xa0\x80@db", contract.SecretMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			for kind, convert := range map[string]func(secret.Value) (secret.Value, error){"connection": plainly, "variable": Variable} {
				_, err := convert(secret.New(c.value))
				var why *contract.Error
				if !errors.As(err, &why) || why.Code != c.code || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%s: error is %v, expected code %s and no part of the value", kind, err, c.code)
				}
			}
		})
	}
}

func TestFile(t *testing.T) {
	for _, c := range []struct {
		name     string
		entries  map[string]secret.Value
		expected string
	}{
		{"empty", nil, "{}\n"},
		{"in order", map[string]secret.Value{"b": secret.New(`"2"`), "a/é": secret.New(`{}`), "B": secret.New(`"1"`)},
			"{\n  \"B\": \"1\",\n  \"a/\\u00e9\": {},\n  \"b\": \"2\"\n}\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if file := string(File(c.entries)); file != c.expected {
				t.Errorf("file is %s\nexpected %s", file, c.expected)
			}
		})
	}
}
