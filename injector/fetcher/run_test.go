package fetcher_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const region = "eu-central-1"

// pod is our container in a pod, with a fake AWS around it.
type pod struct {
	aws     *fakeaws.Server
	own     *fakeaws.Account
	config  contract.Config
	environ []string // beside the configuration
	program string   // its own file

	stdout, stderr bytes.Buffer
	terminationLog string

	// instead answers a call in AWS's place, if it is set and says that it did.
	instead func(w http.ResponseWriter, r *http.Request) bool
}

func newPod(t testing.TB) *pod {
	p := &pod{aws: fakeaws.New(), terminationLog: filepath.Join(t.TempDir(), "termination-log")}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.instead == nil || !p.instead(w, r) {
			p.aws.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	p.own = p.aws.Account("111122223333")
	keys := p.own.Keys("AKIAIOSFODNN7EXAMPLE")
	t.Setenv("AWS_ACCESS_KEY_ID", keys.ID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.Secret)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	if err := os.WriteFile(p.terminationLog, []byte(strings.Repeat("an earlier run, ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	p.config = contract.Config{
		Version: contract.Version, Directory: filepath.Join(t.TempDir(), "secrets", "airflow"), FileMode: 0o444,
		Timeout: contract.Duration(time.Minute), Read: contract.ReadAuto,
		Accounts: []contract.Account{{
			Name: "own", Region: region, EndpointURL: server.URL, Separator: "/",
			Connections: &contract.Names{Prefix: "airflow/connections"}, Variables: &contract.Names{Prefix: "airflow/variables"},
		}},
	}
	return p
}

func (p *pod) put(name, value string) { p.own.Put(region, fakeaws.Secret{Name: name, String: value}) }

func (p *pod) run(t testing.TB) error {
	t.Helper()
	text, err := p.config.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return p.runWith(t.Context(), contract.ConfigEnv+"="+text)
}

func (p *pod) runWith(ctx context.Context, variables ...string) error {
	p.stdout.Reset()
	p.stderr.Reset()
	return fetcher.Run(ctx, fetcher.Options{
		Version: "test", Environ: slices.Concat(p.environ, variables), ReadFile: os.ReadFile, Program: p.program, Limits: fetcher.UsualLimits(),
		Stdout: &p.stdout, Stderr: &p.stderr, TerminationLog: p.terminationLog,
	})
}

func (p *pod) file(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.config.Directory, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (p *pod) report(t testing.TB) contract.Report {
	t.Helper()
	var report contract.Report
	if err := json.Unmarshal([]byte(p.file(t, contract.ReportFile)), &report); err != nil {
		t.Fatal(err)
	}
	return report
}

// log is the lines of the log, each of which must be JSON.
func (p *pod) log(t testing.TB) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range strings.Lines(p.stdout.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		lines = append(lines, fields)
	}
	return lines
}

// expectNothing fails if the folder holds anything at all.
func (p *pod) expectNothing(t testing.TB) {
	t.Helper()
	entries, err := os.ReadDir(p.config.Directory)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if len(entries) > 0 {
		t.Errorf("the folder holds %v, expected nothing", entries)
	}
}

func expectCode(t testing.TB, err error, code contract.Code, parts ...string) {
	t.Helper()
	var e *contract.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("error is %v, expected code %s", err, code)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error is %q, expected it to hold %q", err, part)
		}
	}
}

func TestRunDeliversWhatItFinds(t *testing.T) {
	p := newPod(t)
	p.config.Warnings = []string{"the endpoint is http"}
	p.put("airflow/connections/db", "postgres://user:p%40ss@db:5432/airflow")
	p.put("airflow/connections/dwh", `{"conn_type":"redshift","host":"dwh"}`)
	p.put("airflow/variables/environment", "production")
	p.put("airflow/variables/key", "-----BEGIN KEY-----\nü\n")
	p.own.Put(region, fakeaws.Secret{Name: "airflow/connections/a-binary", Binary: []byte{0}})
	p.own.Put(region, fakeaws.Secret{Name: "airflow/variables/denied", State: fakeaws.Denied})
	p.put("airflow/connections/blank", " \n ")
	if err := p.run(t); err != nil {
		t.Fatal(err)
	}

	var variables map[string]string
	if err := json.Unmarshal([]byte(p.file(t, contract.VariablesFile)), &variables); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"environment": "production", "key": "-----BEGIN KEY-----\nü\n"}; !equalMaps(variables, want) {
		t.Errorf("variables are %q, expected %q", variables, want)
	}
	var connections map[string]any
	if err := json.Unmarshal([]byte(p.file(t, contract.ConnectionsFile)), &connections); err != nil {
		t.Fatal(err)
	}
	if len(connections) != 2 || connections["db"] != "postgres://user:p%40ss@db:5432/airflow" || connections["dwh"] == nil {
		t.Errorf("connections are %q, expected db and dwh", connections)
	}

	report := p.report(t)
	if got, want := fmt.Sprint(ids(report.Connections), ids(report.Variables)), "[db dwh] [environment key]"; got != want {
		t.Errorf("report has %s, expected %s", got, want)
	}
	if d := report.Connections[0]; d.Account != "own" || !strings.HasPrefix(d.ARN, "arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/connections/db-") {
		t.Errorf("report says db came from %+v", d)
	}
	var leftOut []string
	for _, l := range report.LeftOut {
		leftOut = append(leftOut, fmt.Sprintf("%s/%s: %s", l.Kind, l.ID, l.Code))
		if !strings.HasPrefix(l.Sentence, l.Code.Sentence()) {
			t.Errorf("%s is left out with the sentence %q, expected that of its code", l.ID, l.Sentence)
		}
	}
	if want := []string{"connections/a-binary: binary", "connections/blank: empty", "variables/denied: denied"}; !slices.Equal(leftOut, want) {
		t.Errorf("left out %q, expected %q", leftOut, want)
	}
	if !slices.Equal(report.Warnings, p.config.Warnings) {
		t.Errorf("report warns of %q, expected the admission's %q", report.Warnings, p.config.Warnings)
	}
	p.expectTold(t, leftOut)
}

// expectTold checks log, stderr and termination message of the run above.
func (p *pod) expectTold(t *testing.T, leftOut []string) {
	t.Helper()
	lines := p.log(t)
	if len(lines) != 6 { // start, a warning, three left out, end
		t.Fatalf("the log has %d lines, expected 6:\n%s", len(lines), &p.stdout)
	}
	if lines[1]["msg"] != "the endpoint is http" || lines[1]["level"] != "WARN" {
		t.Errorf("the second line is %v, expected the admission's warning", lines[1])
	}
	var told []string
	for _, line := range lines[2:5] {
		told = append(told, fmt.Sprintf("%s/%s: %s", line["kind"], line["id"], line["code"]))
	}
	if !slices.Equal(told, leftOut) {
		t.Errorf("the log tells of %q, expected %q", told, leftOut)
	}
	end := lines[5]
	if end["code"] != "fetched" || end["connections"] != 2.0 || end["variables"] != 2.0 || end["leftOut"] != 3.0 || end["duration"] == nil {
		t.Errorf("the last line is %v, expected code fetched, counts and duration", end)
	}
	const message = "fetched: connections 2, variables 2; left out 3: connections a-binary (binary), connections blank (empty), variables denied (denied); the endpoint is http"
	if p.stderr.String() != message+"\n" {
		t.Errorf("stderr is %q, expected %q", &p.stderr, message)
	}
	if text, _ := os.ReadFile(p.terminationLog); string(text) != message {
		t.Errorf("the termination message is %q, expected %q", text, message)
	}
}

func ids(delivered []contract.Delivered) []string {
	var ids []string
	for _, d := range delivered {
		ids = append(ids, d.ID)
	}
	return ids
}

func equalMaps(a, b map[string]string) bool {
	return fmt.Sprintf("%q", a) == fmt.Sprintf("%q", b)
}

func TestNothingIsWrittenOnFailure(t *testing.T) {
	tests := map[string]struct {
		change func(p *pod)
		code   contract.Code
		says   string
	}{
		"nothing found":   {func(p *pod) { p.config.Accounts[0].Connections.Prefix = "elsewhere" }, contract.NothingFound, "elsewhere/"},
		"listing denied":  {func(p *pod) { p.own.Deny("ListSecrets") }, contract.AccessDenied, "secretsmanager:ListSecrets"},
		"reads denied":    {func(p *pod) { p.own.Deny("GetSecretValue") }, contract.AccessDenied, "secretsmanager:GetSecretValue"},
		"silence":         {func(p *pod) { p.aws.Order(fakeaws.Trouble{Effect: fakeaws.Hang}) }, contract.TimedOut, "no answer"},
		"throttling":      {func(p *pod) { p.aws.Order(fakeaws.Trouble{Effect: fakeaws.Throttle}) }, contract.Throttled, "airflow-secrets/timeout"},
		"a newer webhook": {func(p *pod) { p.config.Version = 99 }, contract.ConfigTooNew, "update the image"},
		"no region":       {func(p *pod) { p.config.Accounts[0].Region = "" }, contract.NoRegion, "airflow-secrets/region"},
		"too many written": {func(p *pod) {
			for i := range 45 { // each byte becomes six
				p.put(fmt.Sprintf("airflow/variables/%d", i), strings.Repeat("\u007f", 65536))
			}
		}, contract.TooLarge, fmt.Sprint(contract.MaxWrittenBytes)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPod(t)
			p.put("airflow/connections/db", "postgres://db")
			p.config.Timeout = contract.Duration(time.Second)
			test.change(p)
			err := p.run(t)
			expectCode(t, err, test.code, test.says)
			p.expectNothing(t)
			message := p.stderr.String()
			if !strings.HasPrefix(message, string(test.code)+": ") || strings.Count(message, "\n") != 1 {
				t.Errorf("stderr is %q, expected one line that starts with the code", message)
			}
			if text, _ := os.ReadFile(p.terminationLog); string(text)+"\n" != message {
				t.Errorf("the termination message is %q and stderr %q, expected the same", text, message)
			}
			lines := p.log(t)
			if last := lines[len(lines)-1]; last["level"] != "ERROR" || last["code"] != string(test.code) {
				t.Errorf("the last line of the log is %v, expected an error with the code", last)
			}
		})
	}
}

func TestBothKindsTurnedOff(t *testing.T) {
	p := newPod(t)
	p.config.Accounts[0].Connections, p.config.Accounts[0].Variables = nil, nil
	if err := p.run(t); err != nil {
		t.Fatal(err)
	}
	if c, v := p.file(t, contract.ConnectionsFile), p.file(t, contract.VariablesFile); strings.TrimSpace(c) != "{}" || strings.TrimSpace(v) != "{}" {
		t.Errorf("the files are %q and %q, expected {}", c, v)
	}
	if report := p.report(t); len(report.Warnings) != 1 {
		t.Errorf("warnings are %q, expected one", report.Warnings)
	}
}

func TestWarningsOfReadingAreReported(t *testing.T) {
	p := newPod(t)
	for i := range 3 {
		p.put(fmt.Sprintf("airflow/connections/c%d", i), "http://x")
	}
	p.own.Deny("BatchGetSecretValue")
	if err := p.run(t); err != nil {
		t.Fatal(err)
	}
	if report := p.report(t); len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "secretsmanager:BatchGetSecretValue") {
		t.Errorf("warnings are %q, expected the permission that would save calls", report.Warnings)
	}
}

func TestConfigurationIsRefused(t *testing.T) {
	tests := map[string]struct {
		variables []string
		code      contract.Code
		says      string
	}{
		"none":             {nil, contract.InvalidConfig, "AIRFLOW_SECRETS_CONFIG is not set"},
		"empty":            {[]string{"AIRFLOW_SECRETS_CONFIG="}, contract.InvalidConfig, "AIRFLOW_SECRETS_CONFIG"},
		"an unknown field": {[]string{`AIRFLOW_SECRETS_CONFIG={"version":1,"refresh":"5m"}`}, contract.InvalidConfig, "refresh"},
		"a newer version":  {[]string{`AIRFLOW_SECRETS_CONFIG={"version":2}`}, contract.ConfigTooNew, "version 2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			expectCode(t, newPod(t).runWith(t.Context(), test.variables...), test.code, test.says)
		})
	}
}

func TestAStopIsTold(t *testing.T) {
	p := newPod(t)
	p.aws.Order(fakeaws.Trouble{Effect: fakeaws.Hang})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	text, _ := p.config.Encode()
	expectCode(t, p.runWith(ctx, contract.ConfigEnv+"="+text), contract.Stopped)
	p.expectNothing(t)
}

func TestTheTerminationLogIsNeverMade(t *testing.T) {
	p := newPod(t)
	p.put("airflow/connections/db", "postgres://db")
	os.Remove(p.terminationLog)
	if err := p.run(t); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.terminationLog); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the termination log was made: %v", err)
	}
}

// A pod may have all kinds turned off, with either delivery.
func TestNothingIsAskedFor(t *testing.T) {
	for _, p := range []*pod{newPod(t), newEnvPod(t)} {
		p.config.Accounts[0].Connections, p.config.Accounts[0].Variables = nil, nil
		if err := p.run(t); err != nil {
			t.Fatal(err)
		}
		if got, want := p.report(t).Warnings, []string{"connections and variables are both turned off, so there is nothing to deliver"}; !slices.Equal(got, want) {
			t.Errorf("warnings are %q, expected %q", got, want)
		}
	}
}
