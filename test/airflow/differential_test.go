// Package airflow proves against the real Airflow that it cannot tell our files from its SecretsManagerBackend: the same
// secrets, read over the wire by the one and through the files of our fetcher by LocalFilesystemBackend, must come out
// of Airflow's own look-ups the same, field for field. What may differ stands in differences_test.go.
package airflow

import (
	"cmp"
	"context"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
)

func TestAirflowCannotTellTheDifference(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	all, err := corpus.Read()
	if err != nil {
		t.Fatal(err)
	}
	store := newStore(t, all)
	pod := inject(t, store)
	folder := pod.fetch(ctx, t)
	report := readReport(t, folder)
	checkReport(t, all, report)
	steps := cut(t, all, folder)

	chosen := chosenVersions(t)
	rows := newDifferences(all, report)
	t.Run("versions", func(t *testing.T) {
		for _, v := range chosen {
			t.Run(v.name, func(t *testing.T) {
				t.Parallel()
				python := v.install(ctx, t)
				native := v.read(ctx, t, python, store.nativeEnviron(t), job{Backend: "SecretsManagerBackend", Steps: []step{everything(all)}})
				mount := filepath.Join(t.TempDir(), "airflow")
				files := v.read(ctx, t, python, pod.environ(mount), job{Backend: "LocalFilesystemBackend", Mount: mount, Steps: steps})
				compare(t, v, native, files, rows)
			})
		}
	})
	rows.conclude(t, chosen)
}

// checkReport holds what the fetcher says it delivered and left out against the corpus.
func checkReport(t *testing.T, all corpus.Corpus, report contract.Report) {
	t.Helper()
	told := map[string]string{} // kind and id → delivered, or the code
	for _, d := range report.Connections {
		told["connections "+d.ID] = "delivered"
	}
	for _, d := range report.Variables {
		told["variables "+d.ID] = "delivered"
	}
	for _, l := range report.LeftOut {
		told[string(l.Kind)+" "+l.ID] = string(l.Code)
		if strings.Contains(l.Sentence, "hunter2") {
			t.Errorf("the report holds the value of %s %s: %s", l.Kind, l.ID, l.Sentence)
		}
	}
	expected := map[string]string{}
	for kind, secrets := range map[string][]corpus.Secret{"connections": all.Connections, "variables": all.Variables} {
		for _, s := range secrets {
			if s.LeftOut != corpus.Unlisted {
				expected[kind+" "+s.Name] = cmp.Or(s.LeftOut, "delivered")
			}
		}
	}
	for secret := range maps.Keys(told) {
		expected[secret] += "" // so that what was told too much is looked at as well
	}
	for secret, what := range expected {
		if told[secret] != what {
			t.Errorf("the report says of %s: %q, expected %q", secret, told[secret], what)
		}
	}
}
