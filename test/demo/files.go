package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// showFiles prints what Airflow will read, values masked, and holds it against the store.
func (s *stage) showFiles() error {
	for _, file := range []struct{ name, kind string }{{contract.ConnectionsFile, "connections"}, {contract.VariablesFile, "variables"}} {
		text, err := s.readFile(file.name)
		if err != nil {
			return err
		}
		var entries map[string]json.RawMessage
		if err := json.Unmarshal(text, &entries); err != nil {
			return fmt.Errorf("reading %s: %w", file.name, err)
		}
		s.out.say("%s: %d %s, %d bytes", file.name, len(entries), file.kind, len(text))
		for _, id := range slices.Sorted(maps.Keys(entries)) {
			s.out.detail("  "+id, "%s", masked(file.kind, entries[id]))
		}
		got, want := slices.Sorted(maps.Keys(entries)), slices.Sorted(maps.Keys(s.wanted[file.kind]))
		if !slices.Equal(got, want) {
			return fmt.Errorf("%s holds %v, expected %v", file.name, got, want)
		}
	}
	return s.checkVariables()
}

// checkVariables holds every variable to its value in the store, byte for byte. (What Airflow makes of the connections is
// the business of test/airflow, with the real Airflow.)
func (s *stage) checkVariables() error {
	text, err := s.readFile(contract.VariablesFile)
	if err != nil {
		return err
	}
	var entries map[string]string
	if err := json.Unmarshal(text, &entries); err != nil {
		return err
	}
	for id, want := range s.wanted["variables"] {
		if entries[id] != want {
			return fmt.Errorf("variable %s did not arrive as it is in the store", id)
		}
	}
	return nil
}

// masked shows the shape of a value: of a URI its scheme, of an object its keys, of a variable its length.
func masked(kind string, token json.RawMessage) string {
	var text string
	if json.Unmarshal(token, &text) == nil {
		if scheme, _, ok := strings.Cut(text, "://"); ok && kind == "connections" {
			return fmt.Sprintf("%q", scheme+"://***")
		}
		return fmt.Sprintf("*** (%d characters)", len(text))
	}
	var keys []string
	decoder := json.NewDecoder(bytes.NewReader(token))
	var object map[string]json.RawMessage
	if decoder.Decode(&object) != nil {
		return "***"
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		keys = append(keys, key+": ***")
	}
	return "{" + strings.Join(keys, ", ") + "}"
}

// showReport prints the report, which must name the malformed connection and nothing else, and hold no value.
func (s *stage) showReport() error {
	text, err := s.readFile(contract.ReportFile)
	if err != nil {
		return err
	}
	var report contract.Report
	if err := json.Unmarshal(text, &report); err != nil {
		return err
	}
	s.out.detail("delivered", "%d connections, %d variables", len(report.Connections), len(report.Variables))
	for _, l := range report.LeftOut {
		s.out.detail("left out", "%s %s (%s): %s", l.Kind, l.ID, l.Code, l.Sentence)
	}
	for _, w := range report.Warnings {
		s.out.detail("warned", "%s", w)
	}
	if len(report.LeftOut) != 1 || report.LeftOut[0].ID != malformed || report.LeftOut[0].Code != contract.SecretMalformed {
		return fmt.Errorf("the report leaves out %+v, expected %s alone", report.LeftOut, malformed)
	}
	if len(report.Connections) != len(s.wanted["connections"]) || len(report.Variables) != len(s.wanted["variables"]) {
		return fmt.Errorf("the report does not tell all that was delivered")
	}
	return noneOf(s.wanted, string(text))
}
