package airflow

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// version is a release of Airflow, with the amazon provider of its day: requirements/NAME.txt.
type version struct {
	name string
	// python is the version of Python to run it on; test/python.sh finds or brings it.
	python string
	// before is the day that all packages date from. A release then has the dependencies that it was made for.
	before string
	// environ is what else its processes get.
	environ []string
}

// asciiLocale makes Python open files as ASCII. Without the two switches Python would take UTF-8 for the locale C.
// Airflow 3 does not start like that, and gets the locale alone.
var asciiLocale = []string{"LC_ALL=C", "PYTHONCOERCECLOCALE=0", "PYTHONUTF8=0"}

// versions are those that must not tell the difference.
func versions() []version {
	return []version{
		{name: "2.8.1", python: "3.11", before: "2024-02-15", environ: asciiLocale},
		{name: "2.10.5", python: "3.11", before: "2025-03-01", environ: asciiLocale},
		{name: "2.11.2", python: "3.11", before: "2026-04-15", environ: asciiLocale},
		{name: "3.0.6", python: "3.11", before: "2025-09-20", environ: asciiLocale[:1]},
		{name: "3.1.8", python: "3.11", before: "2026-04-15", environ: asciiLocale[:1]},
		{name: "3.3.2", python: "3.11", before: "2026-11-15", environ: asciiLocale[:1]},
	}
}

var chosen = flag.String("airflow", "2.8.1,3.3.2", "versions of Airflow to run, separated by commas, or all")

// chosenVersions are the versions that the flag -airflow names.
func chosenVersions(t *testing.T) []version {
	t.Helper()
	if *chosen == "all" {
		return versions()
	}
	var found []version
	for name := range strings.SplitSeq(*chosen, ",") {
		i := slices.IndexFunc(versions(), func(v version) bool { return v.name == name })
		if i < 0 {
			var known []string
			for _, v := range versions() {
				known = append(known, v.name)
			}
			t.Fatalf("-airflow names %q, expected all or some of %v", name, known)
		}
		found = append(found, versions()[i])
	}
	return found
}

// install gives the Python of the version's environment, made where it is not there yet. A version that cannot be
// installed fails the test.
func (v version) install(ctx context.Context, t *testing.T) string {
	t.Helper()
	command := exec.CommandContext(ctx, "../python.sh", "--python", v.python, "airflow-"+v.name,
		filepath.Join("requirements", v.name+".txt"), "--exclude-newer", v.before)
	var complaints strings.Builder
	command.Stderr = &complaints
	path, err := command.Output()
	if err != nil {
		t.Fatalf("installing Airflow %s: %v\n%s", v.name, err, complaints.String())
	}
	return strings.TrimSpace(string(path))
}

// job is what reader.py is told to do.
type job struct {
	Backend string `json:"backend"`
	Mount   string `json:"mount"`
	Steps   []step `json:"steps"`
}

// step is one state of the mounted folder, and the ids that are then looked up.
type step struct {
	Folder      string   `json:"folder"`
	Whole       bool     `json:"whole"`  // the folder is the fetcher's own, and all that is in its files is given as well
	Chains      []string `json:"chains"` // by which the ids are looked up; empty is by all
	Connections []string `json:"connections"`
	Variables   []string `json:"variables"`
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
	home := t.TempDir()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	jobFile, resultFile, log := filepath.Join(home, "job.json"), filepath.Join(home, "result.jsonl"), filepath.Join(home, "log")
	if err := os.WriteFile(jobFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	logFile, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer logFile.Close()
	command := exec.CommandContext(ctx, python, "reader.py", jobFile, resultFile)
	command.Env = slices.Concat(environ, v.environ, []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "AIRFLOW_HOME=" + home,
		"AIRFLOW__CORE__FERNET_KEY=" + base64.URLEncoding.EncodeToString(make([]byte, 32)), // as every real Airflow has one
	})
	command.Stdout, command.Stderr = logFile, logFile
	if err := command.Run(); err != nil {
		said, _ := os.ReadFile(log)
		t.Fatalf("running Airflow %s: %v\n%s", v.name, err, said[max(0, len(said)-4000):])
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
