package airflowcfg_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/airflowcfg"
)

// get is how the fetcher comes to an option.
func get(text, section, option string) (value string, ok bool, err error) {
	file, err := airflowcfg.Parse(text)
	if err != nil {
		return "", false, err
	}
	return file.Get(section, option)
}

func TestReadings(t *testing.T) {
	for title, r := range readings {
		t.Run(title, func(t *testing.T) {
			section, option := r.names()
			value, ok, err := get(r.text, section, option)
			if r.err == "" {
				if err != nil || value != r.value || ok == r.absent {
					t.Errorf("came to %q, %t, %v; expected %q, %t", value, ok, err, r.value, !r.absent)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), r.err) {
				t.Fatalf("came to the error %v, expected %q in it", err, r.err)
			}
			if value != "" || ok || strings.Contains(strings.ToLower(err.Error()), hidden) {
				t.Errorf("came to %q, %t, %v; expected nothing of the file", value, ok, err)
			}
		})
	}
}

// TestHeaderThatPythonsReadDifferently: before 3.10, which Airflow up to 3.0 runs on too, a header ended at its first
// ].
func TestHeaderThatPythonsReadDifferently(t *testing.T) {
	tests := map[string]struct{ text, err string }{
		"the section's":  {"[secrets] # not [zebra]\nbackend_kwargs = y\n", "line 1: found another ] behind [secrets]"},
		"of all":         {"[secrets]\nbackend_kwargs = y\n[DEFAULT]]\n", "line 3: found another ] behind [DEFAULT]"},
		"another's":      {"[core] # [zebra]\n[secrets]\nbackend_kwargs = y\n", ""},
		"all but closed": {"[secrets] # not [zebra\nbackend_kwargs = y\n", ""},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			value, _, err := get(test.text, "secrets", "backend_kwargs")
			switch {
			case test.err == "" && (value != "y" || err != nil):
				t.Errorf("came to %q, %v; expected y", value, err)
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), hidden)):
				t.Errorf("came to the error %v, expected %q in it", err, test.err)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	const head = "[secrets]\nbackend_kwargs = "
	full := head + strings.Repeat("x", airflowcfg.MaxSize-len(head))
	if value, _, err := get(full, "secrets", "backend_kwargs"); err != nil || len(head)+len(value) != airflowcfg.MaxSize {
		t.Errorf("a file of the most bytes came to %d bytes, %v", len(value), err)
	}
	if _, err := airflowcfg.Parse(full + "x"); err == nil || !strings.Contains(err.Error(), "found 1048577 bytes, expected at most 1048576") {
		t.Errorf("one byte more came to the error %v", err)
	}
	// Each option names the next one a hundred times: 100^9 in all, of nothing.
	var b strings.Builder
	b.WriteString("[secrets]\nbackend_kwargs = %(a0)s\na8 =\n")
	for n := range 8 {
		fmt.Fprintf(&b, "a%d = %s\n", n, strings.Repeat(fmt.Sprintf("%%(a%d)s", n+1), 100))
	}
	if _, _, err := get(b.String(), "secrets", "backend_kwargs"); err == nil || !strings.Contains(err.Error(), "that make more than 1048576 bytes") {
		t.Errorf("references without end came to the error %v", err)
	}
}

// TestFileDoesNotPrintItself is for the log line that somebody will write one day.
func TestFileDoesNotPrintItself(t *testing.T) {
	file, err := airflowcfg.Parse("[zebra] [x]\nzebra = zebra\n")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "file", file)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "file", file)
	printed := log.String() + fmt.Sprintf("%v %+v %#v %s %q %x %v", file, file, file, file, file, file, []any{file, &file, struct{ F airflowcfg.File }{file}})
	if strings.Contains(printed, hidden) || strings.Contains(printed, fmt.Sprintf("%x", hidden)) {
		t.Errorf("printed what is in it: %s", printed)
	}
}

func TestZeroFileHasNoOptions(t *testing.T) {
	if value, ok, err := (airflowcfg.File{}).Get("secrets", "backend"); value != "" || ok || err != nil {
		t.Errorf("came to %q, %t, %v", value, ok, err)
	}
}
