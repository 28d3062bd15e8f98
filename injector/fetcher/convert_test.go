package fetcher_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// TestWhatIsNotAsItShouldBe has a good secret of each kind and one that is not: whether the run goes on depends on who
// asked for it and on the settings.
func TestWhatIsNotAsItShouldBe(t *testing.T) {
	const bad = "airflow/connections/bad"
	missing := func(*pod) {}
	deleted := func(p *pod) { p.own.Put(region, fakeaws.Secret{Name: bad, String: "x", State: fakeaws.BeingDeleted}) }
	pending := func(p *pod) { p.own.Put(region, fakeaws.Secret{Name: bad, String: "x", State: fakeaws.PendingOnly}) }
	malformed := func(p *pod) { p.put(bad, `{"port": "x"}`) }
	binary := func(p *pod) { p.own.Put(region, fakeaws.Secret{Name: bad, Binary: []byte{0}}) }
	denied := func(p *pod) { p.own.Put(region, fakeaws.Secret{Name: bad, String: "x", State: fakeaws.Denied}) }
	undecryptable := func(p *pod) { p.own.Put(region, fakeaws.Secret{Name: bad, String: "x", State: fakeaws.Undecryptable}) }
	tests := map[string]struct {
		is                   func(*pod)
		discovered           contract.Code // outcome of the run where it is discovered; empty: delivered without it
		asked                contract.Code // where it is asked for by id
		askedMissing, warned contract.Code // the same with on-missing: warn, and with on-invalid: warn
		strict               contract.Code // where it is discovered, with on-invalid: fail
	}{
		"missing":       {missing, "", contract.IDsMissing, "", contract.IDsMissing, ""},
		"being deleted": {deleted, "", contract.IDsMissing, "", contract.IDsMissing, ""},
		"pending":       {pending, "", contract.IDsMissing, "", contract.IDsMissing, ""},
		"malformed":     {malformed, "", contract.IDsUnusable, contract.IDsUnusable, "", contract.ValuesInvalid},
		"binary":        {binary, "", contract.IDsUnusable, contract.IDsUnusable, "", contract.ValuesInvalid},
		"denied":        {denied, "", contract.IDsUnusable, contract.IDsUnusable, contract.IDsUnusable, ""},
		"undecryptable": {undecryptable, "", contract.IDsUnusable, contract.IDsUnusable, contract.IDsUnusable, ""},
	}
	for name, test := range tests {
		run := func(t *testing.T, want contract.Code, change func(c *contract.Config)) {
			t.Helper()
			p := newPod(t)
			p.put("airflow/connections/good", "http://good")
			p.put("airflow/variables/good", "good")
			test.is(p)
			change(&p.config)
			err := p.run(t)
			if want != "" {
				expectCode(t, err, want, "connections bad (")
				p.expectNothing(t)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(p.file(t, contract.ConnectionsFile), `"good"`) {
				t.Error("the good one is not delivered")
			}
		}
		ask := func(c *contract.Config) { c.Accounts[0].Connections.IDs = []string{"good", "bad"} }
		t.Run(name+", discovered", func(t *testing.T) { run(t, test.discovered, func(*contract.Config) {}) })
		t.Run(name+", discovered, strictly", func(t *testing.T) { run(t, test.strict, func(c *contract.Config) { c.OnInvalid = contract.Fail }) })
		t.Run(name+", asked for", func(t *testing.T) { run(t, test.asked, ask) })
		t.Run(name+", asked for, maybe", func(t *testing.T) {
			run(t, test.askedMissing, func(c *contract.Config) { ask(c); c.OnMissing = contract.Warn })
		})
		t.Run(name+", asked for, as it is", func(t *testing.T) {
			run(t, test.warned, func(c *contract.Config) { ask(c); c.OnInvalid = contract.Warn })
		})
	}
}

func TestNothingFound(t *testing.T) {
	tests := map[string]struct {
		onEmpty contract.Response
		kwargs  bool // the settings are those of a backend
		fails   bool
	}{
		"by itself":              {"", false, true},
		"with a backend":         {"", true, false},
		"allowed":                {contract.Warn, false, false},
		"with a backend, strict": {contract.Fail, true, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPod(t)
			p.config.OnEmpty = test.onEmpty
			p.config.TakeOver = &contract.TakeOver{}
			if test.kwargs {
				p.environ = []string{awsClass}
			}
			err := p.run(t)
			if test.fails {
				expectCode(t, err, contract.NothingFound, "looked for connections under airflow/connections/")
				p.expectNothing(t)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if text := p.file(t, contract.ConnectionsFile); strings.TrimSpace(text) != "{}" {
				t.Errorf("connections are %q, expected {}", text)
			}
			if report := p.report(t); len(report.Warnings) != 1 || !strings.HasPrefix(report.Warnings[0], contract.NothingFound.Sentence()) {
				t.Errorf("warnings are %q, expected that nothing was found", report.Warnings)
			}
		})
	}
}

func TestFilesAreDeliveredAsTheyAre(t *testing.T) {
	p := newPod(t)
	p.put("team/ca", `{"pem": "-----BEGIN-----\r\nü\n", "options": {"a": [1.50, null]}, "n": 7}`)
	arn := p.own.Put(region, fakeaws.Secret{Name: "team/keystore", Binary: []byte{0, 1, 0xff}})
	p.put("team/text", " text\n")
	p.put("airflow/connections/db", "http://db")
	p.config.Accounts[0].Files = []contract.File{
		{Path: "ca.pem", Secret: "team/ca", Key: "pem"}, {Path: "a/b/options.json", Secret: "team/ca", Key: "options"},
		{Path: "a/keystore.jks", Secret: arn}, {Path: "a/b/text", Secret: "team/text"},
	}
	if err := p.run(t); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"ca.pem": "-----BEGIN-----\r\nü\n", "a/b/options.json": `{"a": [1.50, null]}`, "a/keystore.jks": "\x00\x01\xff", "a/b/text": " text\n"}
	for name, content := range want {
		if got := p.file(t, contract.FilesDirectory+"/"+name); got != content {
			t.Errorf("%s is %q, expected %q", name, got, content)
		}
	}
	report := p.report(t)
	if len(report.Files) != len(want) || len(report.Connections) != 1 {
		t.Errorf("the report has %+v, expected all files and the connection", report)
	}
	for _, f := range report.Files {
		if want[f.ID] == "" || !strings.Contains(f.ARN, ":secret:team/") || f.Account != "own" {
			t.Errorf("the report says %+v", f)
		}
	}
}

// Airflow raises where the command that gives it an option fails, so an option is there or Airflow does not start.
func TestOptionsAreDeliveredOrNothingIs(t *testing.T) {
	const dsn = " postgres://user:p%40ss@db/airflow\n"
	p := newPod(t)
	p.put("airflow/config/keys/metadata", dsn)
	p.put("airflow/connections/db", "http://db")
	p.config.Accounts[0].Config = &contract.Names{Prefix: "airflow/config", IDs: []string{"keys/metadata"}}
	if err := p.run(t); err != nil {
		t.Fatal(err)
	}
	if got := p.file(t, contract.OptionsDirectory+"/keys/metadata"); got != dsn {
		t.Errorf("the option is %q, expected %q", got, dsn)
	}
	if report := p.report(t); len(report.Config) != 1 || report.Config[0].ID != "keys/metadata" || !strings.HasPrefix(p.stderr.String(), "fetched: connections 1, variables 0, config 1") {
		t.Errorf("the report has %+v, and stderr %q", report.Config, &p.stderr)
	}
	for name, spoil := range map[string]func(p *pod){
		"missing": func(p *pod) { p.config.Accounts[0].Config.IDs = []string{"keys/metadata", "fernet"} },
		"binary": func(p *pod) {
			p.own.Put(region, fakeaws.Secret{Name: "airflow/config/keys/metadata", Binary: []byte{1}})
		},
	} {
		p := newPod(t)
		p.put("airflow/config/keys/metadata", dsn)
		p.put("airflow/connections/db", "http://db")
		p.config.Accounts[0].Config = &contract.Names{Prefix: "airflow/config", IDs: []string{"keys/metadata"}}
		p.config.OnMissing, p.config.OnInvalid = contract.Warn, contract.Warn
		spoil(p)
		if err := p.run(t); err == nil {
			t.Errorf("%s: the run succeeds without an option", name)
		}
		p.expectNothing(t)
	}
}

// The words of a team's own apply to its account's connections.
func TestWordsOfAConnection(t *testing.T) {
	p := newPod(t)
	p.put("airflow/connections/db", `{"engine": "postgres", "usr": "me", "pw": "p%40ss"}`)
	p.config.Accounts[0].ConnectionWords = map[string][]string{"user": {"usr"}, "password": {"pw"}}
	p.config.Accounts[0].URLEncoded = true
	if err := p.run(t); err != nil {
		t.Fatal(err)
	}
	var connections map[string]map[string]any
	if err := json.Unmarshal([]byte(p.file(t, contract.ConnectionsFile)), &connections); err != nil {
		t.Fatal(err)
	}
	if db := connections["db"]; db["login"] != "me" || db["password"] != "p@ss" {
		t.Errorf("the connection is %v", db)
	}
}

// What one account cannot give and the other does is not missed, and told as what it is.
func TestWhatIsPassedOverIsNotLeftOut(t *testing.T) {
	p := newPod(t)
	there := p.aws.Account("222222222222")
	role := there.Role(fakeaws.Role{Name: "airflow", TrustedAccounts: []string{"111122223333"}})
	p.own.Put(region, fakeaws.Secret{Name: "airflow/connections/db", Binary: []byte{1}})
	p.put("airflow/connections/bad", "{")
	there.Put(region, fakeaws.Secret{Name: "shared/connections/db", String: "http://shared"})
	own := p.config.Accounts[0]
	own.STSEndpointURL = own.EndpointURL
	shared := own.Beside()
	shared.Role, shared.Connections = &contract.Role{ARN: role}, &contract.Names{Prefix: "shared/connections"}
	p.config.Accounts = []contract.Account{own, shared}
	if err := p.run(t); err != nil {
		t.Fatal(err)
	}
	const want = "fetched: connections 1, variables 0; left out 1: connections bad (malformed); passed over 1 for those of the other account: connections db (binary)\n"
	if p.stderr.String() != want {
		t.Errorf("stderr is %q, expected %q", &p.stderr, want)
	}
	for _, l := range p.report(t).LeftOut {
		if delivered := strings.Contains(l.Sentence, "that of the other account is delivered instead"); delivered != (l.ID == "db") {
			t.Errorf("%s is told as %q", l.ID, l.Sentence)
		}
	}
}
