// Package airflow proves against the real Airflow that it cannot tell our files from its SecretsManagerBackend: the same
// secrets, read over the wire by the one and through the files of our fetcher by LocalFilesystemBackend, or through the
// variables that it sets by EnvironmentVariablesBackend, must come out of Airflow's own look-ups the same, field for field.
// What may differ stands in differences_test.go and environ_test.go.
package airflow

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/worker"
)

func TestAirflowCannotTellTheDifference(t *testing.T) {
	ctx, cancel := untilDeadline(t)
	defer cancel()
	trial := prepare(ctx, t)
	chosen := chosenVersions(t)
	t.Run("versions", func(t *testing.T) {
		for _, v := range chosen {
			t.Run(v.Name, func(t *testing.T) {
				t.Parallel()
				trial.run(ctx, t, v)
			})
		}
	})
	trial.differences.conclude(t, chosen)
	trial.env.differences.conclude(t, chosen)
}

// trial is what every version is held to.
type trial struct {
	all, plain  corpus.Corpus // plain are those that only fill the fetcher's own file up
	store       worker.Store
	pod         worker.Pod
	report      contract.Report
	steps       []step // what is looked up in the files
	careless    []step // what would become of good connections without care
	poison      poison
	differences *differences
	env         envTrial
}

// prepare fills a store, and a folder from it, as our init container does.
func prepare(ctx context.Context, t *testing.T) trial {
	t.Helper()
	all := chosenCorpus(t)
	plain := plainOnes(all)
	store := newStore(t, all.With(plain))
	pod := inject(t, store)
	program := buildFetcher(ctx, t)
	folder := fetch(ctx, t, program, pod)
	report := readReport(t, folder)
	checkReport(t, all.With(plain), folder, report)
	return trial{
		all: all, plain: plain, store: store, pod: pod, report: report,
		steps: cut(t, all, folder), careless: carelessly(t, all, folder),
		poison: newPoison(report), differences: newDifferences(all, report), env: prepareEnv(ctx, t, program, all),
	}
}

// run looks everything up in a version, natively and in the files, and compares.
func (tr trial) run(ctx context.Context, t *testing.T, v version) {
	t.Helper()
	python := v.install(ctx, t)
	started := time.Now()
	native := v.read(ctx, t, python, nativeEnviron(t, tr.store), job{Backend: "SecretsManagerBackend", Steps: everything(tr.all, tr.plain)})
	between := time.Now()
	mount := filepath.Join(t.TempDir(), "airflow")
	files := v.read(ctx, t, python, tr.pod.Environ(mount), job{
		Backend: "LocalFilesystemBackend", Mount: mount, Steps: slices.Concat(tr.steps, tr.careless),
	})
	t.Logf("Airflow %s: %v for the native look-ups, %v for those in files", v.Name, between.Sub(started).Round(time.Second), time.Since(between).Round(time.Second))

	isCareless := func(f found) bool { return f.Step >= len(tr.steps) }
	first := slices.IndexFunc(files, isCareless)
	checkCareless(t, v, files[first:])
	files = files[:first]
	compare(t, v, native, files, tr.differences)
	checkWhole(t, v, tr.report, files)
	tr.poison.checkNeighbours(t, v, tr.steps, files)
	compare(t, v, tr.env.native(native), tr.env.read(ctx, t, v, python), tr.env.differences)
}

// untilDeadline ends what the test waits for a little before the test binary's own time is up, so that it is told which
// wait it was.
func untilDeadline(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	deadline, limited := t.Deadline()
	if !limited {
		return context.WithCancel(t.Context())
	}
	return context.WithDeadline(t.Context(), deadline.Add(-20*time.Second))
}
