package fakeaws_test

import (
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// TestTheREADMEsStore loads the store that README.md shows, and looks for each thing that it says there.
func TestTheREADMEsStore(t *testing.T) {
	w := newWorld(t)
	w.Server = load(t, readmeStore(t))
	w.listener = httptest.NewServer(w.Server)
	t.Cleanup(w.listener.Close)
	config := w.config(fakeaws.Keys{ID: "AKIAIOSFODNN7EXAMPLE", Secret: "any"}, "")
	client := secretsmanager.NewFromConfig(config)
	for _, want := range []string{"ThrottlingException", "ThrottlingException", ""} {
		if _, err := client.ListSecrets(t.Context(), nil); codeOf(err) != want {
			t.Errorf("ListSecrets: the error is %q, expected %q", codeOf(err), want)
		}
	}
	w.Forget()
	if got, want := listAll(t, client, &secretsmanager.ListSecretsInput{}), []string{"airflow/connections/db", "airflow/keystore"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, expected %q", got, want)
	}
	if n := w.Calls("ListSecrets"); n != 2 {
		t.Errorf("listing took %d calls, expected an empty page first", n)
	}
	for _, test := range []struct{ id, value, code string }{
		{"airflow/connections/db", "", "InternalServiceError"},
		{"airflow/connections/db", "postgres://user:password@db/airflow", ""},
		{"airflow/keystore", "\x00\x01\x02\xff", ""},
		{"airflow/connections/old", "", "InvalidRequestException"},
		{"arn:aws:secretsmanager:eu-central-1:444455556666:secret:shared/db", "postgres://shared", ""},
		{"arn:aws:secretsmanager:eu-central-1:444455556666:secret:shared/api", "token", ""},
	} {
		out, err := client.GetSecretValue(t.Context(), get(test.id))
		if codeOf(err) != test.code {
			t.Errorf("%s: the error is %q, expected %q", test.id, codeOf(err), test.code)
			continue
		}
		if err == nil && aws.ToString(out.SecretString)+string(out.SecretBinary) != test.value {
			t.Errorf("%s is not the value that the store has", test.id)
		}
	}
	reader := secretsmanager.NewFromConfig(w.config(fakeaws.Keys{ID: "AKIAI44QH8DHBEXAMPLE", Secret: "any"}, ""))
	for _, id := range []string{"airflow/connections/db", "airflow/keystore"} {
		if _, err := reader.GetSecretValue(t.Context(), get(id)); err != nil {
			t.Errorf("%s as the user with policies: %v", id, err)
		}
	}
	if _, err := reader.ListSecrets(t.Context(), nil); codeOf(err) != "AccessDeniedException" {
		t.Errorf("ListSecrets as the user with policies: %v, expected AccessDeniedException", err)
	}
	if _, err := client.BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"a"}}); codeOf(err) != "AccessDeniedException" {
		t.Errorf("BatchGetSecretValue: %v, expected AccessDeniedException", err)
	}
	for _, role := range []string{"airflow", "admin"} {
		_, err := sts.NewFromConfig(config).AssumeRole(t.Context(), &sts.AssumeRoleInput{
			RoleArn: aws.String("arn:aws:iam::111122223333:role/" + role), RoleSessionName: aws.String("worker"), ExternalId: aws.String("hunter2"),
		})
		if err != nil {
			t.Errorf("AssumeRole of %s: %v", role, err)
		}
	}
}

func TestAStoresEmptyListOfPoliciesAllowsNothing(t *testing.T) {
	w := newWorld(t)
	w.Server = load(t, "accounts:\n  \"111122223333\":\n    keys: [AKIAADMIN, {id: AKIAADMIN2}, {id: AKIANOTHING, policies: []}]\n")
	w.listener = httptest.NewServer(w.Server)
	t.Cleanup(w.listener.Close)
	for key, want := range map[string]string{"AKIAADMIN": "", "AKIAADMIN2": "", "AKIANOTHING": "AccessDeniedException"} {
		_, err := secretsmanager.NewFromConfig(w.config(fakeaws.Keys{ID: key, Secret: "any"}, "")).ListSecrets(t.Context(), nil)
		if codeOf(err) != want {
			t.Errorf("as %s: the error is %v, expected %q", key, err, want)
		}
	}
}

func readmeStore(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```yaml\n")
	store, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("README.md has no YAML block")
	}
	return store
}

func load(t *testing.T, store string) *fakeaws.Server {
	t.Helper()
	s, err := fakeaws.Load(strings.NewReader(store))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStoresThatAreRefused(t *testing.T) {
	const account = "accounts:\n  \"111122223333\":\n"
	const secrets = account + "    regions:\n      eu-central-1:\n"
	for _, test := range []struct {
		name, store string
		want        []string // in the error
	}{
		{"empty", "", []string{"accounts is empty"}},
		{"two documents", account + "    keys: [A]\n---\nquotas: {}\n", []string{"one document"}},
		{"no YAML", "accounts: [", []string{"line 1"}},
		{"unknown key", account + "    key: [A]\n", []string{"line 3", `unknown key "key"`}},
		{"unknown keys", "acounts: {}\nquota: {}\n", []string{`line 1: unknown key "acounts"`, `line 2: unknown key "quota"`}},
		{"a key twice", account + "    keys: [A]\n    keys: [B]\n", []string{"line 4", "keys"}},
		{"account id", "accounts:\n  \"1234\": {}\n", []string{"accounts.1234", "expected twelve digits"}},
		{"denied operation", account + "    deny: [GetSecret]\n", []string{"accounts.111122223333.deny", `"GetSecret"`}},
		{"role without a name", account + "    roles: [{externalID: x}]\n", []string{"roles[0]", "name is missing"}},
		{"key without an id", account + "    keys: [{policies: []}]\n", []string{"keys[0]", "id is missing"}},
		{"unknown key of a key", account + "    keys: [{id: A, policy: []}]\n", []string{"line 3", `unknown key "policy"`}},
		{"user's policy", account + "    keys: [{id: A, policies: [{Statement: {Effect: Allow, Action: GetSecretValue, Resource: '*'}}]}]\n", []string{"keys[0]", `"GetSecretValue"`}},
		{"unknown key of a policy", account + "    keys: [{id: A, policies: [{Statements: []}]}]\n", []string{"line 3", `unknown key "Statements"`}},
		{"role's policy", account + "    roles: [{name: a, policies: [{}]}]\n", []string{"roles[0]", "there is no Statement"}},
		{"role's trust policy", account + "    roles: [{name: a, trustPolicy: {}}]\n", []string{"roles[0]", "there is no Statement"}},
		{"role's trust twice", account + "    roles: [{name: a, externalID: x, trustPolicy: {Statement: []}}]\n", []string{"roles[0]", "expected one way"}},
		{"KMS key without a region", account + "    kmsKeys: [{id: a}]\n", []string{"kmsKeys[0]", `region ""`}},
		{"KMS key's policy", account + "    kmsKeys: [{id: a, region: eu-central-1, policy: {}}]\n", []string{"kmsKeys[0]", "there is no Statement"}},
		{"secret's policy", secrets + "      - {name: a, string: x, resourcePolicy: {}}\n", []string{"regions.eu-central-1[0]", `"a"`, "there is no Statement"}},
		{"secret's KMS key", secrets + "      - {name: a, string: x, kmsKey: alias/a}\n", []string{"regions.eu-central-1[0]", `"alias/a"`}},
		{"partition", "accounts:\n  \"111122223333\": {partition: aws-eu}\n", []string{"accounts.111122223333", `"aws-eu"`, "aws-cn"}},
		{"region of another partition", strings.Replace(secrets, "eu-central", "cn-north", 1) + "      - {name: a, string: x}\n", []string{"regions.cn-north-1[0]", "aws-cn"}},
		{"secret without a name", secrets + "      - {string: x}\n", []string{"regions.eu-central-1[0]"}},
		{"secret's name", secrets + "      - {name: a b, string: x}\n", []string{`"a b"`, "Invalid name"}},
		{"secret twice", secrets + "      - {name: a, string: x}\n      - {name: a, string: y}\n", []string{"regions.eu-central-1[1]", "already"}},
		{"no value", secrets + "      - {name: a}\n", []string{`"a"`, "expected one of them"}},
		{"two values", secrets + "      - {name: a, string: x, binary: eA==}\n", []string{`"a"`, "expected one of them"}},
		{"binary", secrets + "      - {name: a, binary: hunter2!}\n", []string{`"a"`, "expected base64"}},
		{"state", secrets + "      - {name: a, string: x, state: lost}\n", []string{`"lost"`, "being-deleted"}},
		{"effect", account + "    keys: [A]\ntroubles: [{effect: boom}]\n", []string{"troubles[0]", `"boom"`, "throttle"}},
		{"latency", account + "    keys: [A]\ntroubles: [{latency: fast}]\n", []string{"line 4"}},
		{"quota", account + "    keys: [A]\nquotas: {GetSecret: 1}\n", []string{"quotas", `"GetSecret"`}},
		{"several mistakes", account + "    deny: [X]\n    roles: [{}]\nquotas: {Y: 1}\n", []string{`"X"`, "roles[0]", `"Y"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := fakeaws.Load(strings.NewReader(test.store))
			if err == nil {
				t.Fatal("the store was loaded, expected an error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %q, expected %q in it", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a secret's value: %q", err)
			}
		})
	}
}
