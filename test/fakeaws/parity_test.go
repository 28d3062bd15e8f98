package fakeaws_test

import (
	"cmp"
	"fmt"
	"maps"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// TestParityWithMoto sends the requests of testdata/requests.yaml to this fake and to moto, and compares the answers
// field by field. Where they differ, testdata/differences.yaml must say so and why; where it says so, they must differ.
func TestParityWithMoto(t *testing.T) {
	cases := readCases(t)
	listed := readDifferences(t)
	moto := startMoto(t)
	for _, c := range cases {
		t.Run(c.Case, func(t *testing.T) {
			motoReset(t, moto)
			theirs := c.run(t, moto)
			ours := c.run(t, startFake(t, c.Roles))
			for _, s := range c.Steps {
				compare(t, c.Case, s.name(), theirs[s.name()], ours[s.name()], listed)
			}
		})
	}
	for _, l := range listed {
		if !l.occurs {
			t.Errorf("testdata/differences.yaml lists a difference that does not occur:\n%s", l.difference)
		}
	}
}

// parityAccount is the one that moto takes every unknown access key to belong to.
const (
	parityAccount = "123456789012"
	parityKey     = "AKIAPARITY"
)

// startFake serves a new fake and gives its address. moto needs no roles: it lets anybody assume any.
func startFake(t *testing.T, roles map[string][]fakeaws.Role) string {
	server := fakeaws.New()
	server.Account(parityAccount).Keys(parityKey)
	for account, declared := range roles {
		for _, role := range declared {
			server.Account(account).Role(role)
		}
	}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	return listener.URL
}

// compare reports each field of a step that differs and is not listed, in the form in which it would be listed. Where one
// answer is an error and the other is another one or none, that says all, and their other fields are passed over.
func compare(t *testing.T, caseName, step string, theirs, ours fields, listed []*listedDifference) {
	t.Helper()
	names := []string{"error", "status"}
	if theirs["error"] == ours["error"] {
		names = slices.Concat(slices.Collect(maps.Keys(theirs)), slices.Collect(maps.Keys(ours)))
	}
	slices.Sort(names)
	for _, field := range slices.Compact(names) {
		d := difference{Case: caseName, Step: step, Field: field, Moto: cmp.Or(theirs[field], absent), Ours: cmp.Or(ours[field], absent)}
		if d.Moto == d.Ours {
			continue
		}
		known := false
		for _, l := range listed {
			if l.matches(d) {
				known, l.occurs = true, true
			}
		}
		if !known {
			t.Errorf("moto and this fake differ, and testdata/differences.yaml does not say so:\n%s", d)
		}
	}
}

// difference is a field in which the answers to a step differ. It is absent where an answer does not have it.
type difference struct {
	Case, Step, Field string
	Moto, Ours        string
}

const absent = "absent"

// String is the difference as testdata/differences.yaml has it.
func (d difference) String() string {
	return fmt.Sprintf("  - case: %s\n    step: %s\n    field: %s\n    moto: %q\n    ours: %q\n", d.Case, d.Step, d.Field, d.Moto, d.Ours)
}

// listedDifference is one that is known. In each of its texts, an asterisk stands for anything.
type listedDifference struct {
	difference `yaml:",inline"`
	Reason     string
	occurs     bool
}

func (l *listedDifference) matches(d difference) bool {
	return like(l.Case, d.Case) && like(l.Step, d.Step) && like(l.Field, d.Field) && like(l.Moto, d.Moto) && like(l.Ours, d.Ours)
}

func like(pattern, text string) bool {
	expression := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")
	return regexp.MustCompile("^" + expression + "$").MatchString(text)
}

// readDifferences reads those that are known. Each one's reason must be there, and each reason be used.
func readDifferences(t *testing.T) []*listedDifference {
	t.Helper()
	var file struct {
		Reasons     map[string]struct{ Because, Source string }
		Differences []*listedDifference
	}
	readYAML(t, "testdata/differences.yaml", &file)
	used := map[string]bool{}
	for _, l := range file.Differences {
		used[l.Reason] = true
		if reason := file.Reasons[l.Reason]; reason.Because == "" || reason.Source == "" {
			t.Errorf("testdata/differences.yaml: the reason %q has no because or no source", l.Reason)
		}
	}
	for name := range file.Reasons {
		if !used[name] {
			t.Errorf("testdata/differences.yaml: the reason %q is not used", name)
		}
	}
	return file.Differences
}

// fields are a normalised answer: path → value, such as "SecretList[0].Name" → "a".
type fields map[string]string

func (f fields) add(path string, value any) {
	switch value := value.(type) {
	case nil: // null, which to every SDK is the same as a field that is not there
	case map[string]any:
		for key, inner := range value {
			f.add(strings.TrimPrefix(path+"."+maskText(key), "."), inner)
		}
	case []any:
		f[path] = fmt.Sprintf("a list of %d", len(value))
		for i, inner := range value {
			f.add(fmt.Sprintf("%s[%d]", path, i), inner)
		}
	default:
		f[path] = mask(path, value)
	}
}
