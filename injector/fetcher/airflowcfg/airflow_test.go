package airflowcfg_test

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/test/airflow/worker"
)

var chosen = flag.String("airflow", "2.8.1,3.3.2", "versions of Airflow to run, separated by commas, or all")

// TestReadingsAsAirflow puts every reading to the real Airflow: what is expected of us must be what Airflow does.
func TestReadingsAsAirflow(t *testing.T) {
	releases, err := worker.Choose(*chosen)
	if err != nil {
		t.Fatalf("-airflow: %v", err)
	}
	for _, release := range releases {
		t.Run(release.Name, func(t *testing.T) {
			titles := slices.Sorted(maps.Keys(readings))
			for i, answer := range askAirflow(t, release, titles) {
				answer.check(t, titles[i], readings[titles[i]])
			}
		})
	}
}

// conclusion is what Airflow makes of a reading. It gives nil for an option that neither the file nor its own defaults
// have; the default of the secrets' options is empty.
type conclusion struct {
	Value  *string
	Failed string // the class of an exception
}

func (c conclusion) check(t *testing.T, title string, r reading) {
	t.Helper()
	switch {
	case r.err != "" && r.airflows == "":
		if c.Failed == "" {
			t.Errorf("%s: Airflow reads %q, expected an error", title, told(c.Value))
		}
	case c.Failed != "":
		t.Errorf("%s: Airflow raises %s", title, c.Failed)
	case r.airflows != "":
		if told(c.Value) != r.airflows {
			t.Errorf("%s: Airflow reads %q, expected %q", title, told(c.Value), r.airflows)
		}
	case told(c.Value) != r.value:
		t.Errorf("%s: Airflow reads %q, expected %q", title, told(c.Value), r.value)
	case r.section == "of_ours" && (c.Value == nil) != r.absent:
		t.Errorf("%s: Airflow reads %v, expected absent to be %t", title, c.Value, r.absent)
	}
}

func told(value *string) string {
	if value == nil {
		return ""
	}
	return *value
}

// askAirflow has all readings read in one process, since Airflow takes seconds to start.
func askAirflow(t *testing.T, release worker.Release, titles []string) []conclusion {
	t.Helper()
	python, err := release.Install(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	var job [][3]string
	for i, title := range titles {
		section, option := readings[title].names()
		path := filepath.Join(folder, strconv.Itoa(i)+".cfg")
		if err := os.WriteFile(path, []byte(readings[title].text), 0o600); err != nil {
			t.Fatal(err)
		}
		job = append(job, [3]string{path, section, option})
	}
	encoded, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	jobFile, answerFile := filepath.Join(folder, "job.json"), filepath.Join(folder, "answers.json")
	if err := os.WriteFile(jobFile, encoded, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := release.Run(t.Context(), python, airflowsEnviron, "testdata/conf_reader.py", jobFile, answerFile); err != nil {
		t.Fatal(err)
	}
	answer, err := os.ReadFile(answerFile)
	if err != nil {
		t.Fatal(err)
	}
	var conclusions []conclusion
	if err := json.Unmarshal(answer, &conclusions); err != nil {
		t.Fatal(err)
	}
	if len(conclusions) != len(titles) {
		t.Fatalf("Airflow gave %d answers, expected %d", len(conclusions), len(titles))
	}
	return conclusions
}
