package source_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/source"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// states are what may become of a secret.
var states = map[string]*fakeaws.Secret{
	"present":       {String: "x"},
	"malformed":     {String: "{"},
	"absent":        nil,
	"binary":        {Binary: []byte{1}},
	"denied":        {State: fakeaws.Denied},
	"undecryptable": {State: fakeaws.Undecryptable},
	"deleted":       {State: fakeaws.BeingDeleted},
	"pending":       {State: fakeaws.PendingOnly},
}

// fate is what is expected of a secret in its state, if nothing comes before it.
type fate struct {
	gives, hides bool
	code         contract.Code // where it is asked for by id and gives nothing
	listed       bool          // where it is discovered, it is found
}

var fates = map[string]fate{
	"present":       {gives: true, hides: true, listed: true},
	"malformed":     {gives: true, hides: true, listed: true},
	"absent":        {code: contract.SecretMissing},
	"binary":        {code: contract.SecretBinary, listed: true},
	"denied":        {hides: true, code: contract.SecretDenied, listed: true},
	"undecryptable": {code: contract.SecretUndecryptable, listed: true},
	"deleted":       {code: contract.SecretBeingDeleted, listed: true},
	"pending":       {code: contract.SecretMissing, listed: true},
}

var kinds = []contract.Kind{contract.Connections, contract.Variables, contract.Options}

// Every state of an id in one's own account beside every state of it in the shared one, for each kind and each way to ask.
func TestPrecedenceIsByExistence(t *testing.T) {
	for _, way := range []struct{ byRole, sharedByID bool }{{true, false}, {true, true}, {false, true}} {
		for _, ownByID := range []bool{true, false} {
			for _, read := range contract.Reads() {
				t.Run(fmt.Sprintf("role %v, by id own %v shared %v, %s", way.byRole, ownByID, way.sharedByID, read), func(t *testing.T) {
					w := newTwoAccounts(t, way.byRole)
					w.config.Read = read
					ids := w.putStates()
					w.ask(ids, ownByID)
					if way.sharedByID {
						w.config.Accounts[1].Connections.IDs, w.config.Accounts[1].Variables.IDs = ids, ids
					}
					found := w.mustGather(t)
					w.checkStates(t, found, way.byRole, ownByID, way.sharedByID)
					w.checkCalls(t, found)
				})
			}
		}
	}
}

// putStates stores each combination under an id that tells it, for every kind.
func (w *twoAccounts) putStates() (ids []string) {
	for own, ownSecret := range states {
		for shared, sharedSecret := range states {
			id := own + "/" + shared
			ids = append(ids, id)
			for _, kind := range kinds {
				if ownSecret != nil {
					s := *ownSecret
					s.Name = fmt.Sprintf("airflow/%s/%s", kind, id)
					w.own.Put(region, s)
				}
				if sharedSecret != nil {
					s := *sharedSecret
					s.Name = fmt.Sprintf("shared/%s/%s", kind, id)
					w.share(s)
				}
			}
		}
	}
	return ids
}

func (w *twoAccounts) checkStates(t *testing.T, found source.Found, byRole, ownByID, sharedByID bool) {
	t.Helper()
	got := map[string]string{} // kind and id → what became of it
	note := func(kind contract.Kind, id, what string) { got[string(kind)+"/"+id] += what + ";" }
	for _, s := range found.Secrets {
		note(s.Kind, s.ID, s.Account+" gives")
	}
	for _, l := range found.LeftOut {
		where := "own"
		if strings.Contains(l.Sentence, "the shared account "+otherAccount) {
			where = "shared"
		}
		note(l.Kind, l.ID, fmt.Sprintf("%s %s %v", where, l.Code, l.Asked))
	}
	for _, c := range found.Collisions {
		isARN := strings.HasPrefix(c.Hidden, "arn:aws:secretsmanager:eu-west-1:222222222222:secret:shared/") &&
			(strings.HasPrefix(c.Used, "arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/") || strings.HasPrefix(c.ID, "denied/"))
		note(c.Kind, c.ID, fmt.Sprintf("collision %v", isARN))
	}
	for own := range states {
		for shared := range states {
			for _, kind := range kinds {
				id := string(kind) + "/" + own + "/" + shared
				want := expected(own, shared, byRole, ownByID || kind == contract.Options, sharedByID || kind == contract.Options)
				if got[id] != want {
					t.Errorf("%s: %q, expected %q", id, got[id], want)
				}
				delete(got, id)
			}
		}
	}
	if len(got) > 0 {
		t.Errorf("found besides: %v", got)
	}
}

// expected is what becomes of one id.
func expected(own, shared string, byRole, ownAsked, sharedAsked bool) string {
	first, second := fates[own], fates[shared]
	if shared == "absent" && !byRole {
		second.code = contract.SecretDenied // no policy lets anybody at what is not there
	}
	given := first.gives || !first.hides && second.gives
	var secrets, left, collisions string
	if first.gives {
		secrets = "own gives;"
	} else if given {
		secrets = "shared gives;"
	}
	backedUp := first.code == contract.SecretMissing && ownAsked && given // nobody misses it
	if first.code != "" && (ownAsked || first.listed) && !backedUp {
		left += fmt.Sprintf("own %s %v;", first.code, (ownAsked || first.hides && sharedAsked) && !given)
	}
	if !first.hides && second.code != "" && (sharedAsked || second.listed) {
		left += fmt.Sprintf("shared %s %v;", second.code, sharedAsked && !given)
	}
	if first.hides && second.gives && byRole {
		collisions = "collision true;"
	}
	return secrets + left + collisions
}

// checkCalls holds the calls against the way that they take.
func (w *twoAccounts) checkCalls(t *testing.T, found source.Found) {
	t.Helper()
	byRole := w.config.Accounts[1].Role != nil
	single := map[string]int{} // id → single reads
	for _, r := range w.Requests() {
		for _, id := range r.SecretIDs {
			there := strings.Contains(id, "secret:shared/")
			state := strings.Split(id, "/")
			switch {
			case there && !byRole && r.Operation != "GetSecretValue":
				t.Errorf("%s is asked for by %s, which does not reach another account", id, r.Operation)
			case there && !byRole && fates[state[len(state)-2]].hides:
				t.Errorf("%s is asked for, which the own account has settled", id)
			}
			if r.Operation == "GetSecretValue" {
				single[r.Account+" "+id]++
			}
		}
		if strings.HasPrefix(r.Operation, "ListSecrets") && !byRole && r.Region != region {
			t.Errorf("%s in %s, which nobody can do for another account", r.Operation, r.Region)
		}
	}
	for id, n := range single {
		if n > 1 {
			t.Errorf("%s was read singly %d times", id, n)
		}
	}
	if found.Calls["GetSecretValue"] != w.Calls("GetSecretValue") {
		t.Errorf("counted %v, expected %d single reads", found.Calls, w.Calls("GetSecretValue"))
	}
	want := []source.Account{{Name: "own", Region: region, ID: account}, {Name: "shared", Region: sharedRegion, ID: otherAccount}}
	if !slices.Equal(found.Accounts, want) {
		t.Errorf("accounts are %+v, expected %+v", found.Accounts, want)
	}
	if !strings.Contains(found.Looked, "region eu-central-1") || !strings.Contains(found.Looked, "region eu-west-1 of the shared account 222222222222") {
		t.Errorf("looked for %q, expected both accounts", found.Looked)
	}
}
