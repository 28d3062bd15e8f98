package airflow

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
)

// What a file can have a variable can have, in the form that Airflow takes there; test/airflow shows that it does.
func TestConnectionTextIsThatOfTheFile(t *testing.T) {
	all, err := corpus.Read()
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, s := range all.Connections {
		if s.Binary != "" {
			continue
		}
		token, err := Connection(secret.New(s.Text()), Reading{})
		text, textErr := ConnectionText(secret.New(s.Text()), Reading{})
		if err != nil || textErr != nil {
			if err == nil || textErr == nil || err.Error() != textErr.Error() {
				t.Errorf("%s: %v, in a file %v", s.Name, textErr, err)
			}
			continue
		}
		compared++
		want := token.Unwrap()
		if strings.HasPrefix(want, "{") {
			want = strings.Replace(strings.Replace(want, `"extra_dejson": {`, `"extra": {`, 1), `"port": 0`, `"port": "0"`, 1)
		} else {
			want = strings.TrimFunc(s.Text(), isSpace)
		}
		if text.Unwrap() != want {
			t.Errorf("%s is %q, expected %q", s.Name, text.Unwrap(), want)
		}
	}
	if compared < 100 {
		t.Errorf("%d connections are compared, expected 100 or more", compared)
	}
}

func TestNames(t *testing.T) {
	for id, want := range map[string]string{"db": "DB", "Team/My-db.x@1": "TEAM/MY-DB.X@1", "A_b": "A_B"} {
		if got := ConnectionName(id); got != "AIRFLOW_CONN_"+want {
			t.Errorf("the connection %s is %s", id, got)
		}
		if got := VariableName(id); got != "AIRFLOW_VAR_"+want {
			t.Errorf("the variable %s is %s", id, got)
		}
	}
}

func TestFits(t *testing.T) {
	const limit = 1000
	room := limit - len("NAME=") - 1
	for name, test := range map[string]struct {
		name, value string
		says        string // empty: it fits
	}{
		"nothing":        {"NAME", "", ""},
		"all there is":   {"NAME", strings.Repeat("x", room), ""},
		"one byte more":  {"NAME", strings.Repeat("x", room+1), fmt.Sprintf("it has %d bytes", limit+1)},
		"a longer name":  {"NAME-", strings.Repeat("x", room), "its name NAME- it has"},
		"a NUL":          {"NAME", "c4n4ry\x00", "a NUL"},
		"an = in a name": {"NA=ME", "c4n4ry", "an ="},
		"an = in it":     {"NAME", "=", ""},
	} {
		err := Fits(test.name, secret.New(test.value), limit)
		var e *contract.Error
		switch {
		case test.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case test.says != "" && (!errors.As(err, &e) || e.Code != contract.SecretUnfit || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "c4n4ry")):
			t.Errorf("%s: %v, expected %q", name, err, test.says)
		}
	}
}

func TestOptionText(t *testing.T) {
	for value, code := range map[string]contract.Code{
		"x": "", "100% $ $$ a~b\n": "", "{a}": "", "": contract.SecretEmpty, "\xff": contract.SecretMalformed, "$A": contract.SecretMalformed, "a${b}": contract.SecretMalformed, "~": contract.SecretMalformed, "~a/b": contract.SecretMalformed,
	} {
		text, err := OptionText(secret.New(value))
		var e *contract.Error
		if code == "" && (err != nil || text.Unwrap() != value) || code != "" && (!errors.As(err, &e) || e.Code != code) {
			t.Errorf("%q is %q (%v), expected %q", value, text.Unwrap(), err, code)
		}
	}
}
