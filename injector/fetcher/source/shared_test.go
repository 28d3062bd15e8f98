package source_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/source"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

const (
	otherAccount = "222222222222"
	roleThere    = "arn:aws:iam::222222222222:role/shared"
	keyThere     = "arn:aws:kms:eu-west-1:222222222222:key/there"

	readingOwn     = `{"Effect":"Allow","Action":["secretsmanager:ListSecrets","secretsmanager:BatchGetSecretValue"],"Resource":"*"},{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/*"}`
	readingThere   = `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:eu-west-1:222222222222:secret:shared/*"}`
	listingThere   = `{"Effect":"Allow","Action":["secretsmanager:ListSecrets","secretsmanager:BatchGetSecretValue"],"Resource":"*"}`
	keyOfThere     = `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"` + keyThere + `"}`
	assumingThere  = `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"` + roleThere + `"}`
	resourcePolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/AKIALIMITED"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`
	keyPolicy      = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["222222222222","111122223333"]},"Action":"kms:Decrypt","Resource":"*"}]}`
)

// twoAccounts is a world with a shared account of a region of its own, which the pod gets at by a role there or by ARN, each
// with the policies that it takes and no more.
type twoAccounts struct {
	*world
	other *fakeaws.Account
}

func newTwoAccounts(t testing.TB, byRole bool, filters ...func(http.Handler) http.Handler) *twoAccounts {
	w := newWorld(t, filters...)
	other := w.Account(otherAccount)
	other.KMSKey(sharedRegion, fakeaws.KMSKey{ID: "there", Policy: keyPolicy})
	w.config.Accounts[0].Config = &contract.Names{Prefix: "airflow/config"}
	shared := w.config.Accounts[0]
	shared.Name, shared.ID, shared.Region = contract.SharedAccount, otherAccount, sharedRegion
	shared.Connections = &contract.Names{Prefix: "shared/connections"}
	shared.Variables = &contract.Names{Prefix: "shared/variables"}
	shared.Config = &contract.Names{Prefix: "shared/config"}
	if byRole {
		shared.Role = &contract.Role{ARN: roleThere}
	}
	w.config.Accounts = append(w.config.Accounts, shared)
	two := &twoAccounts{w, other}
	two.rolePolicies(listingThere, readingThere, keyOfThere)
	two.identityPolicies(t, byRole)
	return two
}

// identityPolicies are all that the pod's identity needs.
func (w *twoAccounts) identityPolicies(t testing.TB, byRole bool) {
	statements := []string{readingOwn, readingThere, keyOfThere}
	if byRole {
		statements = []string{readingOwn, assumingThere}
	}
	w.identity(t, statements...)
}

// identity is a user's with those statements.
func (w *twoAccounts) identity(t testing.TB, statements ...string) {
	keys := w.own.KeysWith("AKIALIMITED", `{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`)
	t.Setenv("AWS_ACCESS_KEY_ID", keys.ID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.Secret)
}

func (w *twoAccounts) rolePolicies(statements ...string) {
	w.other.Role(fakeaws.Role{Name: "shared", TrustedAccounts: []string{account}, Policies: []string{`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`}})
}

// ask names the ids of every kind in both accounts. Those of connections and variables are discovered where they can be,
// unless it is told to ask for them.
func (w *twoAccounts) ask(ids []string, own bool) {
	for i := range w.config.Accounts {
		a := &w.config.Accounts[i]
		a.Config.IDs = ids
		if own && i == 0 || a.ByARN() {
			a.Connections.IDs, a.Variables.IDs = ids, ids
		}
	}
}

// share stores a secret in the other account, with the policies that let the pod at it by its ARN.
func (w *twoAccounts) share(s fakeaws.Secret) {
	s.ResourcePolicy, s.KMSKey = resourcePolicy, keyThere
	w.other.Put(sharedRegion, s)
}

// Nobody misses what the shared account denies and one's own gives.
func TestADeniedBackupThatIsNotNeeded(t *testing.T) {
	for _, byRole := range []bool{true, false} {
		t.Run(fmt.Sprintf("role %v", byRole), func(t *testing.T) {
			w := newTwoAccounts(t, byRole)
			w.put("airflow/connections/a", "airflow/config/a", "airflow/config/b")
			w.ask([]string{"a", "b"}, false)
			w.config.Accounts[0].Variables, w.config.Accounts[1].Variables, w.config.Accounts[1].Connections = nil, nil, nil
			w.identity(t, readingOwn, assumingThere)
			w.rolePolicies(listingThere)
			found := w.mustGather(t)
			if read, leftOut := ids(found); !slices.Equal(read, []string{"config/a", "config/b", "connections/a"}) || leftOut != nil {
				t.Errorf("read %q and left out %q, expected all of one's own", read, leftOut)
			}
			if there := slices.ContainsFunc(w.Requests(), func(r fakeaws.Request) bool { return r.Region == sharedRegion && r.Service == "secretsmanager" }); there != byRole {
				t.Errorf("the shared account was asked: %v, expected %v", there, byRole)
			}
			if len(found.Accounts) != 2 || found.Accounts[1] != (source.Account{Name: "shared", Region: sharedRegion, ID: otherAccount}) {
				t.Errorf("the accounts are %+v, expected both", found.Accounts)
			}
			w.own.Remove(region, "airflow/config/b")
			_, err := w.gather(t)
			expectError(t, err, contract.AccessDenied, "the shared account 222222222222")
		})
	}
}

// A single secret that may not be read by its ARN says what is missing: with that, and no more, it is read.
func TestADenialByARNNamesThePolicies(t *testing.T) {
	for partition, places := range map[string][2]string{"aws": {region, sharedRegion}, "aws-cn": {"cn-north-1", "cn-northwest-1"}, "aws-us-gov": {"us-gov-west-1", "us-gov-east-1"}} {
		t.Run(partition, func(t *testing.T) {
			w := newTwoAccounts(t, false)
			w.own, w.other = w.AccountIn(partition, "999988887777"), w.AccountIn(partition, "888877776666")
			there := places[1]
			arn := fmt.Sprintf("arn:%s:secretsmanager:%s:888877776666:secret:", partition, there)
			policy := strings.NewReplacer("111122223333", "999988887777", ":aws:", ":"+partition+":").Replace(resourcePolicy)
			key := w.other.KMSKey(there, fakeaws.KMSKey{ID: "k", Policy: strings.NewReplacer("111122223333", "999988887777", "222222222222", "888877776666").Replace(keyPolicy)})
			for _, id := range []string{"db", "open"} {
				w.other.Put(there, fakeaws.Secret{Name: "shared//" + id, String: "x", ResourcePolicy: policy, KMSKey: key})
			}
			w.config.Accounts[0] = contract.Account{Name: "own", Region: places[0], EndpointURL: w.url, STSEndpointURL: w.url, Separator: "/"}
			shared := &w.config.Accounts[1]
			shared.ID, shared.Region, shared.Config, shared.Variables = "888877776666", there, nil, nil
			shared.Connections = &contract.Names{Prefix: "shared/", Exact: true, IDs: []string{"db", "open"}}
			open := fmt.Sprintf(`{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"%sshared//open-*"},{"Effect":"Allow","Action":"kms:Decrypt","Resource":"%s"}`, arn, key)
			w.identity(t, open)

			found := w.mustGather(t)
			if len(found.LeftOut) != 1 || found.LeftOut[0].Code != contract.SecretDenied || !found.LeftOut[0].Asked {
				t.Fatalf("left out %+v, expected the denied one", found.LeftOut)
			}
			statement := inSentence.FindString(found.LeftOut[0].Sentence)
			if want := `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":["` + arn + `shared//db-??????"]}`; statement != want {
				t.Errorf("the sentence is %q, expected the statement %s", found.LeftOut[0].Sentence, want)
			}
			w.identity(t, open, statement)
			if found := w.mustGather(t); len(found.Secrets) != 2 || !strings.HasPrefix(found.Secrets[0].ARN, arn+"shared//db-") {
				t.Errorf("with the statement %+v is read and %v left out", found.Secrets, found.LeftOut)
			}
		})
	}
}

// A message of AWS may name the caller, who is of another account than the key.
func TestADeniedKeyThereIsOfTheSharedAccount(t *testing.T) {
	w := newTwoAccounts(t, false, instead("GetSecretValue", http.StatusBadRequest,
		`{"__type":"AccessDeniedException","message":"User: arn:aws:sts::111122223333:assumed-role/x/y is not authorized to use the KMS key"}`))
	w.config.Accounts = w.config.Accounts[1:]
	w.ask([]string{"a"}, false)
	_, err := w.gather(t)
	expectError(t, err, contract.AccessDenied, `"kms:Decrypt","Resource":["arn:aws:kms:eu-west-1:222222222222:key/*"]`)
}

// What AWS refuses for a reason of its own is told with its place.
func TestARefusedSecretOfTheSharedAccount(t *testing.T) {
	w := newTwoAccounts(t, true, insteadWhere(regexp.MustCompile(`shared/connections/odd`), http.StatusBadRequest,
		`{"__type":"InvalidRequestException","message":"You can't do that"}`))
	w.share(fakeaws.Secret{Name: "shared/connections/odd", String: "x"})
	w.share(fakeaws.Secret{Name: "shared/connections/good", String: "x"})
	found := w.mustGather(t)
	if len(found.Secrets) != 1 || len(found.LeftOut) != 1 || !strings.Contains(found.LeftOut[0].Sentence, "shared/connections/odd in eu-west-1 of the shared account 222222222222: InvalidRequestException") {
		t.Errorf("read %+v and left out %+v, expected the odd one with its place", found.Secrets, found.LeftOut)
	}
}

// Options are never discovered: without ids there is nothing to do, and they are in no place that was looked through.
func TestOptionsAreAskedForOnly(t *testing.T) {
	for name, ids := range map[string][]string{"none": nil, "one": {"a"}} {
		t.Run(name, func(t *testing.T) {
			w := newTwoAccounts(t, true)
			w.put("airflow/config/a", "airflow/config/b")
			w.rolePolicies(readingThere)
			for i := range w.config.Accounts {
				w.config.Accounts[i].Connections, w.config.Accounts[i].Variables = nil, nil
			}
			w.config.Accounts[0].Config.IDs = ids
			w.config.Accounts[1].Config = &contract.Names{Prefix: "shared/config", IDs: ids}
			found := w.mustGather(t)
			if len(found.Secrets) != len(ids) || found.Looked != "" || (len(w.Requests()) == 0) != (ids == nil) || len(found.Accounts) != 2*len(ids) {
				t.Errorf("read %+v in %q of %+v by %d calls, expected %d option, no place, and no call for nothing", found.Secrets, found.Looked, found.Accounts, len(w.Requests()), len(ids))
			}
			for _, s := range found.Secrets {
				if s.Kind != contract.Options || s.ID != "a" || !s.Asked || s.Account != "own" || s.Value.Unwrap() != "value of airflow/config/a" {
					t.Errorf("read %+v, expected the option a of one's own", s)
				}
			}
		})
	}
}

// A shared account that is not needed needs no identity either.
func TestNoIdentityWhereNothingIsAsked(t *testing.T) {
	w := newTwoAccounts(t, false)
	w.config.Accounts[0].Keys = func() (string, string, string) { return "AKIALIMITED", "secret", "" }
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	w.put("airflow/connections/a", "airflow/variables/a", "airflow/config/a")
	w.ask([]string{"a"}, false)
	if found := w.mustGather(t); len(found.Secrets) != 3 || len(found.Accounts) != 2 {
		t.Errorf("read %+v from %+v, expected all three, and both accounts", found.Secrets, found.Accounts)
	}
}

// What reading by ARN cannot do is said.
func TestWhatCannotBeReadByARN(t *testing.T) {
	tests := map[string]struct {
		id     string
		secret fakeaws.Secret
		code   contract.Code
		says   string
	}{
		"a name like an ARN's end":     {"db-abc123", fakeaws.Secret{ResourcePolicy: resourcePolicy, KMSKey: keyThere}, contract.SecretDenied, "shared/connections/db-abc123 in eu-west-1 of the shared account 222222222222 cannot be asked for from another account"},
		"the default key":              {"db", fakeaws.Secret{ResourcePolicy: resourcePolicy}, contract.SecretUndecryptable, "in eu-west-1 of the shared account 222222222222: its key is the default one"},
		"an absent one, which may be":  {"db", fakeaws.Secret{}, contract.SecretDenied, "denied, or it does not exist"},
		"another key":                  {"db", fakeaws.Secret{ResourcePolicy: resourcePolicy, KMSKey: keyThere + "2"}, contract.SecretDenied, "let the policy of the key allow it"},
		"all that is to be said of it": {"db", fakeaws.Secret{KMSKey: keyThere}, contract.SecretDenied, "let the resource policy of the secret allow that identity the same, and let the policy of the KMS key and the identity's allow kms:Decrypt"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newTwoAccounts(t, false)
			w.ask(nil, false)
			w.config.Accounts[1].Variables = nil
			w.config.Accounts[1].Connections.IDs = []string{test.id, "good"}
			w.share(fakeaws.Secret{Name: "shared/connections/good", String: "x"})
			if test.secret.KMSKey+test.secret.ResourcePolicy != "" {
				test.secret.Name, test.secret.String = "shared/connections/"+test.id, "x"
				w.other.Put(sharedRegion, test.secret)
			}
			if name == "a name like an ARN's end" { // is told even where nothing else is asked for
				w.config.Accounts[1].Connections.IDs = []string{test.id}
			}
			found := w.mustGather(t)
			if len(found.LeftOut) != 1 || found.LeftOut[0].Code != test.code || !found.LeftOut[0].Asked || !strings.Contains(found.LeftOut[0].Sentence, test.says) {
				t.Errorf("left out %+v, expected %s and %q", found.LeftOut, test.code, test.says)
			}
		})
	}
}

// One identity is got once, whichever accounts it asks.
func TestOneIdentityForBothAccounts(t *testing.T) {
	tests := map[string]struct {
		change                 func(w *twoAccounts)
		tokens, assumed, lists int
	}{
		"the pod's own, by ARN": {func(w *twoAccounts) { w.config.Accounts[1].Role = nil }, 1, 0, 2},
		"one's own role, by ARN": {func(w *twoAccounts) {
			w.config.Accounts[0].Role = &contract.Role{ARN: w.own.Role(fakeaws.Role{Name: "mine"})}
			w.config.Accounts[1].Role = &contract.Role{ARN: "arn:aws:iam::111122223333:role/mine"}
		}, 1, 1, 2},
		"a role there": {func(*twoAccounts) {}, 1, 1, 4},
		"a role in each": {func(w *twoAccounts) {
			w.config.Accounts[0].Role = &contract.Role{ARN: w.own.Role(fakeaws.Role{Name: "mine"})}
		}, 1, 2, 4},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newTwoAccounts(t, true)
			w.webIdentity(t, fakeaws.Role{Name: "web"})
			test.change(w)
			w.ask([]string{"a"}, false)
			w.other.Put(sharedRegion, fakeaws.Secret{Name: "shared/config/a", String: "x", ReadableBy: []string{account}})
			if found := w.mustGather(t); len(found.Secrets) != 1 || found.Secrets[0].Account != "shared" {
				t.Errorf("read %+v and left out %+v, expected the shared one", found.Secrets, found.LeftOut)
			}
			w.expectCalls(t, "AssumeRoleWithWebIdentity", test.tokens)
			w.expectCalls(t, "AssumeRole", test.assumed)
			w.expectCalls(t, "ListSecrets", test.lists)
		})
	}
}

// Batches that are denied to one identity are not to another.
func TestBatchesAreDeniedToAnIdentity(t *testing.T) {
	for _, denied := range []string{"own", "shared"} {
		t.Run(denied, func(t *testing.T) {
			w := newTwoAccounts(t, true)
			for i := range 50 {
				w.own.Put(region, fakeaws.Secret{Name: fmt.Sprintf("airflow/connections/o%d", i), String: "x"})
				w.share(fakeaws.Secret{Name: fmt.Sprintf("shared/connections/s%d", i), String: "x"})
			}
			w.put("airflow/config/not-asked-for") // options have no ids here, and are not discovered
			map[string]*fakeaws.Account{"own": w.own, "shared": w.other}[denied].Deny("BatchGetSecretValue")
			found := w.mustGather(t)
			isShared := len(found.Warnings) == 1 && strings.Contains(found.Warnings[0], "for the shared account 222222222222") && strings.Contains(found.Warnings[0], roleThere)
			if len(found.Secrets) != 100 || len(found.Warnings) != 1 || isShared != (denied == "shared") {
				t.Errorf("%d secrets were read with the warnings %q, expected 100 and one of the %s account", len(found.Secrets), found.Warnings, denied)
			}
			w.expectCalls(t, "BatchGetSecretValue", 1+3)
			w.expectCalls(t, "GetSecretValue", 50)
		})
	}
}

// The plugin looks every kind up under one prefix, so one secret is read once for all that it is wanted for.
func TestOneSecretForAllKindsByARN(t *testing.T) {
	w := newTwoAccounts(t, false)
	w.ask([]string{"a", "b"}, false)
	for _, names := range []*contract.Names{w.config.Accounts[1].Connections, w.config.Accounts[1].Variables, w.config.Accounts[1].Config} {
		names.Prefix = "shared/all"
	}
	w.put("airflow/variables/a")
	w.share(fakeaws.Secret{Name: "shared/all/a", String: "x"})
	w.share(fakeaws.Secret{Name: "shared/all/b", String: "x"})
	found := w.mustGather(t)
	from := map[string]string{}
	for _, s := range found.Secrets {
		from[string(s.Kind)+"/"+s.ID] = s.Account
	}
	want := map[string]string{"config/a": "shared", "config/b": "shared", "connections/a": "shared", "connections/b": "shared", "variables/a": "own", "variables/b": "shared"}
	if !maps.Equal(from, want) {
		t.Errorf("read %v, expected %v", from, want)
	}
	for _, id := range []string{"a", "b"} {
		asked := slices.DeleteFunc(w.secretIDs(), func(name string) bool { return !strings.HasSuffix(name, "secret:shared/all/"+id) })
		if len(asked) != 1 {
			t.Errorf("%s was asked for %d times, expected once", id, len(asked))
		}
	}
}
