package airflow

import (
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
	"github.com/airflow-secrets/airflow-secrets/test/migration"
)

// What a check stores must be what the fake AWS reads, and have the canary in every value: the search for it then proves
// something about each of them.
func TestStores(t *testing.T) {
	page, err := migration.Read()
	if err != nil {
		t.Fatal(err)
	}
	ofA, _ := secretsOfA()
	ofB, _, err := accountsOfB(page, "e2e")
	if err != nil {
		t.Fatal(err)
	}
	ofEnv, _, err := accountsOfEnv(page, "e2e")
	if err != nil {
		t.Fatal(err)
	}
	ofC, _ := secretsOfC()
	for name, s := range map[string]store{
		"A":                     {Accounts: map[string]*account{ownAccount: {Regions: map[string][]secret{region: ofA}}}},
		"B":                     ofB,
		"B and another, by env": ofEnv,
		"C":                     {Accounts: map[string]*account{ownAccount: {Regions: map[string][]secret{region: ofC}}}},
	} {
		text, err := s.yaml()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fakeaws.Load(strings.NewReader(text)); err != nil {
			t.Errorf("user %s: %v", name, err)
		}
		for id, a := range s.Accounts {
			for _, kept := range a.Regions[region] {
				if !strings.Contains(kept.String, e2e.Canary) {
					t.Errorf("user %s: %s of %s has no canary", name, kept.Name, id)
				}
			}
		}
	}
}

// Nothing of a value is in what Airflow is told to expect, which is an object of the API.
func TestExpectationsAreDigests(t *testing.T) {
	for _, make := range []func(string) (string, connection){uri, object} {
		value, made := make("db.internal")
		if !strings.Contains(value, e2e.Canary) || strings.Contains(made.Password, e2e.Canary) {
			t.Errorf("the value is %q and the expected password %q", value, made.Password)
		}
	}
}
