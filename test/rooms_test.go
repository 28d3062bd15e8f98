// Package test holds what is true of the project as a whole: which package may know which, and that what is generated is
// up to date.
package test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

const module = "github.com/airflow-secrets/airflow-secrets/"

var update = flag.Bool("update", false, "write the generated documents")

// rooms says which of our packages each of ours may import, outside tests. What is not listed is a new room: give it its
// place here.
var rooms = map[string][]string{
	"cmd/webhook":                 {"webhook", "certs", "injector", "injector/contract"},
	"cmd/fetcher":                 {"injector/fetcher", "injector/contract"},
	"cmd/airflow-secrets":         {"injector", "injector/contract", "injector/kubelet", "injector/fetcher", "injector/fetcher/source"},
	"webhook":                     {"injector", "injector/contract"},
	"certs":                       {},
	"injector":                    {"injector/contract", "injector/contract/pattern"},
	"injector/contract":           {"injector/contract/pattern"},
	"injector/contract/pattern":   {},
	"injector/kubelet":            {},
	"injector/fetcher":            {"injector/contract", "injector/fetcher/airflowcfg", "injector/fetcher/envfile", "injector/fetcher/source", "injector/fetcher/airflow", "injector/fetcher/secret"},
	"injector/fetcher/airflowcfg": {},
	"injector/fetcher/source":     {"injector/contract", "injector/contract/pattern", "injector/fetcher/secret"},
	"injector/fetcher/airflow":    {"injector/contract", "injector/fetcher/airflowcfg", "injector/fetcher/secret"},
	"injector/fetcher/envfile":    {},
	"injector/fetcher/secret":     {},
}

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func packages(t *testing.T) map[string]pkg {
	t.Helper()
	command := exec.Command("go", "list", "-deps=false", "-json=ImportPath,Imports,Deps", "./...")
	command.Dir = ".."
	output, err := command.Output()
	if err != nil {
		t.Fatalf("listing packages: %v", err)
	}
	found := map[string]pkg{}
	for decoder := json.NewDecoder(strings.NewReader(string(output))); decoder.More(); {
		var p pkg
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if name := strings.TrimPrefix(p.ImportPath, module); !strings.HasPrefix(name, "test") {
			found[name] = p
		}
	}
	return found
}

func TestArrowsBetweenRooms(t *testing.T) {
	found := packages(t)
	for name, p := range found {
		allowed, known := rooms[name]
		if !known {
			t.Errorf("%s has no place among the rooms", name)
		}
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s, which it may not know", name, ours)
			}
		}
	}
	for name := range rooms {
		if _, ok := found[name]; !ok {
			t.Errorf("the room %s is not there", name)
		}
	}
}

// TestWhatRunsInThePodIsSmall keeps Kubernetes out of the fetcher, and everything but the standard library out of the
// contract and the smallest rooms.
func TestWhatRunsInThePodIsSmall(t *testing.T) {
	for name, p := range packages(t) {
		for _, dependency := range p.Deps {
			kubernetes := strings.HasPrefix(dependency, "k8s.io/") || strings.HasPrefix(dependency, "sigs.k8s.io/")
			inPod := name == "cmd/fetcher" || strings.HasPrefix(name, "injector/fetcher") || strings.HasPrefix(name, "injector/contract")
			if inPod && kubernetes {
				t.Errorf("%s depends on %s", name, dependency)
			}
			standard := !strings.Contains(strings.Split(dependency, "/")[0], ".")
			small := slices.Contains([]string{"injector/contract", "injector/contract/pattern", "injector/fetcher/secret", "injector/fetcher/airflowcfg", "injector/fetcher/envfile"}, name)
			if own := strings.HasPrefix(dependency, module); small && !standard && !own {
				t.Errorf("%s depends on %s, and may only on the standard library", name, dependency)
			}
		}
	}
}

// TestSentences holds the sentence of every code to the form that travels well, and every code to having one.
func TestSentences(t *testing.T) {
	source, err := os.ReadFile("../injector/contract/code.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, constant := range regexp.MustCompile(`(?m)^\t\w+ +Code = "([^"]+)"`).FindAllStringSubmatch(string(source), -1) {
		if !slices.Contains(contract.Codes(), contract.Code(constant[1])) {
			t.Errorf("%s has no sentence", constant[1])
		}
	}
	for _, code := range contract.Codes() {
		sentence := code.Sentence()
		if sentence == "" || strings.ContainsAny(sentence, "\"'`;\n") || strings.HasSuffix(sentence, ".") || strings.ToLower(sentence[:1]) != sentence[:1] && !strings.HasPrefix(sentence, "AWS") {
			t.Errorf("%s: %q, expected a sentence without quotes, semicolons and full stop that starts lower case", code, sentence)
		}
	}
}

// documents are generated from code, each from its one place.
func TestGeneratedDocuments(t *testing.T) {
	for file, generated := range map[string]string{
		"../docs/annotations.md": injector.Reference(),
		"../docs/outcomes.md":    contract.OutcomesTable(),
		"../docs/kwargs.md":      contract.KwargsTable(),
	} {
		path := filepath.FromSlash(file)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		const begin, end = "<!-- generated: make docs -->\n", "<!-- end of generated -->"
		before, rest, found := strings.Cut(string(text), begin)
		current, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Fatalf("%s lacks the marks %q and %q", file, begin, end)
		}
		if *update {
			if err := os.WriteFile(path, []byte(before+begin+generated+end+after), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if current != generated {
			t.Errorf("%s is not what the code says: run make docs", file)
		}
	}
}
