package airflow

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
)

// checkReport holds what the fetcher says it delivered and left out against the corpus. Which of the two a generated value
// must be is for Airflow to say.
func checkReport(t *testing.T, all corpus.Corpus, folder string, report contract.Report) {
	t.Helper()
	told := map[string]string{} // kind and id → delivered, or the code
	for _, d := range report.Connections {
		told["connections "+d.ID] = "delivered"
	}
	for _, d := range report.Variables {
		told["variables "+d.ID] = "delivered"
	}
	for _, l := range report.LeftOut {
		told[string(l.Kind)+" "+l.ID] = string(l.Code)
		if l.ID == "" || l.Code.Sentence() == "" || !strings.HasPrefix(l.Sentence, l.Code.Sentence()) {
			t.Errorf("the report says of a %s: id %q, code %q, sentence %q, expected all three", l.Kind, l.ID, l.Code, l.Sentence)
		}
	}
	expected := map[string]string{}
	for kind, secrets := range map[string][]corpus.Secret{"connections": all.Connections, "variables": all.Variables} {
		for _, s := range secrets {
			name := kind + " " + s.Name
			switch {
			case s.Feature != "" && (told[name] == "delivered" || told[name] == string(contract.SecretMalformed) || told[name] == string(contract.SecretEmpty)):
				expected[name] = told[name]
			case s.LeftOut != corpus.Unlisted:
				expected[name] = cmp.Or(s.LeftOut, "delivered")
			}
		}
	}
	for secret := range maps.Keys(told) {
		expected[secret] += "" // so that what was told too much is looked at as well
	}
	if text, err := os.ReadFile(filepath.Join(folder, contract.ReportFile)); err != nil || strings.Contains(string(text), "hunter2") {
		t.Errorf("the report holds part of a value (%v)", err)
	}
	for secret, what := range expected {
		if told[secret] != what {
			t.Errorf("the report says of %s: %q, expected %q", secret, told[secret], what)
		}
	}
}

// checkWhole wants every entry that the fetcher delivered to have been made out of its own two files.
func checkWhole(t *testing.T, v version, report contract.Report, files []found) {
	t.Helper()
	made := map[lookUp]bool{}
	for _, f := range files {
		if f.Step == 0 && f.Outcome.Fields != nil {
			made[f.lookUp] = true
		}
	}
	var missing []string
	for kind, delivered := range map[contract.Kind][]contract.Delivered{contract.Connections: report.Connections, contract.Variables: report.Variables} {
		for _, d := range delivered {
			if !made[lookUp{Kind: string(kind), ID: d.ID, Chain: "backend"}] {
				missing = append(missing, string(kind)+" "+d.ID)
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("Airflow %s: %d entries are in the fetcher's own files and were not made out of them, %s among them", v.Name, len(missing), missing[0])
	}
	t.Logf("Airflow %s: %d connections and %d variables made out of the fetcher's own files", v.Name, len(report.Connections), len(report.Variables))
	if len(report.Connections) < mostConnections {
		t.Errorf("the fetcher's own file has %d connections, expected %d or more", len(report.Connections), mostConnections)
	}
}
