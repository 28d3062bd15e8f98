package airflow

import (
	"fmt"
	"testing"
)

// compare holds every look-up through what we deliver against the native one.
func compare(t *testing.T, v version, native, ours []found, rows *differences) {
	t.Helper()
	expected := map[lookUp]outcome{}
	for _, f := range native {
		expected[f.lookUp] = f.Outcome
	}
	seen := map[lookUp]bool{}
	for _, f := range ours {
		seen[f.lookUp] = true
		rows.count(v.Name, f.lookUp)
		if f.Chain == "backend" && f.Outcome.Absent != "" {
			t.Errorf("step %d, %s %q: the backend raises %s, so no entry of a file can be read beside this one", f.Step, f.Kind, f.ID, f.Outcome.Absent)
			continue
		}
		want, ok := expected[f.lookUp]
		if !ok {
			t.Fatalf("%v was not looked up by SecretsManagerBackend", f.lookUp)
		}
		for _, d := range differ(v.Name, f.lookUp, want, f.Outcome) {
			if !rows.allow(d) {
				t.Errorf("step %d: %v (%s)", f.Step, d, rows.subjects[f.Kind+" "+f.ID].feature)
			}
		}
	}
	for l := range expected {
		if !seen[l] {
			t.Errorf("%v was not looked up in the %s", l, rows.through)
		}
	}
	t.Logf("Airflow %s: %d look-ups through the %s, each compared with its native one", v.Name, len(ours), rows.through)
}

// difference is one field of one look-up that is not the same.
type difference struct {
	version string
	lookUp
	field         string // or presence, where one side has nothing
	native, files string
}

const (
	presence = "presence"
	there    = "there"
)

func (d difference) String() string {
	return fmt.Sprintf("%s %q by the chain %s: %s is %s, SecretsManagerBackend has %s", d.Kind, d.ID, d.Chain, d.field, d.files, d.native)
}

// differ lists the differences of two outcomes. Where neither side has anything it does not matter how they say so.
func differ(version string, l lookUp, native, files outcome) []difference {
	if native.Fields == nil || files.Fields == nil {
		if native.Fields == nil && files.Fields == nil {
			return nil
		}
		return []difference{{version, l, presence, said(native), said(files)}}
	}
	var all []difference
	for name, value := range native.Fields {
		if files.Fields[name] != value {
			all = append(all, difference{version, l, name, value, files.Fields[name]})
		}
	}
	return all
}

func said(o outcome) string {
	if o.Fields == nil {
		return "absent " + o.Absent
	}
	return there
}
