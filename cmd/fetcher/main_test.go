package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// beFetcher makes this test binary the program itself, so that a test can start it as the kubelet does.
const beFetcher = "TEST_BE_FETCHER"

func TestMain(m *testing.M) {
	if os.Getenv(beFetcher) != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestUsage(t *testing.T) {
	tests := []struct {
		args           string
		exit           int
		stdout, stderr string // parts of them; empty: nothing at all
	}{
		{"--version", 0, "dev\n", ""},
		{"-version", 0, "dev\n", ""},
		{"--help", 0, "Exit codes:", ""},
		{"-h", 0, contract.ConfigEnv, ""},
		{"refresh", 2, "", "refresh is not supported yet"},
		{"exec", 2, "", "exec: expected a command after --"},
		{"exec --", 2, "", "exec: expected a command after --"},
		{"exec --env-file x", 2, "", "exec: expected a command after --"},
		{"exec --fast -- true", 2, "", "-fast"},
		{"exec --help", 0, "fetcher exec [--env-file FILE] -- COMMAND", ""},
		{"exec --env-file /nowhere/airflow.env -- true", 125, "", "/nowhere/airflow.env"},
		{"exec true", 125, "", contract.EnvFile}, // there is none beside this program
		{"fetch", 2, "", `"fetch" is no command`},
		{"--fast", 2, "", "-fast"},
		{"--version=maybe", 2, "", "maybe"},
	}
	for _, test := range tests {
		var stdout, stderr bytes.Buffer
		exit := run(strings.Fields(test.args), &stdout, &stderr)
		if exit != test.exit || !fits(stdout.String(), test.stdout) || !fits(stderr.String(), test.stderr) {
			t.Errorf("fetcher %s: exit %d, stdout %q, stderr %q; expected %+v", test.args, exit, &stdout, &stderr, test)
		}
	}
}

func fits(got, want string) bool {
	if want == "" {
		return got == ""
	}
	return strings.Contains(got, want)
}

func TestHelpFitsATerminal(t *testing.T) {
	for line := range strings.Lines(usage) {
		if len(strings.TrimSuffix(line, "\n")) > 80 || strings.Contains(line, "\t") {
			t.Errorf("line of %d characters, or with a tab: %q", len(line), line)
		}
	}
}

// process is the program, ready to be started outside of a pod.
type process struct {
	*exec.Cmd
	aws            *fakeaws.Server
	url            string
	directory      string
	stdout, stderr bytes.Buffer
}

func newProcess(t *testing.T, endpoint func(url string) string, environ ...string) *process {
	p := &process{aws: fakeaws.New(), directory: filepath.Join(t.TempDir(), "secrets")}
	server := httptest.NewServer(p.aws)
	t.Cleanup(server.Close)
	own := p.aws.Account("111122223333")
	keys := own.Keys("AKIAIOSFODNN7EXAMPLE")
	own.Put("eu-central-1", fakeaws.Secret{Name: "airflow/connections/db", String: "postgres://db"})
	config, err := contract.Config{
		Version: contract.Version, Directory: p.directory, FileMode: 0o444, Timeout: contract.Duration(time.Minute), Read: contract.ReadAuto,
		Accounts: []contract.Account{{
			Name: "own", Region: "eu-central-1", EndpointURL: endpoint(server.URL), Separator: "/",
			Connections: &contract.Names{Prefix: "airflow/connections"},
		}},
		TakeOver: &contract.TakeOver{},
	}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	p.url, p.Cmd = server.URL, exec.CommandContext(ctx, self)
	p.Cmd.Stdout, p.Cmd.Stderr = &p.stdout, &p.stderr
	p.Env = append([]string{
		beFetcher + "=1", contract.ConfigEnv + "=" + config, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=" + keys.ID, "AWS_SECRET_ACCESS_KEY=" + keys.Secret,
	}, environ...)
	return p
}

func itself(url string) string { return url }

func (p *process) expectConnections(t *testing.T) {
	t.Helper()
	if text, err := os.ReadFile(filepath.Join(p.directory, contract.ConnectionsFile)); err != nil || !strings.Contains(string(text), "postgres://db") {
		t.Errorf("connections.json is %q, %v, expected the connection", text, err)
	}
}

func TestTheProgramFetches(t *testing.T) {
	p := newProcess(t, itself)
	if err := p.Run(); err != nil {
		t.Fatalf("%v: %s", err, &p.stderr)
	}
	p.expectConnections(t)
	if got, want := p.stderr.String(), "fetched: connections 1, variables 0\n"; got != want {
		t.Errorf("stderr is %q, expected %q", got, want)
	}
}

func TestTheProgramFails(t *testing.T) {
	p := newProcess(t, itself, "AIRFLOW__SECRETS__BACKEND=some.other.Backend")
	p.Run()
	if exit := p.ProcessState.ExitCode(); exit != 1 || !strings.HasPrefix(p.stderr.String(), "foreign-backend: ") {
		t.Errorf("exit %d, stderr %q, expected 1 and the code", exit, &p.stderr)
	}
}

// The kubelet stops a container with SIGTERM and would kill it half a minute later.
func TestSIGTERMStopsIt(t *testing.T) {
	p := newProcess(t, itself)
	p.aws.Order(fakeaws.Trouble{Effect: fakeaws.Hang})
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	for p.aws.Calls("ListSecrets") == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	p.Process.Signal(syscall.SIGTERM)
	p.Wait()
	if exit := p.ProcessState.ExitCode(); exit != 1 || !strings.HasPrefix(p.stderr.String(), "stopped: ") {
		t.Errorf("exit %d, stderr %q, expected 1 and the code stopped", exit, &p.stderr)
	}
}

// net/http never sends what is meant for this machine through a proxy, so AWS needs a name here.
func TestAProxyIsUsed(t *testing.T) {
	p := newProcess(t, func(string) string { return "http://secretsmanager.example.invalid" })
	p.Env = append(p.Env, "HTTP_PROXY="+p.url)
	if err := p.Run(); err != nil {
		t.Fatalf("%v: %s", err, &p.stderr)
	}
	p.expectConnections(t)
}

func TestItStartsWithoutAConfiguration(t *testing.T) {
	p := newProcess(t, itself)
	p.Env = []string{beFetcher + "=1"}
	p.Run()
	if exit := p.ProcessState.ExitCode(); exit != 1 || !strings.HasPrefix(p.stderr.String(), "invalid-config: ") {
		t.Errorf("exit %d, stderr %q, expected 1 and the code", exit, &p.stderr)
	}
}

// A server that sends more than it announced, as a broken proxy may, makes net/http quote the rest in the standard log.
func TestWhatIsSentUnaskedIsNotShown(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(connection, "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n"+`{"SecretList":[]}{"SecretString":"canary"}`)
		io.Copy(io.Discard, connection)
		connection.Close()
	}))
	t.Cleanup(server.Close)
	p := newProcess(t, func(string) string { return server.URL })
	p.Run()
	if shown := p.stdout.String() + p.stderr.String(); strings.Contains(shown, "canary") || !strings.HasPrefix(p.stderr.String(), "nothing-found: ") {
		t.Errorf("the program says %s", shown)
	}
}
