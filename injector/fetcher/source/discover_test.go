package source_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/source"
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
		"no separator": {
			change: func(a *contract.Account) { a.Separator = "" },
			names:  []string{"airflow/connections/db", "airflow/connectionsx", "airflow/variables"},
			read:   []string{"connections//db", "connections/x"}, leftOut: []string{"variables/: no-id"}, lists: 2,
		},
		"no prefix": {
			change: func(a *contract.Account) { a.Connections.Prefix, a.Variables = "", nil },
			names:  []string{"db", "airflow/connections/db"},
			read:   []string{"connections/airflow/connections/db", "connections/db"}, lists: 1,
		},
		"a pattern": {
			change: func(a *contract.Account) { a.Connections.Pattern = "^aws_|b" },
			names: []string{"airflow/connections/aws_x", "airflow/connections/AWS_Y", "airflow/connections/my_aws_x", "airflow/connections/bb",
				"airflow/connections/ab", "airflow/connections/", "airflow/variables/ab"},
			read: []string{"connections/AWS_Y", "connections/aws_x", "connections/bb", "variables/ab"}, lists: 2,
		},
		"patterns of kinds that share a prefix": {
			change: func(a *contract.Account) {
				a.Connections.Pattern = "c"
				a.Variables = &contract.Names{Prefix: "airflow/connections", Pattern: "(c|v)"}
			},
			names: []string{"airflow/connections/c", "airflow/connections/v", "airflow/connections/x"},
			read:  []string{"connections/c", "variables/c", "variables/v"}, lists: 1,
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
			if got := len(w.secretIDs()); got != len(secretsOf(test.read, test.leftOut)) {
				t.Errorf("%d secrets were read, expected those that are wanted and no others: %q", got, w.secretIDs())
			}
			for _, id := range w.secretIDs() {
				if !strings.HasPrefix(id, "arn:") {
					t.Errorf("a secret was read as %s, expected its ARN: the end of a name may look like that of an ARN", id)
				}
			}
		})
	}
}

// secretsOf are the ids of one kind or the other, each once.
func secretsOf(read, leftOut []string) map[string]bool {
	ids := map[string]bool{}
	for _, text := range append(read, leftOut...) {
		_, id, _ := strings.Cut(text, "/")
		ids[strings.TrimPrefix(id, "variables/")] = true
	}
	return ids
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
	found := w.mustGather(t)
	if want := "connections under airflow/connections/ and variables under airflow/variables/ in region " + region; found.Looked != want {
		t.Errorf("looked is %q, expected %q", found.Looked, want)
	}
}

func TestBothKindsTurnedOffAsksNothing(t *testing.T) {
	w := newWorld(t)
	w.config.Accounts[0].Connections, w.config.Accounts[0].Variables = nil, nil
	if found := w.mustGather(t); found.Secrets != nil || found.Looked != "" || len(w.Requests()) != 0 {
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
		`{"Effect":"Allow","Action":"secretsmanager:ListSecrets","Resource":["*"]}`, "is not authorized to perform",
		"or name the ids to read in airflow-secrets/connections:", "secretsmanager:GetSecretValue alone")
	w.expectCalls(t, "ListSecrets", 1)
}

// With GetSecretValue alone, discovery says what is missing and that there is another way, and that way is one.
func TestGetSecretValueAlone(t *testing.T) {
	const alone = `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:*:*:secret:airflow/*"}`
	t.Run("discovery", func(t *testing.T) {
		w := newWorld(t)
		w.allow(t, w.own, alone)
		_, err := w.gather(t)
		expectError(t, err, contract.AccessDenied, `"Action":"secretsmanager:ListSecrets"`, "airflow-secrets/connections and airflow-secrets/variables")
	})
	t.Run("ids", func(t *testing.T) {
		w := newWorld(t)
		w.allow(t, w.own, alone)
		w.put("airflow/connections/db", "airflow/variables/v")
		w.config.Accounts[0].Connections.IDs, w.config.Accounts[0].Variables.IDs = []string{"db"}, []string{"v", "missing"}
		read, leftOut := ids(w.mustGather(t))
		if !slices.Equal(read, []string{"connections/db", "variables/v"}) || !slices.Equal(leftOut, []string{"variables/missing: missing"}) {
			t.Errorf("read %q and left out %q", read, leftOut)
		}
		for _, r := range w.Requests() {
			if r.Operation != "GetSecretValue" || r.Outcome == "AccessDeniedException" {
				t.Errorf("there was a call %+v, expected reads and no denial", r)
			}
		}
	})
}

// KMS keys of secrets that nobody wants are nobody's business.
func TestKeysThatAListingTells(t *testing.T) {
	const start = "arn:aws:kms:eu-central-1:111122223333:"
	w := newWorld(t, changed("ListSecrets", func(a answer) {
		for _, listed := range a.list("SecretList") {
			switch entry := listed.(map[string]any); entry["Name"] {
			case "airflow/connections/by-id":
				entry["KmsKeyId"] = "by-id"
			case "airflow/connections/by-alias":
				entry["KmsKeyId"] = "alias/mine"
			case "airflow/connections/managed":
				entry["KmsKeyId"] = "alias/aws/secretsmanager"
			}
		}
	}))
	w.config.Accounts[0].Connections.Pattern = "[^x]"
	w.put("airflow/connections/by-id", "airflow/connections/by-alias", "airflow/connections/managed", "airflow/variables/v")
	for name, key := range map[string]string{"airflow/connections/a": "z", "airflow/connections/b": "z", "airflow/variables/a": "a", "airflow/connections/x": "x"} {
		w.own.Put(region, fakeaws.Secret{Name: name, String: "x", KMSKey: start + "key/" + key})
	}
	want := []string{start + "alias/mine", start + "key/a", start + "key/by-id", start + "key/z"}
	if found := w.mustGather(t); !slices.Equal(found.Keys, want) {
		t.Errorf("the keys are %q, expected %q", found.Keys, want)
	}
}

func TestCallsAreCounted(t *testing.T) {
	w := newWorld(t)
	w.webIdentity(t, fakeaws.Role{Name: "airflow"})
	target := w.own.Role(fakeaws.Role{Name: "target"})
	w.config.Accounts[0].Role = &contract.Role{ARN: target}
	w.put(number("airflow/connections/c", 25)...)
	for _, operation := range []string{"ListSecrets", "AssumeRole", "BatchGetSecretValue"} {
		w.Order(fakeaws.Trouble{Operation: operation, Effect: fakeaws.Throttle, Calls: 1})
	}
	found := w.mustGather(t)
	want := map[string]int{"AssumeRoleWithWebIdentity": 1, "AssumeRole": 2, "ListSecrets": 3, "BatchGetSecretValue": 3}
	if !maps.Equal(found.Calls, want) {
		t.Errorf("the calls are %v, expected %v", found.Calls, want)
	}
	for operation, n := range found.Calls {
		w.expectCalls(t, operation, n)
	}
}

func TestAccountsAreTold(t *testing.T) {
	w := newWorld(t)
	w.withShared()
	w.config.Accounts = append(w.config.Accounts, contract.Account{Name: "asked for nothing"})
	w.put("airflow/connections/db")
	want := []source.Account{{Name: "own", Region: region, ID: account}, {Name: "shared", Region: sharedRegion}}
	if found := w.mustGather(t); !slices.Equal(found.Accounts, want) {
		t.Errorf("the accounts are %v, expected %v: an access key tells none, an ARN does", found.Accounts, want)
	}
}

func TestMoreSecretsThanTheLimit(t *testing.T) {
	w := newWorld(t)
	w.put(number("airflow/connections/c", 10_001)...)
	_, err := w.gather(t)
	expectError(t, err, contract.TooLarge, "more than 10000")
}
