package manifests

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/airflow-secrets/airflow-secrets/test/helm"
)

// set is a values file in testdata. Every one is rendered by both majors of Helm, linted, and held to what must be true of
// every release.
type set struct{ name, file string }

func sets(t *testing.T) []set {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no values in testdata: %v", err)
	}
	all := []set{{name: "default", file: os.DevNull}}
	for _, file := range files {
		all = append(all, set{strings.TrimSuffix(filepath.Base(file), ".yaml"), file})
	}
	return all
}

// TestMajorsAgree renders every set by both majors: the same objects, each of them what Kubernetes knows.
func TestMajorsAgree(t *testing.T) {
	for _, s := range sets(t) {
		t.Run(s.name, func(t *testing.T) {
			three, err := template(t, helm.Three, "--values", s.file)
			if err != nil {
				t.Fatal(err)
			}
			four, err := template(t, helm.Four, "--values", s.file)
			if err != nil {
				t.Fatal(err)
			}
			older, newer := plain(t, parse(t, three)), plain(t, parse(t, four))
			if !slices.Equal(slices.Sorted(maps.Keys(older)), slices.Sorted(maps.Keys(newer))) {
				t.Errorf("Helm 3 renders %v, Helm 4 %v", slices.Sorted(maps.Keys(older)), slices.Sorted(maps.Keys(newer)))
			}
			for key := range older {
				if older[key] != newer[key] {
					t.Errorf("%s by Helm 3:\n%s\nby Helm 4:\n%s", key, older[key], newer[key])
				}
			}
		})
	}
}

// plain gives the objects as JSON with sorted keys, so that only what they say is compared.
func plain(t *testing.T, all objects) map[string]string {
	t.Helper()
	found := map[string]string{}
	for key, m := range all {
		var content any
		if err := yaml.Unmarshal(m.text, &content); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		found[key] = string(text)
	}
	return found
}

// TestLint has both majors read the chart as they read one before it is published.
func TestLint(t *testing.T) {
	for _, major := range helm.Majors() {
		for _, s := range sets(t) {
			output, err := runHelm(t, major, "lint", chartDir, "--strict", "--kube-version", "1.30.0", "--values", s.file)
			if err != nil {
				t.Errorf("%s: %v\n%s", s.name, err, output)
			}
		}
	}
}

// TestEveryValueIsUsed holds values.yaml and the templates to each other: each value is read somewhere, and what is read
// somewhere is a value.
func TestEveryValueIsUsed(t *testing.T) {
	values, err := readValues(chartDir + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	used := usedValues(t)
	for _, v := range values {
		if !slices.ContainsFunc(used, func(u string) bool { return covers(u, v.name()) }) {
			t.Errorf("no template uses the value %s", v.name())
		}
	}
	for _, u := range used {
		if !slices.ContainsFunc(values, func(v value) bool { return covers(u, v.name()) }) {
			t.Errorf("a template uses %s, which values.yaml does not have", u)
		}
	}
}

// imageParts are what the template of images reads of a section that it is given whole.
var imageParts = []string{"repository", "tag", "digest"}

// covers says whether reading u reads the value v: the value itself, or what is in an image.
func covers(u, v string) bool {
	if u == v {
		return true
	}
	part, inside := strings.CutPrefix(v, u+".")
	return inside && (u == "image" || u == "fetcher.image") && slices.Contains(imageParts, part)
}

var valuePath = regexp.MustCompile(`\.Values\.([A-Za-z]+(?:\.[A-Za-z]+)*)`)

// usedValues are the paths below .Values in the templates.
func usedValues(t *testing.T) []string {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(chartDir+"/templates", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range valuePath.FindAllStringSubmatch(string(text), -1) {
			found[match[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(found))
}

// TestEverySetMatters holds the sets to changing something: one whose values do nothing would prove nothing.
func TestEverySetMatters(t *testing.T) {
	standard := plain(t, render(t))
	for _, s := range sets(t)[1:] {
		if maps.Equal(standard, plain(t, render(t, "--values", s.file))) {
			t.Errorf("%s renders what the defaults do", s.name)
		}
	}
}
