package source_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// What fails as a whole fails the run, and says in which account.
func TestAFailingSharedAccountIsToldApart(t *testing.T) {
	const secret, shared = "shared/config/a", "the shared account 222222222222"
	tests := map[string]struct {
		byRole bool
		spoil  func(*testing.T, *twoAccounts)
		code   contract.Code
		says   []string
	}{
		"the identity may not assume the role": {true, func(t *testing.T, w *twoAccounts) { w.identity(t, readingOwn) }, contract.AccessDenied,
			[]string{"assuming the role " + roleThere + " for " + shared + ": add to the identity's policy", `"sts:AssumeRole"`, "airflow-secrets/shared-external-id"}},
		"the role trusts nobody": {true, func(_ *testing.T, w *twoAccounts) { w.other.Role(fakeaws.Role{Name: "shared"}) }, contract.AccessDenied, []string{"trust policy of the role"}},
		"lists denied": {true, func(_ *testing.T, w *twoAccounts) { w.rolePolicies(readingThere, keyOfThere) }, contract.AccessDenied,
			[]string{"listing the secrets under shared/", "in eu-west-1 of " + shared + ": add to the policy of the role " + roleThere + " {", "airflow-secrets/shared-connections and airflow-secrets/shared-variables"}},
		"reads denied": {true, func(_ *testing.T, w *twoAccounts) { w.rolePolicies(listingThere, keyOfThere) }, contract.AccessDenied,
			[]string{"from " + shared, "add to the policy of the role " + roleThere + ` {"Effect":"Allow","Action":"secretsmanager:GetSecretValue"`}},
		"key denied": {true, func(_ *testing.T, w *twoAccounts) { w.rolePolicies(listingThere, readingThere) }, contract.AccessDenied,
			[]string{"from " + shared, "add to the policy of the role " + roleThere + ` {"Effect":"Allow","Action":"kms:Decrypt","Resource":["arn:aws:kms:eu-west-1:222222222222:key/`}},
		"throttled": {true, func(_ *testing.T, w *twoAccounts) {
			w.Order(fakeaws.Trouble{Account: otherAccount, Effect: fakeaws.Throttle})
		}, contract.Throttled, nil},
		"down": {true, func(_ *testing.T, w *twoAccounts) {
			w.Order(fakeaws.Trouble{Account: otherAccount, Effect: fakeaws.Unavailable})
		}, contract.Unavailable, nil},
		"unreachable": {true, func(_ *testing.T, w *twoAccounts) { w.config.Accounts[1].EndpointURL = "http://127.0.0.1:1" }, contract.Unavailable, []string{"refused"}},
		"no credentials of its own": {true, func(t *testing.T, w *twoAccounts) {
			w.config.Accounts[0].Keys = func() (string, string, string) { return "AKIALIMITED", "secret", "" }
			t.Setenv("AWS_ACCESS_KEY_ID", "")
		}, contract.NoCredentials, []string{"looked for"}},
		"no region": {true, func(_ *testing.T, w *twoAccounts) { w.config.Accounts[1].Region = "" }, contract.NoRegion, nil},

		"by ARN, the identity's policy": {false, func(t *testing.T, w *twoAccounts) { w.identity(t, readingOwn) }, contract.AccessDenied,
			[]string{"from " + shared, `add to the identity's policy {"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":["arn:aws:secretsmanager:eu-west-1:222222222222:secret:shared/config/a-??????"]}`,
				"let the resource policy of each", "policy of the KMS key", "because no identity-based policy allows"}},
		"by ARN, the resource policy": {false, func(_ *testing.T, w *twoAccounts) {
			w.other.Put(sharedRegion, fakeaws.Secret{Name: secret, String: "x", KMSKey: keyThere})
		}, contract.AccessDenied, []string{"from " + shared, "let the resource policy of each", "because no resource-based policy allows"}},
		"by ARN, the identity's policy for the key": {false, func(t *testing.T, w *twoAccounts) { w.identity(t, readingOwn, readingThere) }, contract.AccessDenied,
			[]string{"from " + shared, `"kms:Decrypt","Resource":["arn:aws:kms:eu-west-1:222222222222:key/*"]`}},
		"by ARN, the key's policy": {false, func(_ *testing.T, w *twoAccounts) {
			w.other.KMSKey(sharedRegion, fakeaws.KMSKey{ID: "there"})
		}, contract.AccessDenied, []string{"from " + shared, `"kms:Decrypt"`}},
		"by ARN, throttled": {false, func(_ *testing.T, w *twoAccounts) {
			w.Order(fakeaws.Trouble{Secret: secret, Effect: fakeaws.Throttle})
		}, contract.Throttled, []string{secret + " in eu-west-1 of " + shared}},
		"by ARN, down": {false, func(_ *testing.T, w *twoAccounts) {
			w.Order(fakeaws.Trouble{Secret: secret, Effect: fakeaws.Fail})
		}, contract.Unavailable, nil},
		"by ARN, unreachable": {false, func(_ *testing.T, w *twoAccounts) { w.config.Accounts[1].EndpointURL = "http://127.0.0.1:1" }, contract.Unavailable, []string{"refused"}},
		"by ARN, no region":   {false, func(_ *testing.T, w *twoAccounts) { w.config.Accounts[1].Region = "" }, contract.NoRegion, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newTwoAccounts(t, test.byRole)
			w.put("airflow/connections/own")
			w.ask([]string{"a"}, false)
			w.config.Accounts[1].Variables.IDs, w.config.Accounts[1].Connections.IDs = nil, nil
			if !test.byRole {
				w.config.Accounts[1].Variables, w.config.Accounts[1].Connections = nil, nil
			}
			w.share(fakeaws.Secret{Name: secret, String: "x"})
			if found := w.mustGather(t); len(found.Secrets) != 2 || len(found.LeftOut) != 0 {
				t.Fatalf("before anything fails %+v is found", found)
			}
			test.spoil(t, w)
			found, err := w.gatherWithin(t, timeToFail(test.code))
			expectError(t, err, test.code, append(test.says, shared)...)
			if len(found.Secrets)+len(found.LeftOut) != 0 {
				t.Errorf("beside the error there is %+v", found)
			}
		})
	}
}

// timeToFail is short for what is tried again until the time is up.
func timeToFail(code contract.Code) time.Duration {
	if code == contract.Throttled || code == contract.Unavailable {
		return time.Second / 2
	}
	return time.Minute
}

// The same troubles in one's own account do not speak of the shared one.
func TestAFailingOwnAccountIsToldApart(t *testing.T) {
	tests := map[string]struct {
		spoil func(*testing.T, *twoAccounts)
		code  contract.Code
	}{
		"denied": {func(t *testing.T, w *twoAccounts) { w.identity(t, readingThere, keyOfThere, assumingThere) }, contract.AccessDenied},
		"throttled": {func(_ *testing.T, w *twoAccounts) {
			w.Order(fakeaws.Trouble{Operation: "ListSecrets", Account: account, Effect: fakeaws.Throttle})
		}, contract.Throttled},
		"reads denied, while the shared one is throttled": {func(t *testing.T, w *twoAccounts) {
			w.put("airflow/connections/own")
			w.identity(t, listingThere, readingThere, keyOfThere, assumingThere)
			w.Order(fakeaws.Trouble{Account: otherAccount, Effect: fakeaws.Throttle})
			w.config.Accounts[0].Config.IDs = nil
		}, contract.AccessDenied},
		"unreachable":    {func(_ *testing.T, w *twoAccounts) { w.config.Accounts[0].EndpointURL = "http://127.0.0.1:1" }, contract.Unavailable},
		"no credentials": {func(t *testing.T, _ *twoAccounts) { t.Setenv("AWS_ACCESS_KEY_ID", "") }, contract.NoCredentials},
	}
	for name, test := range tests {
		for _, byRole := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, role %v", name, byRole), func(t *testing.T) {
				w := newTwoAccounts(t, byRole)
				w.ask([]string{"a"}, false)
				w.share(fakeaws.Secret{Name: "shared/config/a", String: "x"})
				test.spoil(t, w)
				_, err := w.gatherWithin(t, timeToFail(test.code))
				expectError(t, err, test.code)
				if strings.Contains(err.Error(), "shared account") {
					t.Errorf("the error speaks of the shared account: %v", err)
				}
				for _, r := range w.Requests() {
					if r.Operation == "GetSecretValue" && r.Region == sharedRegion && !byRole {
						t.Errorf("the shared account was asked for %q though one's own had failed", r.SecretIDs)
					}
				}
			})
		}
	}
}
