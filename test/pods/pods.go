// Package pods holds the pods that the tests inject: cases of our own with what is expected of each beside it, and pods
// as both Airflow charts render them, in charts/.
//
// A case is a file NAME.yaml, with one of these beside it:
//
//	NAME.injected.yaml   the pod as it should become; its first lines repeat the reason and the warnings as comments
//	NAME.left-alone.txt  the code and its sentence: the pod stays as it is
//	NAME.refused.txt     the code and the message
//
// and with NAME.defaults.yaml where the cluster has defaults. A new file is a case at once; a file that belongs to no
// case fails the tests.
package pods

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"sigs.k8s.io/yaml"

	"github.com/airflow-secrets/airflow-secrets/injector"
)

// Image is the fetcher's image in all expectations.
const Image = "airflow-secrets-fetcher:test"

var update = flag.Bool("update", false, "write what comes out as what is expected; read the difference before you commit it")

// Case is one pod and what is expected of it.
type Case struct {
	Name     string
	File     string // of the pod, as YAML
	Pod      []byte // as JSON
	Defaults string // the path of the defaults file; empty for none
	Injector *injector.Injector
}

// endings are those of files that belong to a case.
var endings = []string{".injected.yaml", ".left-alone.txt", ".refused.txt", ".defaults.yaml"}

// Dir is this folder.
func Dir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// Cases are all cases of the folder.
func Cases(t testing.TB) []Case {
	t.Helper()
	names, beside := list(t)
	for _, file := range beside {
		if !slices.Contains(names, caseOf(file)) {
			t.Errorf("%s belongs to no case: there is no %s.yaml", file, caseOf(file))
		}
	}
	cases := make([]Case, len(names))
	for i, name := range names {
		cases[i] = read(t, name, slices.Contains(beside, name+".defaults.yaml"))
	}
	return cases
}

func list(t testing.TB) (names, beside []string) {
	t.Helper()
	entries, err := os.ReadDir(Dir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		switch name, isYAML := strings.CutSuffix(e.Name(), ".yaml"); {
		case e.IsDir() || strings.HasSuffix(e.Name(), ".go"):
		case caseOf(e.Name()) != "":
			beside = append(beside, e.Name())
		case isYAML:
			names = append(names, name)
		default:
			t.Errorf("%s is neither a case nor an expectation of one", e.Name())
		}
	}
	if len(names) == 0 {
		t.Fatal("there are no cases")
	}
	return names, beside
}

func caseOf(file string) string {
	for _, ending := range endings {
		if name, ok := strings.CutSuffix(file, ending); ok {
			return name
		}
	}
	return ""
}

func read(t testing.TB, name string, hasDefaults bool) Case {
	t.Helper()
	c := Case{Name: name, File: filepath.Join(Dir(), name+".yaml"), Injector: &injector.Injector{FetcherImage: Image}}
	var err error
	if c.Pod, err = yaml.YAMLToJSONStrict(mustRead(t, c.File)); err != nil {
		t.Fatalf("%s: %v", c.File, err)
	}
	if hasDefaults {
		c.Defaults = filepath.Join(Dir(), name+".defaults.yaml")
		if c.Injector.Defaults, err = injector.ParseDefaults(mustRead(t, c.Defaults)); err != nil {
			t.Fatalf("%s: %v", c.Defaults, err)
		}
	}
	return c
}

// Check compares what came out with the expectation beside the case: the reason with its warnings, and the pod.
func (c Case) Check(t testing.TB, d injector.Decision, patched []byte) {
	t.Helper()
	ending, text := ".refused.txt", string(d.Code)+"\n"+d.Message+"\n"
	switch {
	case d.Allowed() && len(d.Operations) > 0:
		ending, text = ".injected.yaml", "# "+string(d.Code)+": "+d.Message+"\n"
		for _, w := range d.Warnings {
			text += "# warning: " + w + "\n"
		}
		body, err := yaml.JSONToYAML(patched)
		if err != nil {
			t.Fatal(err)
		}
		text += string(body)
	case d.Allowed():
		ending = ".left-alone.txt"
	}
	path := filepath.Join(Dir(), c.Name+ending)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("expected %s, and it came to this:\n%s", filepath.Base(path), text)
	}
	if string(want) != text {
		t.Errorf("%s differs from what came out:\n--- expected\n%s\n--- came out\n%s", filepath.Base(path), want, text)
	}
	c.noOtherExpectation(t, ending)
}

// noOtherExpectation fails where a case expects two things at once.
func (c Case) noOtherExpectation(t testing.TB, ending string) {
	t.Helper()
	for _, other := range endings {
		if _, err := os.Stat(filepath.Join(Dir(), c.Name+other)); err == nil && other != ending && other != ".defaults.yaml" {
			t.Errorf("%s%s is expected too, and cannot be", c.Name, other)
		}
	}
}

// Charts are the pods of charts/ by file name, as JSON, each asking for secrets.
func Charts(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(Dir(), "charts", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no pods in charts/: %v", err)
	}
	found := map[string][]byte{}
	for _, file := range files {
		var pod map[string]any
		if err := json.Unmarshal(mustRead(t, file), &pod); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if pod["kind"] != "Pod" {
			continue // the ConfigMap or Secret that a pod beside it reads
		}
		metadata := pod["metadata"].(map[string]any)
		annotations, _ := metadata["annotations"].(map[string]any)
		if annotations == nil {
			annotations = map[string]any{}
		}
		annotations["airflow-secrets/inject"] = "true"
		metadata["annotations"] = annotations
		text, err := json.Marshal(pod)
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimSuffix(filepath.Base(file), ".json")] = text
	}
	return found
}

// Apply applies a decision's operations by a JSON Patch implementation that is not ours.
func Apply(t testing.TB, pod []byte, d injector.Decision) []byte {
	t.Helper()
	if len(d.Operations) == 0 {
		return pod
	}
	operations, err := json.Marshal(d.Operations)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(operations)
	if err != nil {
		t.Fatal(err)
	}
	patched, err := patch.Apply(pod)
	if err != nil {
		t.Fatalf("applying the patch: %v\n%s", err, operations)
	}
	return patched
}

func mustRead(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
