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
	if _, err := client.BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"a"}}); codeOf(err) != "AccessDeniedException" {
		t.Errorf("BatchGetSecretValue: %v, expected AccessDeniedException", err)
	}
	_, err := sts.NewFromConfig(config).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::111122223333:role/airflow"), RoleSessionName: aws.String("worker"), ExternalId: aws.String("hunter2"),
	})
	if err != nil {
		t.Errorf("AssumeRole: %v", err)
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
