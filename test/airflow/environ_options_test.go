package airflow

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// hardOptions are texts that a variable or a command might change.
func hardOptions() []string {
	return []string{
		"no line feed", "line feed\n", "\n\n around \r\n", " white space \t", `"quoted" 'text' $ $$ $( ${ ` + "`id`" + ` \`, "100% %(here)s %%",
		"-----BEGIN KEY-----\nMIIB\n-----END KEY-----\n", "größe ☃ 😀", "a=b;c|d&e>f #g", "\x01\x7f\u0085", "a~b", "{}", "'",
	}
}

// Options that Airflow takes from no command are variables, one that it does is a file, and each is what its secret is,
// whatever the pod's own variable says.
func TestOptionsAsVariables(t *testing.T) {
	ctx, cancel := untilDeadline(t)
	defer cancel()
	program := buildFetcher(ctx, t)
	store, aws := storeOf(t, corpus.Corpus{})
	var entries, ids, names []string
	for i, text := range hardOptions() {
		id := fmt.Sprintf("hard/option_%d", i)
		ids = append(ids, id)
		aws.Put(region, fakeaws.Secret{Name: "airflow/config/" + id, String: text})
		names = append(names, fmt.Sprintf("email.option_%d", i))
		entries = append(entries, names[i]+"="+id)
	}
	ids, names = append(ids, ids[4]), append(names, "sentry.sentry_dsn")
	entries = append(entries, "sentry.sentry_dsn="+ids[4])
	aws.Put(region, fakeaws.Secret{Name: "airflow/connections/db", String: "http://db"})
	ours := store
	ours.Deliver, ours.Annotations = contract.DeliverEnv, map[string]string{"config": strings.Join(entries, ",")}
	pod := inject(t, ours)
	folder := fetch(ctx, t, program, pod)
	for _, v := range chosenVersions(t) {
		t.Run(v.Name, func(t *testing.T) {
			python := v.install(ctx, t)
			native := v.read(ctx, t, python, nativeEnviron(t, store), job{Backend: "SecretsManagerBackend", Steps: []step{{Config: ids}}})
			environ := append(pod.Environ(folder), "AIRFLOW__EMAIL__OPTION_0=the pod's own")
			got := version{v.Under(pod.Under(folder)...)}.read(ctx, t, python, environ, job{Backend: "EnvironmentVariablesBackend", Steps: []step{{Options: names}}})
			if len(got) != len(native) || len(got) != len(names) {
				t.Fatalf("%d options, natively %d, expected %d", len(got), len(native), len(names))
			}
			for i, f := range got {
				if want := native[i].Outcome.Fields["value"]; want == "" || f.Outcome.Fields["value"] != want {
					t.Errorf("%s is %v, expected %s", f.ID, f.Outcome, want)
				}
			}
			t.Logf("Airflow %s: %d options are what their secrets are", v.Name, len(got))
		})
	}
}

// A backend that Airflow would ask before the variables is hidden from it, in airflow.cfg as in variables, and for tasks as
// for servers: by the pod's own environment, which probes have as well, and by what exec sets.
func TestNoBackendComesBeforeTheVariables(t *testing.T) {
	ctx, cancel := untilDeadline(t)
	defer cancel()
	program := buildFetcher(ctx, t)
	store, aws := storeOf(t, corpus.Corpus{})
	aws.Put(region, fakeaws.Secret{Name: "airflow/connections/ours", String: "http://ours"})
	store.Deliver = contract.DeliverEnv
	pod := inject(t, store)
	folder := fetch(ctx, t, program, pod)
	theirs := theirBackend(t)
	look := []step{{Connections: []string{"theirs", "ours"}, Chains: []string{"server", "task"}}}
	for _, v := range chosenVersions(t) {
		python := v.install(ctx, t)
		for place, environ := range theirs {
			t.Run(v.Name+", "+place, func(t *testing.T) {
				exec := version{v.Under(pod.Under(folder)...)}
				checkFound(t, "as it was", v.read(ctx, t, python, environ, job{Backend: "LocalFilesystemBackend", Steps: look}), "theirs")
				checkFound(t, "under exec", exec.read(ctx, t, python, environ, job{Backend: "EnvironmentVariablesBackend", Steps: look}), "ours")
				probe := slices.Concat(environ, pod.Environ(folder))
				checkFound(t, "a probe", v.read(ctx, t, python, probe, job{Backend: "EnvironmentVariablesBackend", Steps: look}), "")
				checkFound(t, "a container", exec.read(ctx, t, python, probe, job{Backend: "EnvironmentVariablesBackend", Steps: look}), "ours")
			})
		}
	}
}

// theirBackend has the connection theirs: the environments in which Airflow finds it.
func theirBackend(t *testing.T) map[string][]string {
	t.Helper()
	folder := t.TempDir()
	var cfg strings.Builder
	var variables []string
	for _, of := range contract.BackendEnv() {
		kwargs := contract.BackendKwargs(folder)
		fmt.Fprintf(&cfg, "[%s]\n%s = %s\n%s = %s\n", of.Section, of.BackendOption, contract.LocalFilesystemBackend, of.KwargsOption, kwargs)
		variables = append(variables, of.Backend+"="+contract.LocalFilesystemBackend, of.Kwargs+"="+kwargs)
	}
	for name, text := range map[string]string{"airflow.cfg": cfg.String(), contract.ConnectionsFile: `{"theirs": "http://theirs"}`, contract.VariablesFile: "{}"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return map[string][]string{"airflow.cfg": {"AIRFLOW_CONFIG=" + filepath.Join(folder, "airflow.cfg")}, "variables": variables}
}

// checkFound wants one id to be found by every chain, and no other.
func checkFound(t *testing.T, when string, all []found, id string) {
	t.Helper()
	for _, f := range all {
		if there := f.Outcome.Fields != nil; there != (f.ID == id) {
			t.Errorf("%s: %s by the chain %s is found: %v, expected only %q", when, f.ID, f.Chain, there, id)
		}
	}
	if len(all) < 2 {
		t.Errorf("%s: %d look-ups, expected one by each chain", when, len(all))
	}
}
