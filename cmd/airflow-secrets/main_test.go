package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"sigs.k8s.io/yaml"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/test/pods"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"airflow-secrets": main})
}

// TestScripts runs the command as its user types it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits}})
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
