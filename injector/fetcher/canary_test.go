package fetcher_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// canary is part of every secret's value here. It looks different in each way to escape a text.
const canary = `c4n4ry "p/w+d" ü%41 <&>`

// forms are the ways in which the canary might slip out. Base64 has three, by where in a text the canary starts.
func forms() map[string]string {
	quoted, _ := json.Marshal(canary)
	all := map[string]string{
		"plain": canary, "start": "c4n4ry", "JSON-escaped": strings.Trim(string(quoted), `"`), "quoted by Go": strings.Trim(fmt.Sprintf("%q", canary), `"`),
		"URL-escaped": url.QueryEscape(canary), "path-escaped": url.PathEscape(canary), "hex": hex.EncodeToString([]byte(canary)),
	}
	for shift := range 3 {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("_", shift) + canary))
		all[fmt.Sprintf("base64 shifted by %d", shift)] = text[4 : len(text)-4]
	}
	return all
}

func TestNoSecretSlipsOut(t *testing.T) {
	good := map[string]string{
		"airflow/connections/uri":  "postgres://user:" + url.QueryEscape(canary) + "@db/x",
		"airflow/connections/json": `{"conn_type":"http","password":` + string(must(json.Marshal(canary))) + `}`,
		"airflow/variables/text":   canary,
		"airflow/variables/base64": base64.StdEncoding.EncodeToString([]byte(canary)),
	}
	tests := map[string]struct {
		bad    map[string]string // further secrets
		change func(t *testing.T, p *pod)
		fails  bool
	}{
		"success": {},
		"malformed ones": {bad: map[string]string{
			"airflow/connections/m1": `{"password": "` + canary, "airflow/connections/m2": `{"port": "` + url.QueryEscape(canary) + `"}`,
			"airflow/connections/m3": canary, "airflow/connections/m4": "x://u:" + canary + "@h:99999/", "airflow/connections/m5": `[` + string(must(json.Marshal(canary))) + `]`,
			"airflow/connections/m6": `{"extra": ` + string(must(json.Marshal(canary))) + `}`, "airflow/connections/m7": `{"c4n4ry": 1, "login": {"c4n4ry": 2}}`,
			"airflow/connections/m8": "://c4n4ry:c4n4ry@", "airflow/connections/m9": "http://h:c4n4ry/", "airflow/variables/m10": "\xff" + canary,
		}},
		"single reads":      {change: func(_ *testing.T, p *pod) { p.config.Read = contract.ReadSingle }},
		"batches denied":    {change: func(_ *testing.T, p *pod) { p.own.Deny("BatchGetSecretValue") }},
		"every read denied": {change: func(_ *testing.T, p *pod) { p.own.Deny("GetSecretValue") }, fails: true},
		"reads throttled": {change: func(_ *testing.T, p *pod) {
			p.aws.Order(fakeaws.Trouble{Operation: "BatchGetSecretValue", Effect: fakeaws.Throttle})
		}, fails: true},
		"reads that hang": {change: func(_ *testing.T, p *pod) {
			p.aws.Order(fakeaws.Trouble{Operation: "BatchGetSecretValue", Effect: fakeaws.Hang})
		}, fails: true},
		"too much to write": {change: func(_ *testing.T, p *pod) { p.fill(45, strings.Repeat("\u007f", 65000)+canary) }, fails: true},
		"too much to fetch": {change: func(_ *testing.T, p *pod) { p.fill(130, strings.Repeat("x", 65000)+canary) }, fails: true},
		"a folder in the way": {change: func(_ *testing.T, p *pod) {
			os.MkdirAll(filepath.Join(p.config.Directory, contract.ConnectionsFile), 0o755)
		}, fails: true},
		"a key in a wrong place": {change: func(_ *testing.T, p *pod) { p.environ = []string{"AIRFLOW__SECRETS__BACKEND=" + canary} }, fails: true},
		"a key AWS rejects": {change: func(t *testing.T, _ *pod) {
			t.Setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN")
			t.Setenv("AWS_SECRET_ACCESS_KEY", canary)
		}, fails: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPod(t)
			p.config.Timeout = contract.Duration(time.Second)
			for _, secrets := range []map[string]string{good, test.bad} {
				for name, value := range secrets {
					p.put(name, value)
				}
			}
			if test.change != nil {
				test.change(t, p)
			}
			err := p.run(t)
			if failed := err != nil; failed != test.fails {
				t.Fatalf("error is %v, expected one: %v", err, test.fails)
			}
			p.expectNoCanary(t, err)
		})
	}
}

// fill stores n more variables of that value.
func (p *pod) fill(n int, value string) {
	for i := range n {
		p.put(fmt.Sprintf("airflow/variables/fill-%d", i), value)
	}
}

// expectNoCanary looks everywhere but in Airflow's files.
func (p *pod) expectNoCanary(t *testing.T, err error) {
	t.Helper()
	termination, _ := os.ReadFile(p.terminationLog)
	outputs := map[string]string{
		"stdout": p.stdout.String(), "stderr": p.stderr.String(), "the termination message": string(termination),
		"the error": fmt.Sprintf("%v %+v %#v %q", err, err, err, err),
	}
	if err == nil {
		outputs["the report"] = p.file(t, contract.ReportFile)
	}
	for place, text := range outputs {
		for form, leak := range forms() {
			if strings.Contains(text, leak) {
				t.Errorf("%s shows the canary (%s): %s", place, form, text)
			}
		}
	}
}

func must(text []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return text
}
