package airflow

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// place is where the corpus is stored.
type place struct {
	name        string
	own, shared bool
	way         string // into the shared account, of the pod that is injected
}

// User B's worker, as the chart renders it, gets the same of the files as of the plugin for the whole corpus: in the own
// account, in the shared one, and in the own one with others behind it.
func TestCorpusInTwoAccounts(t *testing.T) {
	ctx, cancel := untilDeadline(t)
	defer cancel()
	program, page, all := buildFetcher(ctx, t), readPage(t), inOnePrefix(chosenCorpus(t))
	t.Run("places", func(t *testing.T) {
		for _, p := range []place{{"own", true, false, byRole}, {"shared", false, true, byDefault}, {"both", true, true, byRole}} {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				p.run(ctx, t, program, page, all)
			})
		}
	})
}

func (p place) run(ctx context.Context, t *testing.T, program string, page *page, all corpus.Corpus) {
	t.Helper()
	w := page.sharedWorld(t)
	w.putCorpus(t, all.Connections, p) // both lists are the same
	ids := append(names(all.Connections), "nowhere")
	native := w.readNatively(ctx, t, []step{{Connections: ids, Variables: ids}})
	w.enter(t, p.way)
	pod := w.inject(t, w.worker(t, p.way, nil))
	folder := w.mustFetch(ctx, t, program, pod)
	report := readReport(t, folder)
	files := w.readFiles(ctx, t, pod, folder, filepath.Join(t.TempDir(), "airflow"), inFewFiles(t, folder, ids))
	compare(t, pluginRelease(t), native, files, newDifferences(all, report))
	if p.own && p.shared && len(report.Collisions) < len(ids) {
		t.Errorf("the report has %d collisions, expected one for nearly every id and kind", len(report.Collisions))
	}
	t.Logf("%d connections and %d variables delivered, %d left out, %d collisions",
		len(report.Connections), len(report.Variables), len(report.LeftOut), len(report.Collisions))
}

// putCorpus stores the secrets. Where both accounts are to have each, the shared one has a value of its own.
func (w *sharedWorld) putCorpus(t *testing.T, secrets []corpus.Secret, p place) {
	t.Helper()
	for _, s := range secrets {
		value := fakeaws.Secret{String: s.Text(), Binary: s.Bytes(), State: fakeaws.State(s.State)}
		if p.own {
			value.Name = w.ownPrefix + s.Name
			w.account.Put(region, value)
			value = fakeaws.Secret{String: "postgres://behind"}
		}
		if p.shared {
			value.Name = w.sharedPrefix + s.Name
			w.putShared(t, value)
		}
	}
}

// inFewFiles are steps of a few ids each, in files of their own, as LocalFilesystemBackend reads the whole file at each
// look-up; the first has all that the folder has.
func inFewFiles(t *testing.T, folder string, ids []string) []step {
	t.Helper()
	connections, variables := readTokens(t, folder, contract.ConnectionsFile), readTokens(t, folder, contract.VariablesFile)
	work := t.TempDir()
	steps := []step{{Folder: folder, Whole: true}}
	for chunk := range slices.Chunk(ids, perFile) {
		s := step{Folder: filepath.Join(work, fmt.Sprint(len(steps))), Connections: chunk, Variables: chunk}
		writeTokens(t, s.Folder, contract.ConnectionsFile, connections, chunk)
		writeTokens(t, s.Folder, contract.VariablesFile, variables, chunk)
		steps = append(steps, s)
	}
	return steps
}

// maxID is the longest id that has room behind user B's prefixes: AWS takes names of 512 characters.
const maxID = 512 - len("org/tenant/prod/airflow/")

// likeARN is the end of an id that AWS takes for the end of a whole ARN: asked for by ARN, which is how the plugin asks the
// shared account, there is no such secret. TestPluginOddities has one.
var likeARN = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)

// inOnePrefix makes every secret of the corpus a connection and a variable, as the plugin does, which has one prefix for
// both.
func inOnePrefix(all corpus.Corpus) (one corpus.Corpus) {
	taken := map[string]bool{}
	for _, s := range slices.Concat(all.Connections, all.Variables) {
		s.Name = s.Name[max(0, len(s.Name)-maxID):]
		for taken[s.Name] || likeARN.MatchString(s.Name) {
			s.Name = strings.TrimSuffix(s.Name[:min(len(s.Name), maxID-1)], "_") + "_."
		}
		taken[s.Name] = true
		one.Connections = append(one.Connections, s)
	}
	one.Variables = one.Connections
	return one
}
