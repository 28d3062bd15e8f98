package airflow

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/test/airflow/worker"
)

// version is a release of Airflow that must not tell the difference.
type version struct{ worker.Release }

var chosen = flag.String("airflow", "2.8.1,3.3.2", "versions of Airflow to run, separated by commas, or all")

// chosenVersions are the versions that the flag -airflow names.
func chosenVersions(t *testing.T) []version {
	t.Helper()
	releases, err := worker.Choose(*chosen)
	if err != nil {
		t.Fatalf("-airflow: %v", err)
	}
	var found []version
	for _, r := range releases {
		found = append(found, version{r})
	}
	return found
}

// install gives the Python of the version's environment. A version that cannot be installed fails the test.
func (v version) install(ctx context.Context, t *testing.T) string {
	t.Helper()
	python, err := v.Install(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return python
}

// job is what reader.py is told to do.
type job struct {
	Backend string `json:"backend"`
	Mount   string `json:"mount"`
	Steps   []step `json:"steps"`
	// Without are packages that cannot be imported, as if they were not installed.
	Without []string `json:"without"`
}

// step is one state of the mounted folder, and the ids that are then looked up.
type step struct {
	Folder      string   `json:"folder"`
	Whole       bool     `json:"whole"`  // the folder is the fetcher's own, and all that is in its files is given as well
	Chains      []string `json:"chains"` // by which the ids are looked up; empty is by all
	Connections []string `json:"connections"`
	Variables   []string `json:"variables"`
	Config      []string `json:"config"`  // ids of options, as a backend knows them
	Options     []string `json:"options"` // as Airflow knows them: section.key
	// Environ are variables that are set before.
	Environ map[string]string `json:"environ"`
}

// ids is how many are looked up.
func (s step) ids() int { return len(s.Connections) + len(s.Variables) }

// found is a line of what reader.py writes.
type found struct {
	Step int `json:"step"`
	lookUp
	Outcome outcome `json:"outcome"`
}

// lookUp is one way to ask for one thing.
type lookUp struct {
	Kind  string `json:"kind"`
	ID    string `json:"id"`
	Chain string `json:"chain"`
}

// outcome is what Airflow had in the end.
type outcome struct {
	Absent string            `json:"absent"` // the exception, where there was one
	Fields map[string]string `json:"fields"` // name → Python's literal; nil where there was nothing
}

// read runs one process of Airflow in an environment of its own and gives what its look-ups found.
func (v version) read(ctx context.Context, t *testing.T, python string, environ []string, j job) []found {
	t.Helper()
	folder := t.TempDir()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	jobFile, resultFile := filepath.Join(folder, "job.json"), filepath.Join(folder, "result.jsonl")
	if err := os.WriteFile(jobFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := v.Run(ctx, python, environ, "reader.py", jobFile, resultFile); err != nil {
		t.Fatal(err)
	}
	return decodeFound(t, resultFile)
}

func decodeFound(t *testing.T, path string) []found {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []found
	for decoder := json.NewDecoder(file); ; {
		var f found
		switch err := decoder.Decode(&f); err {
		case nil:
			all = append(all, f)
		case io.EOF:
			return all
		default:
			t.Fatal(fmt.Errorf("reading %s: %w", path, err))
		}
	}
}
