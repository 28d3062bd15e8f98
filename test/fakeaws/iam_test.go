package fakeaws_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

const ourSecrets = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:"

// document is a policy with those statements.
func document(statements ...string) string {
	return `{"Version": "2012-10-17", "Statement": [` + strings.Join(statements, ",") + `]}`
}

func allow(action, resource string) string {
	return fmt.Sprintf(`{"Effect": "Allow", "Action": %q, "Resource": %q}`, action, resource)
}

func allowIf(action, resource, condition string) string {
	return fmt.Sprintf(`{"Effect": "Allow", "Action": %q, "Resource": %q, "Condition": {%s}}`, action, resource, condition)
}

func deny(action, resource string) string {
	return strings.Replace(allow(action, resource), "Allow", "Deny", 1)
}

func allowTo(principal, action string) string {
	return fmt.Sprintf(`{"Effect": "Allow", "Principal": {"AWS": %q}, "Action": %q, "Resource": "*"}`, principal, action)
}

// asReader is a client of a user of our account who may do what those statements say.
func (w world) asReader(statements ...string) *secretsmanager.Client {
	return secretsmanager.NewFromConfig(w.config(w.own.KeysWith("AKIAREADER", document(statements...)), ""))
}

func (w world) stsOfReader(statements ...string) *sts.Client {
	return sts.NewFromConfig(w.config(w.own.KeysWith("AKIAREADER", document(statements...)), ""))
}

// operations are calls that read, by what a test says of them: each gives the code of its error, or of the secret's in a
// batch.
func operations(t *testing.T) map[string]func(*secretsmanager.Client) string {
	batched := func(client *secretsmanager.Client, in *secretsmanager.BatchGetSecretValueInput) string {
		out, err := client.BatchGetSecretValue(t.Context(), in)
		if err != nil {
			return "whole: " + codeOf(err)
		}
		return batchCode(out)
	}
	return map[string]func(*secretsmanager.Client) string{
		"get": func(client *secretsmanager.Client) string {
			_, err := client.GetSecretValue(t.Context(), get("airflow/db"))
			return codeOf(err)
		},
		"get by partial ARN": func(client *secretsmanager.Client) string {
			_, err := client.GetSecretValue(t.Context(), get(ourSecrets+"airflow/db"))
			return codeOf(err)
		},
		"get what is not there": func(client *secretsmanager.Client) string {
			_, err := client.GetSecretValue(t.Context(), get("airflow/gone"))
			return codeOf(err)
		},
		"describe": func(client *secretsmanager.Client) string {
			_, err := client.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("airflow/db")})
			return codeOf(err)
		},
		"list": func(client *secretsmanager.Client) string {
			_, err := client.ListSecrets(t.Context(), nil)
			return codeOf(err)
		},
		"batch": func(client *secretsmanager.Client) string {
			return batched(client, &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"airflow/db"}})
		},
		"batch by filter": func(client *secretsmanager.Client) string {
			return batched(client, &secretsmanager.BatchGetSecretValueInput{Filters: []types.Filter{{Key: "name", Values: []string{"airflow/"}}}})
		},
	}
}

func TestWhatOperationsNeed(t *testing.T) {
	const denied, wholeDenied, missing = "AccessDeniedException", "whole: AccessDeniedException", "ResourceNotFoundException"
	nothing := map[string]string{
		"get": denied, "get by partial ARN": denied, "get what is not there": denied, "describe": denied,
		"list": denied, "batch": wholeDenied, "batch by filter": wholeDenied,
	}
	for _, test := range []struct {
		name       string
		statements []string
		want       map[string]string // what differs from nothing being allowed
	}{
		{"nothing", nil, nil},
		{"everything", []string{allow("*", "*")}, map[string]string{
			"get": "", "get by partial ARN": "", "get what is not there": missing, "describe": "", "list": "", "batch": "", "batch by filter": ""}},
		{"values under a prefix", []string{allow("secretsmanager:GetSecretValue", ourSecrets+"airflow/*")}, map[string]string{
			"get": "", "get by partial ARN": "", "get what is not there": missing}},
		{"values of a name and six characters", []string{allow("secretsmanager:GetSecretValue", ourSecrets+"airflow/*-??????")}, map[string]string{
			"get": "", "get by partial ARN": ""}},
		{"values of a name and a hyphen", []string{allow("secretsmanager:GetSecretValue", ourSecrets+"airflow/gone-*")}, nil},
		{"values of the bare name", []string{allow("secretsmanager:GetSecretValue", ourSecrets+"airflow/db")}, nil},
		{"values of another region", []string{allow("secretsmanager:GetSecretValue", strings.Replace(ourSecrets, "central", "west", 1)+"*")}, nil},
		{"metadata", []string{allow("secretsmanager:DescribeSecret", ourSecrets+"airflow/*")}, map[string]string{"describe": ""}},
		{"all on secrets is no list and no batch", []string{allow("secretsmanager:*", ourSecrets+"*")}, map[string]string{
			"get": "", "get by partial ARN": "", "get what is not there": missing, "describe": ""}},
		{"list", []string{allow("secretsmanager:ListSecrets", "*")}, map[string]string{"list": ""}},
		{"batch alone", []string{allow("secretsmanager:BatchGetSecretValue", "*")}, map[string]string{"batch": denied}},
		{"batch and list", []string{allow("secretsmanager:BatchGetSecretValue", "*"), allow("secretsmanager:ListSecrets", "*")}, map[string]string{
			"list": "", "batch": denied, "batch by filter": denied}},
		{"batch and values", []string{allow("secretsmanager:BatchGetSecretValue", "*"), allow("secretsmanager:GetSecretValue", ourSecrets+"airflow/*")}, map[string]string{
			"get": "", "get by partial ARN": "", "get what is not there": missing, "batch": ""}},
		{"everything but one secret", []string{allow("*", "*"), deny("secretsmanager:GetSecretValue", ourSecrets+"airflow/db-*")}, map[string]string{
			"get what is not there": missing, "describe": "", "list": "", "batch": denied, "batch by filter": denied}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.own.Put(region, fakeaws.Secret{Name: "airflow/db", String: "x"})
			client := w.asReader(test.statements...)
			for name, call := range operations(t) {
				want, differs := test.want[name]
				if !differs {
					want = nothing[name]
				}
				if code := call(client); code != want {
					t.Errorf("%s: the error is %q, expected %q", name, code, want)
				}
			}
		})
	}
}

func TestWritingNeedsPermission(t *testing.T) {
	w := newWorld(t)
	write := []string{"CreateSecret", "PutSecretValue", "DeleteSecret", "RestoreSecret"}
	call := map[string]func(*secretsmanager.Client) error{
		"CreateSecret": func(client *secretsmanager.Client) error {
			_, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("a"), SecretString: aws.String("x")})
			return err
		},
		"PutSecretValue": func(client *secretsmanager.Client) error {
			_, err := client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("a"), SecretString: aws.String("y")})
			return err
		},
		"DeleteSecret": func(client *secretsmanager.Client) error {
			_, err := client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("a")})
			return err
		},
		"RestoreSecret": func(client *secretsmanager.Client) error {
			_, err := client.RestoreSecret(t.Context(), &secretsmanager.RestoreSecretInput{SecretId: aws.String("a")})
			return err
		},
	}
	for _, operation := range write {
		client := w.asReader(allow("*", "*"), deny("secretsmanager:"+operation, ourSecrets+"*"))
		if err := call[operation](client); codeOf(err) != "AccessDeniedException" {
			t.Errorf("%s where it is denied: %v, expected AccessDeniedException", operation, err)
		}
		if err := call[operation](w.asReader(allow("secretsmanager:"+operation, ourSecrets+"a*"))); err != nil {
			t.Errorf("%s where it alone is allowed: %v", operation, err)
		}
	}
}

func TestDenialsNameUserActionAndResource(t *testing.T) {
	w := newWorld(t)
	w.own.Put(region, fakeaws.Secret{Name: "a", String: "x"})
	shared := w.other.Put(region, fakeaws.Secret{Name: "a", String: "x"})
	const user = "User: arn:aws:iam::111122223333:user/AKIAREADER is not authorized to perform: "
	list := func(client *secretsmanager.Client) error {
		_, err := client.ListSecrets(t.Context(), nil)
		return err
	}
	read := func(id string) func(*secretsmanager.Client) error {
		return func(client *secretsmanager.Client) error {
			_, err := client.GetSecretValue(t.Context(), get(id))
			return err
		}
	}
	for _, test := range []struct {
		call       func(*secretsmanager.Client) error
		statements []string
		want       string
	}{
		{list, nil, "secretsmanager:ListSecrets because no identity-based policy allows the secretsmanager:ListSecrets action"},
		{list, []string{deny("*", "*")}, "secretsmanager:ListSecrets with an explicit deny in an identity-based policy"},
		{read("a"), nil, "secretsmanager:GetSecretValue on resource: a because no identity-based policy allows the secretsmanager:GetSecretValue action"},
		{read("a"), []string{deny("*", "*")}, "secretsmanager:GetSecretValue on resource: a with an explicit deny in an identity-based policy"},
		{read(shared), []string{allow("*", "*")}, "secretsmanager:GetSecretValue on resource: " + shared + " because no resource-based policy allows the secretsmanager:GetSecretValue action"},
	} {
		t.Run(test.want, func(t *testing.T) {
			if err := test.call(w.asReader(test.statements...)); err == nil || !strings.HasSuffix(err.Error(), user+test.want) {
				t.Errorf("the error is\n%v, expected at its end\n%s", err, user+test.want)
			}
		})
	}
}

// TestLeastPrivilege takes each statement away from a policy that allows just what some calls need.
func TestLeastPrivilege(t *testing.T) {
	const key = "arn:aws:kms:eu-central-1:111122223333:key/1"
	w := newWorld(t)
	w.own.Put(region, fakeaws.Secret{Name: "airflow/db", String: "x", KMSKey: key})
	need := []string{
		allow("secretsmanager:ListSecrets", "*"), allow("secretsmanager:BatchGetSecretValue", "*"),
		allow("secretsmanager:GetSecretValue", ourSecrets+"airflow/*"), allow("kms:Decrypt", key),
	}
	byFilter := operations(t)["batch by filter"]
	if code := byFilter(w.asReader(need...)); code != "" {
		t.Errorf("with the whole policy: %s", code)
	}
	for i := range need {
		if code := byFilter(w.asReader(slices.Delete(slices.Clone(need), i, i+1)...)); !strings.HasSuffix(code, "AccessDeniedException") {
			t.Errorf("without %s the error is %q, expected AccessDeniedException", need[i], code)
		}
	}
}
