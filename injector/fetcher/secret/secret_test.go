package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
)

// canary has what each way to print a text escapes differently.
const canary = `ca"na<ry>/%41&=ü` + "\n"

// inWhatever is how values really travel: by value, by pointer, inside something else that is printed.
type inWhatever struct {
	Plain   secret.Value
	Pointer *secret.Value
	List    []secret.Value
	Map     map[string]secret.Value
	hidden  secret.Value
}

func carriers() []any {
	v := secret.New(canary)
	all := inWhatever{Plain: v, Pointer: &v, List: []secret.Value{v}, Map: map[string]secret.Value{"id": v}, hidden: v}
	return []any{v, &v, all, &all, []secret.Value{v}, map[string]secret.Value{"id": v}, []any{v, &v}}
}

func TestNoFormatterShowsTheText(t *testing.T) {
	for _, carrier := range carriers() {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%e", "%p", "%U", "%10.3s", "%+q", "%#x"} {
			refuseCanary(t, verb, fmt.Sprintf(verb, carrier))
		}
		refuseCanary(t, "Sprint", fmt.Sprint(carrier))
		refuseCanary(t, "Sprintln", fmt.Sprintln(carrier))
		refuseCanary(t, "Errorf", fmt.Errorf("wrapping: %w", errors.New(fmt.Sprint(carrier))).Error())
		refuseCanary(t, "a panic's text", panicText(carrier))
	}
}

func TestNoEncoderShowsTheText(t *testing.T) {
	for _, carrier := range carriers() {
		if text, err := json.Marshal(carrier); err != nil {
			t.Errorf("json of %T: %v", carrier, err)
		} else {
			refuseCanary(t, "json", string(text))
		}
		text, _ := xml.Marshal(carrier) // it has no way to write a map, which is an answer too
		refuseCanary(t, "xml", string(text))
		var page strings.Builder
		if err := template.Must(template.New("").Parse("{{.}} {{printf `%v` .}}")).Execute(&page, carrier); err != nil {
			t.Errorf("template of %T: %v", carrier, err)
		}
		refuseCanary(t, "text/template", page.String())
	}
	asKey, err := json.Marshal(map[secret.Value]int{secret.New(canary): 1})
	if err != nil {
		t.Errorf("json of a map's key: %v", err)
	}
	refuseCanary(t, "json of a map's key", string(asKey))
}

func TestNoLogShowsTheText(t *testing.T) {
	var out bytes.Buffer
	for _, handler := range []slog.Handler{
		slog.NewTextHandler(&out, nil),
		slog.NewJSONHandler(&out, nil),
	} {
		for _, carrier := range carriers() {
			slog.New(handler).Info("message", "value", carrier, slog.Group("group", "value", carrier))
		}
	}
	refuseCanary(t, "slog", out.String())
}

func TestUnwrapGivesTheText(t *testing.T) {
	v := secret.New(canary)
	if v.Unwrap() != canary || v.Len() != len(canary) {
		t.Errorf("Unwrap gives %d bytes and Len %d, expected the %d that went in", len(v.Unwrap()), v.Len(), len(canary))
	}
	if got := fmt.Sprint(v); got != secret.Redacted {
		t.Errorf("a value prints as %q, expected %q", got, secret.Redacted)
	}
}

// refuseCanary fails if the output holds the canary, however it is written.
func refuseCanary(t *testing.T, how, output string) {
	t.Helper()
	const part = "ca\"na" // the part before anything that a form below does not know
	quoted, _ := json.Marshal(canary)
	for form, text := range map[string]string{
		"plain": canary, "its start": part, "its middle": "ry>/%41", "quoted": strings.Trim(string(quoted), `"`),
		"in hex": hex.EncodeToString([]byte(canary))[:12], "in upper-case hex": strings.ToUpper(hex.EncodeToString([]byte(canary))[:12]),
		"in base64": base64.StdEncoding.EncodeToString([]byte(canary))[:12], "as bytes": "99 97 34 110 97",
	} {
		if strings.Contains(output, text) {
			t.Errorf("%s shows the text %s: %q", how, form, output)
		}
	}
}

func panicText(value any) (text string) {
	defer func() { text = fmt.Sprintf("panic: %v", recover()) }()
	panic(value)
}
