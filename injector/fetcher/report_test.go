package fetcher_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

func TestTheLastWordIsShort(t *testing.T) {
	p := newPod(t)
	for i := range 100 {
		p.put(fmt.Sprintf("airflow/connections/a-blank-one-%d", i), " ")
	}
	if err := p.run(t); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(p.terminationLog)
	if len(text) > 1024 || !strings.HasPrefix(string(text), "fetched: connections 0, variables 0; left out 100: ") || !strings.HasSuffix(string(text), "...") {
		t.Errorf("the termination message has %d bytes: %q", len(text), text)
	}
	if lines := p.log(t); len(lines) != 102 {
		t.Errorf("the log has %d lines, expected one for each secret left out", len(lines))
	}
}

// Airflow slows down with every connection of its file, so a run tells from where on that is felt.
func TestManyConnectionsAreWarnedOf(t *testing.T) {
	for n, warned := range map[int]bool{100: false, 101: true, 200: true} {
		p := newPod(t)
		for i := range n {
			p.put(fmt.Sprintf("airflow/connections/c%d", i), "http://x")
			p.put(fmt.Sprintf("airflow/variables/v%d", i), "x") // cost nothing
		}
		p.put("airflow/connections/left-out", " ")
		if err := p.run(t); err != nil {
			t.Fatal(err)
		}
		warnings := p.report(t).Warnings
		if got := len(warnings) == 1; got != warned || len(warnings) > 1 {
			t.Fatalf("%d connections: warnings are %q, expected one: %v", n, warnings, warned)
		}
		for _, part := range []string{fmt.Sprintf("there are %d connections", n), "0.5 s with 1000", "airflow-secrets/connections-prefix", "airflow-secrets/connections"} {
			if warned && (!strings.Contains(warnings[0], part) || !strings.Contains(p.stderr.String(), part)) {
				t.Errorf("the warning is %q and stderr %q, expected %q in both", warnings[0], &p.stderr, part)
			}
		}
		told := 0
		for _, line := range p.log(t) {
			if warned && line["msg"] == warnings[0] && line["level"] == "WARN" {
				told++
			}
		}
		if (told == 1) != warned {
			t.Errorf("%d connections: the log tells it %d times", n, told)
		}
	}
}

// Scripts read the report, so its form is fixed to the letter. Each list is there, empty or not.
func TestTheFormOfTheReport(t *testing.T) {
	p := newPod(t)
	p.config.Warnings = []string{"the endpoint is http"}
	shared := p.config.Accounts[0]
	shared.Name, shared.Variables = "shared", nil
	p.config.Accounts = append(p.config.Accounts, shared) // the same secrets again, so that each connection collides
	p.put("airflow/connections/db", "postgres://db")
	p.put("airflow/connections/port", "http://h:x")
	p.put("airflow/variables/v", "x")
	if err := p.run(t); err != nil {
		t.Fatal(err)
	}
	const secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/"
	got := regexp.MustCompile(`-[0-9A-Za-z]{6}"`).ReplaceAllString(p.file(t, contract.ReportFile), `-RANDOM"`)
	want := `{
  "version": 1,
  "connections": [
    {
      "id": "db",
      "arn": "` + secret + `connections/db-RANDOM",
      "account": "own"
    }
  ],
  "variables": [
    {
      "id": "v",
      "arn": "` + secret + `variables/v-RANDOM",
      "account": "own"
    }
  ],
  "config": [],
  "files": [],
  "leftOut": [
    {
      "kind": "connections",
      "id": "port",
      "code": "malformed",
      "sentence": "the value is none that Airflow can use: the URI's port is not a number from 0 to 65535; in a password write / as %2F, # as %23 and ? as %3F"
    }
  ],
  "collisions": [
    {
      "kind": "connections",
      "id": "db",
      "used": "` + secret + `connections/db-RANDOM",
      "hidden": "` + secret + `connections/db-RANDOM"
    },
    {
      "kind": "connections",
      "id": "port",
      "used": "` + secret + `connections/port-RANDOM",
      "hidden": "` + secret + `connections/port-RANDOM"
    }
  ],
  "warnings": [
    "the endpoint is http"
  ]
}
`
	if got != want {
		t.Errorf("the report is\n%s\nexpected\n%s", got, want)
	}
}

func TestAReportOfNothing(t *testing.T) {
	p := newPod(t)
	p.put("airflow/variables/v", "x")
	if err := p.run(t); err != nil {
		t.Fatal(err)
	}
	var report map[string]json.RawMessage
	if err := json.Unmarshal([]byte(p.file(t, contract.ReportFile)), &report); err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{"connections", "config", "files", "leftOut", "collisions", "warnings"} {
		if string(report[list]) != "[]" {
			t.Errorf("%s is %s, expected an empty list", list, report[list])
		}
	}
}
