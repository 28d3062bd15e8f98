package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"sigs.k8s.io/yaml"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
	"github.com/airflow-secrets/airflow-secrets/test/pods"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"airflow-secrets": main})
}

// TestScripts runs the command as its user types it. A script that has a store.yaml gets a fake AWS with it, where it has
// the access key AKIAIOSFODNN7EXAMPLE. CHARTS is the folder with the pods of the charts.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", Setup: startAWS,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

func startAWS(e *testscript.Env) error {
	e.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	charts, err := filepath.Abs(filepath.Join("..", "..", "test", "pods", "charts"))
	if err != nil {
		return err
	}
	e.Setenv("CHARTS", charts)
	store, err := os.Open(filepath.Join(e.WorkDir, "store.yaml"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer store.Close()
	aws, err := fakeaws.Load(store)
	if err != nil {
		return err
	}
	server := httptest.NewServer(aws)
	e.Defer(server.Close)
	e.Setenv("AWS_ENDPOINT_URL", server.URL)
	e.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	e.Setenv("AWS_SECRET_ACCESS_KEY", "any")
	return nil
}

// exits runs a command and holds its exit code against a number: exits 2 airflow-secrets nothing.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want := 0
	if _, err := fmt.Sscan(args[0], &want); err != nil {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case err == nil && want == 0:
	case !errors.As(err, &exit):
		ts.Fatalf("%v ended with %v, expected exit code %d", args[1:], err, want)
	case exit.ExitCode() != want:
		ts.Fatalf("%v ended with exit code %d, expected %d", args[1:], exit.ExitCode(), want)
	}
}

// TestInjectIsTheWebhook gives every case to the command and compares what it prints with the decision of the core.
func TestInjectIsTheWebhook(t *testing.T) {
	for _, c := range pods.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			args := []string{"inject", "-f", c.File, "--fetcher-image", pods.Image}
			if c.Defaults != "" {
				args = append(args, "--defaults", c.Defaults)
			}
			var stdout, stderr bytes.Buffer
			exit := run(args, nil, &stdout, &stderr)
			d := c.Injector.Decide(c.Pod, "default")
			switch {
			case !d.Allowed():
				if exit != 1 || stdout.Len() > 0 || !bytes.Contains(stderr.Bytes(), []byte(d.Message)) {
					t.Errorf("exit %d, stdout %q, stderr %q; expected 1, nothing, %q", exit, &stdout, &stderr, d.Message)
				}
			case len(d.Operations) == 0:
				given, _ := os.ReadFile(c.File)
				if exit != 0 || !bytes.Equal(stdout.Bytes(), given) {
					t.Errorf("exit %d, and the pod is not as given: %s", exit, &stdout)
				}
			default:
				checkPrinted(t, c, d, exit, stdout.Bytes(), stderr.Bytes())
			}
		})
	}
}

func checkPrinted(t *testing.T, c pods.Case, d injector.Decision, exit int, stdout, stderr []byte) {
	t.Helper()
	if exit != 0 || !bytes.Contains(stderr, []byte(string(d.Code)+": ")) {
		t.Errorf("exit %d, stderr %q; expected 0 and the reason %s", exit, stderr, d.Code)
	}
	for _, w := range d.Warnings {
		if !bytes.Contains(stderr, []byte("warning: "+w)) {
			t.Errorf("stderr %q lacks the warning %q", stderr, w)
		}
	}
	want, err := yaml.JSONToYAML(pods.Apply(t, c.Pod, d))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stdout, want) {
		t.Errorf("printed\n%s\nexpected\n%s", stdout, want)
	}
}

// TestExplainEveryPod explains every case, with nothing given of what it reads: a pod that is not refused has settings.
func TestExplainEveryPod(t *testing.T) {
	for _, c := range pods.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			args := []string{"explain", "-f", c.File, "--fetcher-image", pods.Image}
			if c.Defaults != "" {
				args = append(args, "--defaults", c.Defaults)
			}
			var stdout, stderr bytes.Buffer
			exit := run(args, nil, &stdout, &stderr)
			d := c.Injector.Decide(c.Pod, "default")
			explained := d.Code == contract.Injected || d.Code == contract.AlreadyInjected
			if (exit == exitOK) != d.Allowed() || explained != bytes.Contains(stdout.Bytes(), []byte("\nconnections-prefix ")) {
				t.Errorf("exit %d for a pod that is %s\n%s%s", exit, d.Code, &stdout, &stderr)
			}
		})
	}
}
