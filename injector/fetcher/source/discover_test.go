package source_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

func TestEverySecretOfEveryPageIsRead(t *testing.T) {
	for _, paging := range []fakeaws.Paging{{}, {Size: 37}, {Size: 100, Empty: 2}, {Size: 1, Empty: 1}} {
		for _, read := range contract.Reads() {
			w := newWorld(t)
			w.Server.Paging(paging)
			w.config.Read = read
			w.put(number("airflow/connections/c", 130)...)
			w.put(number("airflow/variables/v", 45)...)
			w.put(number("something/else/x", 120)...)
			found := w.mustGather(t)
			if len(found.Secrets) != 175 || len(found.LeftOut) != 0 {
				t.Fatalf("%+v, %s: %d secrets were read and %d left out, expected 175 and none", paging, read, len(found.Secrets), len(found.LeftOut))
			}
			for _, s := range found.Secrets {
				if want := "value of airflow/" + string(s.Kind) + "/" + s.ID; s.Value.Unwrap() != want {
					t.Errorf("%s %s has another secret's value", s.Kind, s.ID)
				}
			}
			if read, _ := ids(found); !slices.IsSorted(read) {
				t.Errorf("%+v: the secrets are not in order: %q", paging, read)
			}
		}
	}
}

func TestNamesAndPrefixes(t *testing.T) {
	tests := map[string]struct {
		change        func(*contract.Account)
		names         []string
		read, leftOut []string
		lists         int // calls of ListSecrets
	}{
		"a neighbour's prefix": {
			names: []string{"airflow/connections/db", "airflow/connections-old/db", "airflow/connectionsx/db", "airflow/connections", "x/airflow/connections/y"},
			read:  []string{"connections/db"}, lists: 2,
		},
		"ids with all that names may have": {
			names: []string{"airflow/connections/a/b", "airflow/connections/..", "airflow/connections/a+b=c.d@e_f-g", "airflow/connections//x", "airflow/connections/DB", "airflow/connections/db"},
			read: []string{"connections/..", "connections//x", "connections/DB", "connections/a+b=c.d@e_f-g",
				"connections/a/b", "connections/db"}, lists: 2,
		},
		"ids that look like the end of an ARN": {
			names: []string{"airflow/connections/db-abcdef", "airflow/connections/db"},
			read:  []string{"connections/db", "connections/db-abcdef"}, lists: 2,
		},
		"a name with no id": {
			names: []string{"airflow/connections/", "airflow/connections/db"},
			read:  []string{"connections/db"}, leftOut: []string{"connections/: no-id"}, lists: 2,
		},
		"one kind turned off": {
			change: func(a *contract.Account) { a.Variables = nil },
			names:  []string{"airflow/connections/db", "airflow/variables/v"},
			read:   []string{"connections/db"}, lists: 1,
		},
		"one prefix for both kinds": {
			change: func(a *contract.Account) { a.Variables = &contract.Names{Prefix: "airflow/connections/"} },
			names:  []string{"airflow/connections/db"},
			read:   []string{"connections/db", "variables/db"}, lists: 1,
		},
		"a prefix within the other": {
			change: func(a *contract.Account) { a.Connections = &contract.Names{Prefix: "airflow"} },
			names:  []string{"airflow/db", "airflow/variables/v", "airflow/variables-old/v"},
			read:   []string{"connections/db", "connections/variables-old/v", "connections/variables/v", "variables/v"}, lists: 1,
		},
		"another separator": {
			change: func(a *contract.Account) { a.Separator = "__" },
			names:  []string{"airflow/connections__db", "airflow/connections/db"},
			read:   []string{"connections/db"}, lists: 2,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(test.names...)
			if test.change != nil {
				test.change(&w.config.Accounts[0])
			}
			read, leftOut := ids(w.mustGather(t))
			if !slices.Equal(read, test.read) {
				t.Errorf("read %q, expected %q", read, test.read)
			}
			if !slices.Equal(leftOut, test.leftOut) {
				t.Errorf("left out %q, expected %q", leftOut, test.leftOut)
			}
			w.expectCalls(t, "ListSecrets", test.lists)
			for _, id := range w.secretIDs() {
				if !strings.HasPrefix(id, "arn:") {
					t.Errorf("a secret was read as %s, expected its ARN: the end of a name may look like that of an ARN", id)
				}
			}
		})
	}
}

// What AWS's filter takes for a prefix is not relied on.
func TestNamesAreCheckedAgain(t *testing.T) {
	w := newWorld(t, changed("ListSecrets", func(a answer) {
		a["SecretList"] = append(a.list("SecretList"), map[string]string{
			"Name": "other/team/db", "ARN": "arn:aws:secretsmanager:eu-central-1:111122223333:secret:other/team/db-abcdef",
		})
	}))
	w.put("airflow/connections/db", "other/team/db")
	if read, leftOut := ids(w.mustGather(t)); !slices.Equal(read, []string{"connections/db"}) || leftOut != nil {
		t.Errorf("read %q and left out %q, expected only connections/db", read, leftOut)
	}
	for _, id := range w.secretIDs() {
		if strings.Contains(id, "other/team") {
			t.Errorf("the neighbour's secret was read: %s", id)
		}
	}
}

// A listing lags, so that after a secret was created anew it may hold both ARNs.
func TestASecretCreatedAnewIsReadOnce(t *testing.T) {
	const stale = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/connections/db-OLDARN"
	for _, staleFirst := range []bool{true, false} {
		w := newWorld(t, changed("ListSecrets", func(a answer) {
			if list := a.list("SecretList"); len(list) > 0 && staleFirst {
				a["SecretList"] = append([]any{map[string]string{"Name": "airflow/connections/db", "ARN": stale}}, list...)
			} else if len(list) > 0 {
				a["SecretList"] = append(list, map[string]string{"Name": "airflow/connections/db", "ARN": stale})
			}
		}))
		w.put("airflow/connections/db")
		if read, leftOut := ids(w.mustGather(t)); !slices.Equal(read, []string{"connections/db"}) || leftOut != nil {
			t.Errorf("stale first %v: read %q and left out %q, expected connections/db and nothing", staleFirst, read, leftOut)
		}
	}
}

func TestNothingFoundSaysWhereItLooked(t *testing.T) {
	w := newWorld(t)
	w.put("elsewhere/connections/db")
	_, err := w.gather(t)
	expectError(t, err, contract.NothingFound, "connections under airflow/connections/", "variables under airflow/variables/", region)
}

func TestBothKindsTurnedOffAsksNothing(t *testing.T) {
	w := newWorld(t)
	w.config.Accounts[0].Connections, w.config.Accounts[0].Variables = nil, nil
	if found := w.mustGather(t); found.Secrets != nil || len(w.Requests()) != 0 {
		t.Errorf("found %v with %d calls, expected nothing and none", found.Secrets, len(w.Requests()))
	}
}

func TestListingDenied(t *testing.T) {
	w := newWorld(t)
	w.put("airflow/connections/db")
	w.config.Accounts[0].Variables = nil
	w.own.Deny("ListSecrets")
	_, err := w.gather(t)
	expectError(t, err, contract.AccessDenied, "airflow/connections/", region,
		`{"Effect":"Allow","Action":"secretsmanager:ListSecrets","Resource":["*"]}`, "is not authorized to perform")
	w.expectCalls(t, "ListSecrets", 1)
}

func TestMoreSecretsThanTheLimit(t *testing.T) {
	w := newWorld(t)
	w.put(number("airflow/connections/c", 10_001)...)
	_, err := w.gather(t)
	expectError(t, err, contract.TooLarge, "more than 10000")
}
