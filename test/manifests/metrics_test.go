package manifests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// An alert on a metric that nobody tells never fires. Those of a histogram end with what Prometheus adds.
func TestAlertsAreOnMetricsThatThereAre(t *testing.T) {
	var code strings.Builder
	for _, room := range []string{"certs", "webhook"} {
		files, err := filepath.Glob(filepath.Join(root, room, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", room, files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			code.Write(text)
		}
	}
	rules, err := os.ReadFile(filepath.Join(chartDir, "templates/prometheusrule.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`airflow_secrets_[a-z_]+`).FindAllString(string(rules), -1)
	for _, name := range names {
		if !strings.Contains(code.String(), `"`+strings.TrimSuffix(name, "_bucket")+`"`) {
			t.Errorf("no metric is named %s", name)
		}
	}
	if len(names) < 8 {
		t.Errorf("found the names %v, expected one or more in most alerts", names)
	}
}
