package airflow

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
)

// poison are the secrets that the fetcher left out: kind and id.
type poison map[string]bool

func newPoison(report contract.Report) poison {
	p := poison{}
	for _, l := range report.LeftOut {
		p[string(l.Kind)+" "+l.ID] = true
	}
	return p
}

// checkNeighbours holds what was looked up in a file that a poisonous secret shares, or would, against the same look-up
// in a file that nothing shares: every field must be the same.
func (p poison) checkNeighbours(t *testing.T, v version, steps []step, files []found) {
	t.Helper()
	alone := map[lookUp]outcome{}
	for _, f := range files {
		if steps[f.Step].ids() == 1 {
			alone[f.lookUp] = f.Outcome
		}
	}
	neighbours := map[string]bool{}
	for _, f := range files {
		expected, ok := alone[f.lookUp]
		if id := f.Kind + " " + f.ID; ok && !p[id] && steps[f.Step].ids() > 1 && p.shares(steps[f.Step]) {
			neighbours[id] = true
			if !reflect.DeepEqual(f.Outcome, expected) {
				t.Errorf("step %d: %s %q by the chain %s is not what it is alone, beside a secret that was left out", f.Step, f.Kind, f.ID, f.Chain)
			}
		}
	}
	t.Logf("Airflow %s: %d poisonous values left out, %d neighbours the same as alone", v.Name, len(p), len(neighbours))
	if len(p) == 0 || len(neighbours) < len(p)/2 {
		t.Errorf("Airflow %s: %d poisonous values have %d neighbours, expected more", v.Name, len(p), len(neighbours))
	}
}

// shares tells whether one of them belongs to a step: the first has the fetcher's own folder, and so all of them.
func (p poison) shares(s step) bool {
	if s.Whole {
		return len(p) > 0
	}
	for _, id := range s.Connections {
		if p[string(contract.Connections)+" "+id] {
			return true
		}
	}
	for _, id := range s.Variables {
		if p[string(contract.Variables)+" "+id] {
			return true
		}
	}
	return false
}

// carelessly writes every connection of corpus.yaml that must be left out as somebody might who knows nothing of it, each
// in a file with a good one. It gives a step a file, which looks the good one up.
func carelessly(t *testing.T, all corpus.Corpus, folder string) []step {
	t.Helper()
	good := readTokens(t, folder, contract.ConnectionsFile)
	work := t.TempDir()
	var steps []step
	for i, s := range all.Connections {
		if s.LeftOut != string(contract.SecretMalformed) || s.Feature != "" {
			continue
		}
		token, err := json.Marshal(s.Text())
		if err != nil {
			t.Fatal(err)
		}
		if json.Valid([]byte(s.Text())) {
			token = []byte(s.Text())
		}
		made := step{Folder: filepath.Join(work, fmt.Sprint(i)), Chains: []string{"backend"}, Connections: []string{"good-uri"}, Variables: []string{}}
		tokens := map[string]secret.Value{"good-uri": good["good-uri"], s.Name: secret.New(string(token))}
		writeTokens(t, made.Folder, contract.ConnectionsFile, tokens, []string{"good-uri", s.Name})
		writeTokens(t, made.Folder, contract.VariablesFile, nil, nil)
		steps = append(steps, made)
	}
	return steps
}

// checkCareless shows that Airflow does choke on many of them, so that a good neighbour that is read proves something. Not
// on all: some are nothing more than no connection, and some choke other versions.
func checkCareless(t *testing.T, v version, careless []found) {
	t.Helper()
	hidden := 0
	for _, f := range careless {
		if f.Outcome.Fields == nil {
			hidden++
		}
	}
	t.Logf("Airflow %s: %d of %d values that are left out hide a good connection where they are not", v.Name, hidden, len(careless))
	if hidden < 20 {
		t.Errorf("Airflow %s: %d values hide a good connection, expected 20 or more", v.Name, hidden)
	}
}
