package fakeaws_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

func TestCustomerManagedKeys(t *testing.T) {
	const key = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	read := allow("secretsmanager:*", "*")
	decrypt := func(condition string) []string { return []string{read, allowIf("kms:Decrypt", key, condition)} }
	for _, test := range []struct {
		name       string
		key        fakeaws.KMSKey // its policy, if there is one
		statements []string
		allowed    bool
	}{
		{"not allowed", fakeaws.KMSKey{}, []string{read}, false},
		{"allowed", fakeaws.KMSKey{}, []string{read, allow("kms:Decrypt", key)}, true},
		{"another action", fakeaws.KMSKey{}, []string{read, allow("kms:Encrypt", key)}, false},
		{"another key", fakeaws.KMSKey{}, []string{read, allow("kms:Decrypt", key+"c")}, false},
		{"the secret's name is no key", fakeaws.KMSKey{}, []string{read, allow("kms:Decrypt", ourSecrets+"*")}, false},
		{"denied", fakeaws.KMSKey{}, []string{allow("*", "*"), deny("kms:*", "*")}, false},
		{"via this service", fakeaws.KMSKey{}, decrypt(`"StringEquals": {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"}`), true},
		{"via the service of another region", fakeaws.KMSKey{}, decrypt(`"StringEquals": {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"}`), false},
		{"via another service", fakeaws.KMSKey{}, decrypt(`"StringEquals": {"kms:ViaService": "ssm.eu-central-1.amazonaws.com"}`), false},
		{"for this secret", fakeaws.KMSKey{}, decrypt(`"StringLike": {"kms:EncryptionContext:SecretARN": "` + ourSecrets + `airflow/*"}`), true},
		{"for another secret", fakeaws.KMSKey{}, decrypt(`"ArnLike": {"kms:EncryptionContext:SecretARN": "` + ourSecrets + `other/*"}`), false},
		{"for a version", fakeaws.KMSKey{}, decrypt(`"StringLike": {"kms:EncryptionContext:SecretVersionId": "????????-*"}`), true},
		{"for callers of the account", fakeaws.KMSKey{}, decrypt(`"StringEquals": {"kms:CallerAccount": "111122223333"}, "Bool": {"aws:ViaAWSService": true}`), true},
		{"the key's policy names the user", fakeaws.KMSKey{Policy: document(allowTo("arn:aws:iam::111122223333:user/AKIAREADER", "kms:Decrypt"))}, []string{read}, true},
		{"the key's policy names the account", fakeaws.KMSKey{Policy: document(allowTo(own, "kms:Decrypt"))}, []string{read}, false},
		{"the key's policy and the user's", fakeaws.KMSKey{Policy: document(allowTo(own, "kms:Decrypt"))}, []string{read, allow("kms:Decrypt", key)}, true},
		{"the key's policy leaves the user out", fakeaws.KMSKey{Policy: document(allowTo("arn:aws:iam::111122223333:user/another", "kms:*"))}, []string{allow("*", "*")}, false},
		{"the key's policy allows nothing", fakeaws.KMSKey{Policy: document()}, []string{allow("*", "*")}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			test.key.ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
			if arn := w.own.KMSKey(region, test.key); arn != key {
				t.Fatalf("KMSKey gave %s, expected %s", arn, key)
			}
			w.own.Put(region, fakeaws.Secret{Name: "airflow/db", String: "x", KMSKey: key})
			client := w.asReader(test.statements...)
			want := ""
			if !test.allowed {
				want = "AccessDeniedException"
			}
			_, err := client.GetSecretValue(t.Context(), get("airflow/db"))
			if code := codeOf(err); code != want || err != nil && !strings.HasSuffix(err.Error(), ": Access to KMS is not allowed") {
				t.Errorf("one: the error is %v, expected %q and that access to KMS is not allowed", err, want)
			}
			batch, err := client.BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"airflow/db"}})
			if err != nil || batchCode(batch) != want {
				t.Errorf("in a batch: the errors are %q, error %v; expected %q", failures(batch.Errors), err, want)
			}
			described, err := client.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("airflow/db")})
			if err != nil || aws.ToString(described.KmsKeyId) != key {
				t.Errorf("DescribeSecret gave %v, error %v; expected the key %s", described, err, key)
			}
			listed, err := client.ListSecrets(t.Context(), nil)
			if err != nil || aws.ToString(listed.SecretList[0].KmsKeyId) != key {
				t.Errorf("ListSecrets gave %v, error %v; expected the key %s", listed, err, key)
			}
		})
	}
}

func TestTheDefaultKeyAsksNothing(t *testing.T) {
	w := newWorld(t)
	w.own.Put(region, fakeaws.Secret{Name: "a", String: "x"})
	if _, err := w.asReader(allow("secretsmanager:GetSecretValue", "*"), deny("kms:*", "*")).GetSecretValue(t.Context(), get("a")); err != nil {
		t.Error(err)
	}
}

// TestKeysOfCreatedSecrets reads secrets whose key was named in each way that CreateSecret takes, and in one that it does
// not take on AWS.
func TestKeysOfCreatedSecrets(t *testing.T) {
	const keys = "arn:aws:kms:eu-central-1:111122223333:"
	for id, key := range map[string]string{ // KmsKeyId → the key to be allowed; empty if there is none
		"alias/aws/secretsmanager":        "",
		keys + "alias/aws/secretsmanager": "",
		"1234":                            keys + "key/1234",
		keys + "key/1234":                 keys + "key/1234",
		"alias/team":                      keys + "alias/team",
		"arn:nothing":                     keys + "key/arn:nothing",
	} {
		t.Run(id, func(t *testing.T) {
			w := newWorld(t)
			if _, err := w.asOwn().CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("a"), SecretString: aws.String("x"), KmsKeyId: &id}); err != nil {
				t.Fatal(err)
			}
			read := allow("secretsmanager:GetSecretValue", "*")
			if _, err := w.asReader(read).GetSecretValue(t.Context(), get("a")); (err == nil) != (key == "") {
				t.Errorf("without the key: %v, expected no error: %v", err, key == "")
			}
			if key == "" {
				return
			}
			if _, err := w.asReader(read, allow("kms:Decrypt", key)).GetSecretValue(t.Context(), get("a")); err != nil {
				t.Errorf("with the key: %v", err)
			}
		})
	}
}

// TestResourcePolicies reads a secret of another account by its ARN, which takes three policies, and one of one's own,
// which takes one of two.
func TestResourcePolicies(t *testing.T) {
	const user, read = "arn:aws:iam::111122223333:user/AKIAREADER", "secretsmanager:GetSecretValue"
	const theirKey = "arn:aws:kms:eu-central-1:444455556666:key/1"
	both := []string{allow(read, "*"), allow("kms:Decrypt", theirKey)}
	for _, test := range []struct {
		name       string
		foreign    bool
		statements []string
		secret     []string // its policy
		key        []string // that of its key; nil where it has the default key
		code       string
	}{
		{"foreign", true, both, []string{allowTo(own, read)}, []string{allowTo(own, "kms:Decrypt")}, ""},
		{"foreign, to the user", true, both, []string{allowTo(user, read)}, []string{allowTo(user, "kms:Decrypt")}, ""},
		{"foreign, no resource-based policy", true, both, nil, []string{allowTo(own, "kms:Decrypt")}, "AccessDeniedException"},
		{"foreign, to another account", true, both, []string{allowTo("999999999999", read)}, []string{allowTo(own, "kms:Decrypt")}, "AccessDeniedException"},
		{"foreign, another action", true, both, []string{allowTo(own, "secretsmanager:DescribeSecret")}, []string{allowTo(own, "kms:Decrypt")}, "AccessDeniedException"},
		{"foreign, no identity-based policy", true, both[1:], []string{allowTo(user, read)}, []string{allowTo(own, "kms:Decrypt")}, "AccessDeniedException"},
		{"foreign, no identity-based policy for the key", true, both[:1], []string{allowTo(own, read)}, []string{allowTo(user, "kms:Decrypt")}, "AccessDeniedException"},
		{"foreign, no policy of the key", true, both, []string{allowTo(own, read)}, []string{allowTo(other, "kms:*")}, "AccessDeniedException"},
		{"foreign, default key", true, both, []string{allowTo(own, read)}, nil, "InvalidRequestException"},
		{"own, to the user", false, nil, []string{allowTo(user, read)}, nil, ""},
		{"own, to the account", false, nil, []string{allowTo(own, read)}, nil, "AccessDeniedException"},
		{"own, no resource-based policy", false, both, nil, nil, ""},
		{"own, denied", false, both, []string{strings.Replace(allowTo(own, read), "Allow", "Deny", 1)}, nil, "AccessDeniedException"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			owner := w.own
			if test.foreign {
				owner = w.other
			}
			secret := fakeaws.Secret{Name: "a", String: "x"}
			if test.secret != nil {
				secret.ResourcePolicy = document(test.secret...)
			}
			if test.key != nil {
				secret.KMSKey = owner.KMSKey(region, fakeaws.KMSKey{ID: "1", Policy: document(test.key...)})
			}
			arn := owner.Put(region, secret)
			_, err := w.asReader(test.statements...).GetSecretValue(t.Context(), get(arn))
			if code := codeOf(err); code != test.code {
				t.Errorf("the error is %v, expected %q", err, test.code)
			}
		})
	}
}

func TestReadableByNeedsAnIdentityBasedPolicyToo(t *testing.T) {
	w := newWorld(t)
	plain := w.other.Put(region, fakeaws.Secret{Name: "plain", String: "x", ReadableBy: []string{own}})
	locked := w.other.Put(region, fakeaws.Secret{Name: "locked", String: "x", ReadableBy: []string{own},
		KMSKey: "arn:aws:kms:eu-central-1:444455556666:key/1"})
	read, decrypt := allow("secretsmanager:GetSecretValue", plain), allow("kms:Decrypt", "arn:aws:kms:*:444455556666:key/*")
	for _, test := range []struct {
		secret     string
		statements []string
		code       string
	}{
		{plain, nil, "AccessDeniedException"},
		{plain, []string{read}, ""},
		{locked, []string{allow("secretsmanager:*", "*")}, "AccessDeniedException"},
		{locked, []string{allow("secretsmanager:*", "*"), decrypt}, ""},
	} {
		if _, err := w.asReader(test.statements...).GetSecretValue(t.Context(), get(test.secret)); codeOf(err) != test.code {
			t.Errorf("%s with %s: the error is %v, expected %q", test.secret, test.statements, err, test.code)
		}
	}
}
