package fakeaws_test

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

func TestAnotherAccountsSecrets(t *testing.T) {
	w := newWorld(t)
	shared := w.other.Put(region, fakeaws.Secret{Name: "shared", String: "theirs", ReadableBy: []string{own}})
	private := w.other.Put(region, fakeaws.Secret{Name: "private", String: "theirs"})
	deleted := w.other.Put(region, fakeaws.Secret{Name: "deleted", State: fakeaws.BeingDeleted, ReadableBy: []string{own}})
	partial := "arn:aws:secretsmanager:eu-central-1:444455556666:secret:"
	for _, test := range []struct{ id, code string }{
		{shared, ""},
		{partial + "shared", ""},
		{"shared", "ResourceNotFoundException"},
		{private, "AccessDeniedException"},
		{partial + "gone", "AccessDeniedException"},
		{"arn:aws:secretsmanager:eu-central-1:999999999999:secret:x", "AccessDeniedException"},
		{"arn:aws:secretsmanager:us-east-1:444455556666:secret:shared", "AccessDeniedException"},
		{deleted, "InvalidRequestException"},
	} {
		t.Run(test.id, func(t *testing.T) {
			_, err := w.asOwn().GetSecretValue(t.Context(), get(test.id))
			if code := codeOf(err); code != test.code {
				t.Errorf("one: the error is %q, expected %q", code, test.code)
			}
			batch, err := w.asOwn().BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{test.id}})
			if err != nil {
				t.Fatal(err)
			}
			if code := batchCode(batch); code != test.code {
				t.Errorf("in a batch: the error is %q, expected %q", code, test.code)
			}
		})
	}
	if _, err := w.asOwn().DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &shared}); codeOf(err) != "AccessDeniedException" {
		t.Errorf("deleting another account's secret: %v, expected AccessDeniedException", err)
	}
	if found := listAll(t, w.asOwn(), &secretsmanager.ListSecretsInput{}); len(found) > 0 {
		t.Errorf("a list has %q of another account, expected none", found)
	}
}

func batchCode(batch *secretsmanager.BatchGetSecretValueOutput) string {
	for _, e := range batch.Errors {
		return *e.ErrorCode
	}
	return ""
}

func TestDeniedOperations(t *testing.T) {
	byID := &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"a"}}
	byFilter := &secretsmanager.BatchGetSecretValueInput{Filters: []types.Filter{{Key: "name", Values: []string{"a"}}}}
	for _, test := range []struct {
		deny                                    string
		get, list, batch, batchEntry, filtering bool // what is denied then
	}{
		{deny: "GetSecretValue", get: true, batchEntry: true},
		{deny: "ListSecrets", list: true, filtering: true},
		{deny: "BatchGetSecretValue", batch: true, filtering: true},
	} {
		t.Run(test.deny, func(t *testing.T) {
			w := newWorld(t)
			w.own.Put(region, fakeaws.Secret{Name: "a", String: "x"})
			w.own.Deny(test.deny)
			client := w.asOwn()
			check := func(what string, err error, denied bool) {
				t.Helper()
				if (codeOf(err) == "AccessDeniedException") != denied {
					t.Errorf("%s: the error is %v, expected it to be denied: %v", what, err, denied)
				}
			}
			_, err := client.GetSecretValue(t.Context(), get("a"))
			check("GetSecretValue", err, test.get)
			_, err = client.ListSecrets(t.Context(), nil)
			check("ListSecrets", err, test.list)
			batch, err := client.BatchGetSecretValue(t.Context(), byID)
			check("BatchGetSecretValue", err, test.batch)
			if err == nil && (batchCode(batch) == "AccessDeniedException") != test.batchEntry {
				t.Errorf("the batch's errors are %q, expected the secret to be denied: %v", failures(batch.Errors), test.batchEntry)
			}
			_, err = client.BatchGetSecretValue(t.Context(), byFilter)
			check("BatchGetSecretValue with filters", err, test.filtering)
			if _, err := w.asOther().ListSecrets(t.Context(), nil); err != nil {
				t.Errorf("another account: %v, expected it not to be concerned", err)
			}
			w.own.Allow(test.deny)
			if _, err := client.BatchGetSecretValue(t.Context(), byFilter); err != nil {
				t.Errorf("when it is allowed again: %v", err)
			}
		})
	}
}

func TestAssumeRole(t *testing.T) {
	w := newWorld(t)
	w.other.Put(region, fakeaws.Secret{Name: "theirs", String: "x"})
	open := w.other.Role(fakeaws.Role{Name: "open", TrustedAccounts: []string{own}})
	locked := w.other.Role(fakeaws.Role{Name: "locked", TrustedAccounts: []string{own}, ExternalID: "hunter2"})
	closed := w.other.Role(fakeaws.Role{Name: "closed"})
	mine := w.own.Role(fakeaws.Role{Name: "mine"})
	for _, test := range []struct{ name, role, externalID, code, account string }{
		{"trusted", open, "", "", other},
		{"with an external id that is not asked for", open, "x", "", other},
		{"with the external id", locked, "hunter2", "", other},
		{"with another external id", locked, "hunter3", "AccessDenied", ""},
		{"without the external id", locked, "", "AccessDenied", ""},
		{"not trusted", closed, "", "AccessDenied", ""},
		{"of one's own account", mine, "", "", own},
		{"not there", "arn:aws:iam::444455556666:role/gone", "", "AccessDenied", ""},
		{"of an unknown account", "arn:aws:iam::999999999999:role/gone", "", "AccessDenied", ""},
		{"no ARN of a role", "arn:aws:s3:::bucket-of-mine", "", "ValidationError", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := &sts.AssumeRoleInput{RoleArn: &test.role, RoleSessionName: aws.String("worker")}
			if test.externalID != "" {
				in.ExternalId = &test.externalID
			}
			out, err := w.sts().AssumeRole(t.Context(), in)
			if code := codeOf(err); code != test.code {
				t.Fatalf("the error is %q, expected %q", code, test.code)
			}
			if err == nil {
				w.checkSession(t, *out.Credentials.AccessKeyId, *out.Credentials.SessionToken, test.account)
			}
		})
	}
}

// checkSession says whether the credentials are of that account, and nothing without their token.
func (w world) checkSession(t *testing.T, key, token, account string) {
	t.Helper()
	identity, err := sts.NewFromConfig(w.config(fakeaws.Keys{ID: key, Secret: "x"}, token)).GetCallerIdentity(t.Context(), nil)
	if err != nil || *identity.Account != account {
		t.Errorf("the session's identity is %v, error %v; expected one of the account %s", identity, err, account)
	}
	client := secretsmanager.NewFromConfig(w.config(fakeaws.Keys{ID: key, Secret: "x"}, token))
	found := listAll(t, client, &secretsmanager.ListSecretsInput{})
	if theirs := slices.Contains(found, "theirs"); theirs != (account == other) {
		t.Errorf("the session lists %q, expected the secrets of the account %s", found, account)
	}
	tokenless := secretsmanager.NewFromConfig(w.config(fakeaws.Keys{ID: key, Secret: "x"}, ""))
	if _, err := tokenless.ListSecrets(t.Context(), nil); codeOf(err) != "UnrecognizedClientException" {
		t.Errorf("without its token: %v, expected UnrecognizedClientException", err)
	}
}

func TestAssumeRoleWithWebIdentity(t *testing.T) {
	w := newWorld(t)
	open := w.own.Role(fakeaws.Role{Name: "open"})
	pod := w.own.Role(fakeaws.Role{Name: "pod", Subject: "system:serviceaccount:airflow:worker", Audience: "sts.amazonaws.com"})
	// The tokens' claims are {"sub":"system:serviceaccount:airflow:worker","aud":["sts.amazonaws.com"]} and variations.
	const (
		worker   = "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6YWlyZmxvdzp3b3JrZXIiLCJhdWQiOlsic3RzLmFtYXpvbmF3cy5jb20iXX0.x"
		oneText  = "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6YWlyZmxvdzp3b3JrZXIiLCJhdWQiOiJzdHMuYW1hem9uYXdzLmNvbSJ9.x"
		another  = "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6YWlyZmxvdzpvdGhlciIsImF1ZCI6WyJzdHMuYW1hem9uYXdzLmNvbSJdfQ.x"
		audience = "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6YWlyZmxvdzp3b3JrZXIiLCJhdWQiOlsia3ViZXJuZXRlcyJdfQ.x"
	)
	for _, test := range []struct{ name, role, token, code string }{
		{"any token", open, "token", ""},
		{"the pod's", pod, worker, ""},
		{"with one audience", pod, oneText, ""},
		{"another pod's", pod, another, "AccessDenied"},
		{"for another audience", pod, audience, "InvalidIdentityToken"},
		{"no token at all", pod, "token", "InvalidIdentityToken"},
		{"a role that is not there", open + "s", worker, "AccessDenied"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := w.sts().AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
				RoleArn: &test.role, RoleSessionName: aws.String("worker"), WebIdentityToken: &test.token,
			})
			if code := codeOf(err); code != test.code {
				t.Fatalf("the error is %q, expected %q", code, test.code)
			}
			if err == nil {
				w.checkSession(t, *out.Credentials.AccessKeyId, *out.Credentials.SessionToken, own)
			}
		})
	}
}
