package fetcher_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/envfile"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// newEnvPod is one that wants environment variables.
func newEnvPod(t testing.TB) *pod {
	p := newPod(t)
	p.byEnv(t)
	return p
}

func (p *pod) byEnv(t testing.TB) {
	t.Helper()
	p.config.Deliver, p.config.ExecDirectory = contract.DeliverEnv, filepath.Join(t.TempDir(), "exec")
	p.program = filepath.Join(t.TempDir(), "running")
	if err := os.WriteFile(p.program, []byte(programText), 0o700); err != nil {
		t.Fatal(err)
	}
}

const programText = "\x7fELF"

// variables are those of airflow.env, without the two that are always there.
func (p *pod) variables(t testing.TB) (set map[string]string, unset []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.config.ExecDirectory, contract.EnvFile))
	if err != nil {
		t.Fatal(err)
	}
	f, err := envfile.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	set = map[string]string{}
	for _, v := range f.Set {
		set[v.Name] = v.Value
	}
	for _, of := range contract.BackendEnv() {
		if value, ok := set[of.Backend]; !ok || value != "" {
			t.Errorf("%s is %q, %v, expected an empty one", of.Backend, value, ok)
		}
		delete(set, of.Backend)
	}
	return set, f.Unset
}

func TestRunDeliversVariables(t *testing.T) {
	p := newEnvPod(t)
	p.config.FileMode = 0o440
	p.config.Accounts[0].Files = []contract.File{{Path: "ca.pem", Secret: "team/ca"}}
	p.put("team/ca", "pem\x00")
	p.put("airflow/connections/db", " postgres://user:p%40ss@db:5432/größe\n")
	p.put("airflow/connections/dwh", `{"engine": "postgresql", "username": "ü", "extra": {"a": 1.50}, "port": " 5_432 "}`)
	p.put("airflow/connections/bad", "{")
	p.put("airflow/variables/team/Key", "-----BEGIN KEY-----\nit's\r\n")
	if err := p.run(t); err != nil {
		t.Fatal(err)
	}
	set, unset := p.variables(t)
	want := map[string]string{
		"AIRFLOW_CONN_DB":      "postgres://user:p%40ss@db:5432/größe",
		"AIRFLOW_CONN_DWH":     `{"conn_type": "postgres", "login": "\u00fc", "port": 5432, "extra": {"a": 1.50}}`,
		"AIRFLOW_VAR_TEAM/KEY": "-----BEGIN KEY-----\nit's\r\n",
	}
	if !equalMaps(set, want) || len(unset) > 0 {
		t.Errorf("the variables are %q, without %q, expected %q", set, unset, want)
	}
	report := p.report(t)
	if got := fmt.Sprint(ids(report.Connections), ids(report.Variables), ids(report.Files)); got != "[db dwh] [team/Key] [ca.pem]" || len(report.LeftOut) != 1 || report.LeftOut[0].ID != "bad" {
		t.Errorf("the report has %s and left out %v", got, report.LeftOut)
	}
	if warnings := report.Warnings; len(warnings) != 1 || !strings.Contains(warnings[0], "the variables AIRFLOW_VAR_TEAM/KEY (") {
		t.Errorf("warnings are %q, expected what dash drops", warnings)
	}
	if got := p.file(t, "files/ca.pem"); got != "pem\x00" {
		t.Errorf("the file is %q", got)
	}
	p.expectNames(t, p.config.Directory, "..data", "SET", "files", "report.json")
	p.expectNames(t, p.config.ExecDirectory, "..data", "SET", "airflow.env", "fetcher")
	for name, mode := range map[string]os.FileMode{contract.EnvFile: 0o440, contract.ExecProgram: 0o555} {
		if info, err := os.Stat(filepath.Join(p.config.ExecDirectory, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s has mode %v (%v), expected %v", name, info.Mode(), err, mode)
		}
	}
	if text, err := os.ReadFile(filepath.Join(p.config.ExecDirectory, contract.ExecProgram)); err != nil || string(text) != programText {
		t.Errorf("the program is %q (%v)", text, err)
	}
}

// expectNames wants a folder to hold those names and no others.
func (p *pod) expectNames(t testing.TB, folder string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "..set-") {
			names = append(names, "SET")
		} else {
			names = append(names, e.Name())
		}
	}
	if slices.Sort(names); !slices.Equal(names, slices.Sorted(slices.Values(want))) {
		t.Errorf("%s holds %q, expected %q", folder, names, want)
	}
}

// What no environment can hold is left out where it was discovered, and fails the run where it was asked for.
func TestWhatNoVariableCanHold(t *testing.T) {
	tests := map[string]struct {
		name, value string
		says        string // empty: it is delivered
	}{
		"an id with =":                 {"airflow/connections/a=b", "http://x", "the id has an ="},
		"a variable's id with =":       {"airflow/variables/a=b", "x", "the id has an ="},
		"NUL in a variable":            {"airflow/variables/bad", "a\x00b", "a NUL character"},
		"NUL in a URI":                 {"airflow/connections/bad", "http://a%00\x00", "a NUL character"},
		"NUL in JSON":                  {"airflow/connections/bad", `{"password": "\u0000"}`, ""},
		"a large variable":             {"airflow/variables/bad", strings.Repeat("x", 65536), ""},
		"JSON that escapes make large": {"airflow/connections/bad", `{"password": "` + strings.Repeat("ü", 30_000) + `"}`, "AIRFLOW_CONN_BAD it has"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			kind, id, _ := strings.Cut(strings.TrimPrefix(test.name, "airflow/"), "/")
			prepare := func() *pod {
				p := newEnvPod(t)
				p.put("airflow/connections/good", "http://good")
				p.put("airflow/variables/good", "good")
				p.put(test.name, test.value)
				return p
			}
			p := prepare()
			if err := p.run(t); err != nil {
				t.Fatal(err)
			}
			report, set := p.report(t), first(p.variables(t))
			if set["AIRFLOW_CONN_GOOD"] != "http://good" || set["AIRFLOW_VAR_GOOD"] != "good" {
				t.Errorf("the good ones are %q", set)
			}
			if test.says == "" {
				if len(report.LeftOut) > 0 || len(set) != 3 {
					t.Errorf("left out %v, expected nothing", report.LeftOut)
				}
				return
			}
			if len(report.LeftOut) != 1 || report.LeftOut[0].Code != contract.SecretUnfit || report.LeftOut[0].ID != id || !strings.Contains(report.LeftOut[0].Sentence, test.says) {
				t.Errorf("left out %v, expected %s with %q", report.LeftOut, id, test.says)
			}
			asked := prepare()
			asked.config.Accounts[0].Connections.IDs, asked.config.Accounts[0].Variables.IDs = []string{"good"}, []string{"good"}
			names := map[string]*contract.Names{"connections": asked.config.Accounts[0].Connections, "variables": asked.config.Accounts[0].Variables}[kind]
			names.IDs = append(names.IDs, id)
			expectCode(t, asked.run(t), contract.IDsUnusable, kind+" "+id+" (unfit-for-env: ")
			asked.expectNothing(t)
			asked.config.OnInvalid = contract.Warn
			if err := asked.run(t); err != nil {
				t.Error(err)
			}
		})
	}
}

func first[A, B any](a A, _ B) A { return a }

// Whoever asks for one id must not get another's secret, not even where the own one is of no use.
func TestIDsThatDifferInCaseAreRefused(t *testing.T) {
	tests := map[string]struct {
		put  func(p *pod)
		says string // empty: delivered
	}{
		"connections":    {func(p *pod) { p.put("airflow/connections/db", "http://x"); p.put("airflow/connections/DB", "http://y") }, "connections DB and db are AIRFLOW_CONN_DB"},
		"the same value": {func(p *pod) { p.put("airflow/variables/a/Key", "x"); p.put("airflow/variables/A/key", "x") }, "variables A/key and a/Key are AIRFLOW_VAR_A/KEY"},
		"one malformed":  {func(p *pod) { p.put("airflow/connections/db", "{"); p.put("airflow/connections/DB", "http://y") }, "connections DB and db"},
		"one denied": {func(p *pod) {
			p.state("airflow/connections/db", fakeaws.Denied)
			p.put("airflow/connections/DB", "http://y")
		}, "connections DB and db"},
		"one being deleted": {func(p *pod) {
			p.state("airflow/connections/db", fakeaws.BeingDeleted) // as who renames a secret leaves the old one, for weeks
			p.put("airflow/connections/DB", "http://y")
		}, ""},
		"one undecryptable": {func(p *pod) {
			p.state("airflow/connections/db", fakeaws.Undecryptable)
			p.put("airflow/connections/DB", "http://y")
		}, "connections DB and db"},
		"one binary": {func(p *pod) {
			p.own.Put(region, fakeaws.Secret{Name: "airflow/variables/UD", Binary: []byte{0}})
			p.put("airflow/variables/ud", "y")
		}, "variables ud and UD are AIRFLOW_VAR_UD"},
		"one without a value": {func(p *pod) {
			p.state("airflow/connections/db", fakeaws.PendingOnly)
			p.put("airflow/connections/DB", "http://y")
		}, ""},
		"of which none is a variable": {func(p *pod) {
			p.put("airflow/connections/db", "http://x")
			p.put("airflow/connections/a=b", "http://y")
			p.put("airflow/connections/A=B", "http://z")
		}, ""},
		"of two kinds": {func(p *pod) { p.put("airflow/connections/db", "http://x"); p.put("airflow/variables/DB", "y") }, ""},
		"- and _ are two of them": {func(p *pod) {
			p.put("airflow/connections/a-b", "http://x")
			p.put("airflow/connections/a_b", "http://y")
		}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newEnvPod(t)
			test.put(p)
			err := p.run(t)
			if test.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			expectCode(t, err, contract.IDsAmbiguous, test.says)
			p.expectNothing(t)
			p.config.Deliver, p.config.ExecDirectory = contract.DeliverFiles, ""
			if err := p.run(t); err != nil {
				t.Errorf("files cannot have both either: %v", err)
			}
		})
	}
}

func (p *pod) state(name string, state fakeaws.State) {
	p.own.Put(region, fakeaws.Secret{Name: name, String: "x", State: state})
}

func TestMoreVariablesThanLinuxTakes(t *testing.T) {
	p := newEnvPod(t)
	for i := range 63 {
		p.put(fmt.Sprintf("airflow/variables/v%d", i), strings.Repeat("x", 65536))
	}
	expectCode(t, p.run(t), contract.TooLarge, "as environment variables they have 41", "airflow-secrets/deliver")
	p.expectNothing(t)
}

// The warning about dash has room for the first few, however many there are.
func TestManyNamesThatDashDropsAreCounted(t *testing.T) {
	for n, want := range map[int]string{1: "V-00 (", 5: "V-04 (", 6: "V-04 and 1 more (", 40: "V-04 and 35 more ("} {
		p := newEnvPod(t)
		for i := range n {
			p.put(fmt.Sprintf("airflow/variables/v-%02d", i), "x")
		}
		if err := p.run(t); err != nil {
			t.Fatal(err)
		}
		warnings := p.report(t).Warnings
		if len(warnings) != 1 || !strings.Contains(warnings[0], "AIRFLOW_VAR_V-00") || !strings.Contains(warnings[0], want) || strings.Contains(warnings[0], "V-05") {
			t.Errorf("of %d names warnings are %q, expected %q", n, warnings, want)
		}
	}
}

// What somebody asked for by name is told first: no narrower prefix brings it.
func TestMoreVariablesThanLinuxTakesAndOneThatIsNotThere(t *testing.T) {
	p := newEnvPod(t)
	for i := range 63 {
		p.put(fmt.Sprintf("airflow/variables/v%d", i), strings.Repeat("x", 65536))
	}
	p.config.Accounts[0].Connections.IDs = []string{"db"}
	expectCode(t, p.run(t), contract.IDsMissing, "connections db (")
	p.expectNothing(t)
}

// Options that Airflow takes from a command are files with either delivery, so that probes have them; of the others only
// this one can set any.
func TestOptionsAreVariablesWhereNoCommandSetsThem(t *testing.T) {
	options := []contract.Option{
		{Section: "core", Key: "fernet_key", ID: "keys/fernet"}, {Section: "kubernetes.pod", Key: "some_key", ID: "plain"}, {Section: "email", Key: "from_email", ID: "both"},
		{Section: "smtp", Key: "smtp_password", ID: "both"},
	}
	prepare := func() *pod {
		p := newEnvPod(t)
		p.put("airflow/connections/db", "http://db")
		for id, value := range map[string]string{"keys/fernet": "$HOME\n", "plain": "100% $ it's\n", "both": "x"} {
			p.put("airflow/config/"+id, value)
		}
		p.config.Accounts[0].Config = &contract.Names{Prefix: "airflow/config", IDs: []string{"keys/fernet", "plain", "both"}}
		p.config.Options = options
		return p
	}
	p := prepare()
	if err := p.run(t); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"AIRFLOW_CONN_DB": "http://db", "AIRFLOW__KUBERNETES_POD__SOME_KEY": "100% $ it's\n", "AIRFLOW__EMAIL__FROM_EMAIL": "x"}
	if set := first(p.variables(t)); !equalMaps(set, want) {
		t.Errorf("the variables are %q, expected %q", set, want)
	}
	p.expectNames(t, filepath.Join(p.config.Directory, "config"), "keys", "both")
	if got := p.file(t, "config/keys/fernet"); got != "$HOME\n" {
		t.Errorf("the file is %q", got)
	}
	if report := p.report(t); fmt.Sprint(ids(report.Config)) != "[both keys/fernet plain]" {
		t.Errorf("the report has %v", report.Config)
	}
	for _, changed := range []string{"a$HUNTER2", "${HUNTER2}", "~HUNTER2", "HUNTER2\x00"} {
		p := prepare()
		p.put("airflow/config/plain", changed)
		err := p.run(t)
		expectCode(t, err, contract.IDsUnusable, "config plain (")
		if strings.Contains(err.Error(), "HUNTER2") { // which may be the end of a password
			t.Errorf("the error shows a part of the value: %v", err)
		}
		p.expectNothing(t)
	}
}

// Both folders change, or none does.
func TestVariablesAreAllOrNothing(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, p *pod){
		"no program": func(_ *testing.T, p *pod) { os.Remove(p.program) },
		"a folder in the way of the program": func(_ *testing.T, p *pod) {
			os.MkdirAll(filepath.Join(p.config.ExecDirectory, contract.ExecProgram), 0o755)
		},
		"a file in place of the second folder": func(t *testing.T, p *pod) {
			if err := os.WriteFile(p.config.ExecDirectory, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newEnvPod(t)
			p.put("airflow/connections/db", "http://db")
			spoil(t, p)
			expectCode(t, p.run(t), contract.WriteFailed)
			p.expectNothing(t)
			if _, err := os.Stat(filepath.Join(p.config.ExecDirectory, contract.EnvFile)); err == nil {
				t.Error("the variables are there")
			}
		})
	}
}

// Airflow builds nothing but what it looks up.
func TestManyVariablesAreNotSlow(t *testing.T) {
	p := newEnvPod(t)
	for i := range 101 {
		p.put(fmt.Sprintf("airflow/connections/c%d", i), "http://x")
	}
	if err := p.run(t); err != nil {
		t.Fatal(err)
	}
	if warnings := p.report(t).Warnings; len(warnings) > 0 {
		t.Errorf("warnings are %q", warnings)
	}
}
