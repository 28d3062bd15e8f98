package manifests

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/test/helm"
)

var update = flag.Bool("update", false, "write what is generated")

// TestGenerated holds what is made from the chart to the chart. `make manifests` writes it anew.
func TestGenerated(t *testing.T) {
	values, err := readValues(chartDir + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := schemaOf(values)
	if err != nil {
		t.Fatal(err)
	}
	hold(t, chartDir+"/values.schema.json", schema)
	hold(t, root+"/docs/values.md", between(t, root+"/docs/values.md", tableOf(values)))
	hold(t, root+"/manifests/install.yaml", install(t))
}

// hold compares a file with what it should be, or writes it.
func hold(t *testing.T, file string, should []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, should, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	is, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(is, should) {
		t.Errorf("%s is not what the chart says: run make manifests", file)
	}
}

// between puts the generated part into a page.
func between(t *testing.T, file, generated string) []byte {
	t.Helper()
	const begin, end = "<!-- generated: make manifests -->\n", "<!-- end of generated -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s lacks the marks %q and %q", file, begin, end)
	}
	return []byte(before + begin + generated + end + after)
}

// installHeader stands before the objects of the chart. The namespace is in the file, so that one command makes all and
// one removes all.
const installHeader = `# airflow-secrets without Helm. Made from manifests/chart by make manifests: do not edit.
#
#   kubectl apply -f manifests/install.yaml
#   kubectl delete -f manifests/install.yaml
apiVersion: v1
kind: Namespace
metadata:
  name: airflow-secrets
  labels:
    app.kubernetes.io/name: airflow-secrets
    pod-security.kubernetes.io/enforce: restricted
`

// ofHelm are the lines that Helm alone has a use for.
var ofHelm = regexp.MustCompile(`(?m)^(# Source: .*| +helm\.sh/chart: .*| +app\.kubernetes\.io/managed-by: .*)\n`)

// install is install.yaml: the chart with its defaults, without what is Helm's.
func install(t *testing.T) []byte {
	t.Helper()
	text, err := template(t, helm.Four, "--skip-tests")
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`\n{2,}`).ReplaceAll(ofHelm.ReplaceAll(text, nil), []byte("\n"))
	return append([]byte(installHeader), text...)
}
