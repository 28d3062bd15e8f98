package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

func TestExpectUnused(t *testing.T) {
	for name, c := range map[string]struct {
		kubectl string // a shell's commands
		want    string // in the error
	}{
		"unused":         {"", ""},
		"in use":         {"[ $1 = version ] || echo namespace/airflow-secrets clusterrole/airflow-secrets", "it has namespace/airflow-secrets, clusterrole/airflow-secrets already"},
		"not reached":    {"echo connection refused >&2; [ $1 != version ]", "connection refused"},
		"no right to it": {"echo forbidden >&2; [ $1 = version ]", "looking for an installation: running kubectl"},
	} {
		lent := withKubectl(t, c.kubectl)
		err := expectUnused(t.Context(), lent)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", name, err, c.want)
		}
	}
}

func TestLeave(t *testing.T) {
	const namespaces = "delete namespace --selector airflow-secrets-e2e --timeout 2m"
	for name, c := range map[string]struct {
		kubectl string // a shell's commands
		keep    bool
		told    string // in the error
	}{
		"all goes":               {"", false, ""},
		"all is kept":            {"", true, ""},
		"the installation stays": {"case $* in *mutating*) echo it hangs >&2; exit 1; esac", false, "removing the installation"},
		"the namespaces stay":    {"case $* in *selector*) echo they hang >&2; exit 1; esac", false, "removing the namespaces"},
		"nothing can be reached": {"echo refused >&2; exit 1", false, "removing the installation"},
	} {
		lent := withKubectl(t, "echo $* >> ran\n"+c.kubectl)
		err := leave(lent, c.keep)
		if (err == nil) != (c.told == "") || err != nil && !strings.Contains(err.Error(), c.told) {
			t.Errorf("%s: %v, expected %q", name, err, c.told)
		}
		ran, _ := os.ReadFile(filepath.Join(lent.Source, "ran"))
		first, second, _ := strings.Cut(strings.TrimSuffix(string(ran), "\n"), "\n")
		if c.keep && first == "" {
			continue
		}
		for _, part := range []string{" delete ", " mutatingwebhookconfiguration/airflow-secrets ", " namespace/airflow-secrets"} {
			if !strings.Contains(first, part) || second != namespaces || c.keep {
				t.Errorf("%s: ran\n%sexpected %q in the first, %q, and nothing if all is kept", name, ran, part, namespaces)
			}
		}
	}
}

// withKubectl is a cluster whose kubectl is a shell's commands. They run in its folder Source.
func withKubectl(t *testing.T, commands string) *e2e.Cluster {
	t.Helper()
	c := &e2e.Cluster{Source: t.TempDir(), Path: t.TempDir()}
	if err := os.WriteFile(filepath.Join(c.Path, "kubectl"), []byte("#!/bin/sh\n"+commands+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return c
}
