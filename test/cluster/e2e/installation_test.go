package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPartsAreAllThatTheNamespaceDoesNotTake reads the chart's templates: what they put into no namespace is a part.
func TestPartsAreAllThatTheNamespaceDoesNotTake(t *testing.T) {
	templates, err := filepath.Glob("../../../manifests/chart/templates/*.yaml")
	if err != nil || len(templates) == 0 {
		t.Fatal(templates, err)
	}
	kind, namespace := regexp.MustCompile(`(?m)^kind: (\w+)$`), regexp.MustCompile(`(?m)^  namespace: \{\{ \.Release\.Namespace`)
	ending := regexp.MustCompile(`(?m)^  name: \{\{ include "airflow-secrets\.name" \(list \. "(\w+)"\)`)
	parts := parts()
	for _, template := range templates {
		text, err := os.ReadFile(template)
		if err != nil {
			t.Fatal(err)
		}
		found := kind.FindSubmatch(text)
		if found == nil || namespace.Match(text) {
			continue
		}
		part := strings.ToLower(string(found[1])) + "/" + Release
		if longer := ending.FindSubmatch(text); longer != nil {
			part += "-" + string(longer[1])
		}
		if !slices.Contains(parts, part) {
			t.Errorf("%s makes %s, which the parts %v lack", template, part, parts)
		}
		parts = slices.DeleteFunc(parts, func(p string) bool { return p == part })
	}
	if want := []string{"pod/airflow-secrets-test", "namespace/airflow-secrets"}; !slices.Equal(parts, want) {
		t.Errorf("no template makes %v, expected this of %v only", parts, want)
	}
}
