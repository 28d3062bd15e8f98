package main

import (
	"strings"
	"testing"
)

func TestCommandLine(t *testing.T) {
	for args, c := range map[string]struct {
		code   int
		stdout string
		stderr string
	}{
		"--help":                 {0, "Usage", ""},
		"--list":                 {0, "rotation", ""},
		"--list --only canary":   {0, "canary", ""},
		"--only canarry":         {2, "", "no check is named canarry"},
		"--only canary restrict": {2, "", `unexpected argument "restrict"`},
		"--fast":                 {2, "", "-fast"},
	} {
		var stdout, stderr strings.Builder
		code := run(t.Context(), strings.Fields(args), &stdout, &stderr)
		if code != c.code || !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) || (c.stderr == "") != (stderr.String() == "") {
			t.Errorf("%s: exit code %d, %q, %q, expected %d, %q, %q", args, code, stdout.String(), stderr.String(), c.code, c.stdout, c.stderr)
		}
	}
}

// TestWhatIsMissingIsSaidAtOnce starts nothing: this folder has no bin/, and the PATH nothing at all.
func TestWhatIsMissingIsSaidAtOnce(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for kubeconfig, wants := range map[string][]string{
		"":               {"bin/webhook: make build", "apt-get install -y containerd"},
		"/tmp/of/nobody": {"bin/webhook: make build", "kubectl: on the PATH", "helm: on the PATH", "LOAD_IMAGE"},
	} {
		t.Setenv("KUBECONFIG", kubeconfig)
		t.Setenv("LOAD_IMAGE", "")
		var stdout, stderr strings.Builder
		code := run(t.Context(), nil, &stdout, &stderr)
		for _, want := range wants {
			if code != 1 || !strings.Contains(stderr.String(), want) {
				t.Errorf("KUBECONFIG %q: exit code %d, %q, expected 1 and %q", kubeconfig, code, stderr.String(), want)
			}
		}
	}
}

func TestNamesAreAsOnlyTakesThem(t *testing.T) {
	seen := map[string]bool{}
	for _, check := range all() {
		if seen[check.Name] || check.Name == "" || strings.Trim(check.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("%q is no name for a check, or that of two", check.Name)
		}
		if seen[check.Name] = true; check.Says == "" || check.Run == nil {
			t.Errorf("%s says %q, expected a line and something to run", check.Name, check.Says)
		}
	}
}
