package fakeaws_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

func TestAssumingRolesNeedsPermission(t *testing.T) {
	const user = "arn:aws:iam::111122223333:user/AKIAREADER"
	const ours, theirs = "arn:aws:iam::111122223333:role/airflow", "arn:aws:iam::444455556666:role/airflow"
	trust := func(principal, condition string) string {
		return document(fmt.Sprintf(`{"Effect": "Allow", "Principal": {"AWS": %q}, "Action": "sts:AssumeRole", "Condition": {%s}}`, principal, condition))
	}
	withID := `"StringEquals": {"sts:ExternalId": "hunter2"}`
	for _, test := range []struct {
		name       string
		role       fakeaws.Role
		statements []string
		arn        string
		allowed    bool
	}{
		{"own", fakeaws.Role{}, []string{allow("sts:AssumeRole", ours)}, ours, true},
		{"own, not allowed", fakeaws.Role{}, nil, ours, false},
		{"own, another role allowed", fakeaws.Role{}, []string{allow("sts:AssumeRole", ours+"-2")}, ours, false},
		{"own, trusts the user", fakeaws.Role{TrustPolicy: trust(user, "")}, nil, ours, true},
		{"own, trusts the user, who is denied it", fakeaws.Role{TrustPolicy: trust(user, "")}, []string{deny("sts:*", "*")}, ours, false},
		{"own, trusts the account", fakeaws.Role{TrustPolicy: trust(own, "")}, nil, ours, false},
		{"own, trusts the account and allowed", fakeaws.Role{TrustPolicy: trust(own, "")}, []string{allow("sts:*", "*")}, ours, true},
		{"own, trusts another", fakeaws.Role{TrustPolicy: trust(other, "")}, []string{allow("*", "*")}, ours, false},
		{"own, trusts nobody", fakeaws.Role{TrustPolicy: document()}, []string{allow("*", "*")}, ours, false},
		{"foreign, trusted and allowed", fakeaws.Role{TrustedAccounts: []string{own}}, []string{allow("sts:AssumeRole", theirs)}, theirs, true},
		{"foreign, not allowed", fakeaws.Role{TrustedAccounts: []string{own}}, []string{allow("sts:AssumeRole", ours)}, theirs, false},
		{"foreign, not trusted", fakeaws.Role{}, []string{allow("*", "*")}, theirs, false},
		{"foreign, trusts the user, who is not allowed", fakeaws.Role{TrustPolicy: trust(user, "")}, nil, theirs, false},
		{"foreign, trusts the user, who is allowed", fakeaws.Role{TrustPolicy: trust(user, "")}, []string{allow("sts:AssumeRole", theirs)}, theirs, true},
		{"foreign, with the external id", fakeaws.Role{TrustPolicy: trust(own, withID)}, []string{allow("sts:AssumeRole", theirs)}, theirs, true},
		{"foreign, with another external id", fakeaws.Role{TrustPolicy: trust(own, strings.Replace(withID, "2", "3", 1))}, []string{allow("*", "*")}, theirs, false},
		{"foreign, as that session", fakeaws.Role{TrustPolicy: trust(own, `"StringLike": {"sts:RoleSessionName": "work*"}`)}, []string{allow("*", "*")}, theirs, true},
		{"foreign, as another session", fakeaws.Role{TrustPolicy: trust(own, `"StringLike": {"sts:RoleSessionName": "play*"}`)}, []string{allow("*", "*")}, theirs, false},
		{"foreign, allowed with that external id", fakeaws.Role{TrustedAccounts: []string{own}}, []string{allowIf("sts:AssumeRole", theirs, withID)}, theirs, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			test.role.Name = "airflow"
			owner := w.own
			if test.arn == theirs {
				owner = w.other
			}
			owner.Role(test.role)
			client := w.stsOfReader(test.statements...)
			_, err := client.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &test.arn, RoleSessionName: aws.String("worker"), ExternalId: aws.String("hunter2")})
			want := "is not authorized to perform: sts:AssumeRole on resource: " + test.arn
			if test.allowed != (err == nil) || err != nil && !strings.HasSuffix(err.Error(), want) {
				t.Errorf("the error is %v, expected one: %v, that ends in %q", err, !test.allowed, want)
			}
			if _, err := w.stsOfReader(deny("*", "*")).GetCallerIdentity(t.Context(), nil); err != nil {
				t.Errorf("GetCallerIdentity: %v, expected it to need nothing", err)
			}
		})
	}
}

func TestRolesPolicies(t *testing.T) {
	for _, test := range []struct {
		name     string
		policies []string
		allowed  bool
	}{
		{"none said", nil, true},
		{"none", []string{}, false},
		{"an empty one", []string{document()}, false},
		{"one", []string{document(allow("secretsmanager:GetSecretValue", ourSecrets+"a-??????"))}, true},
		{"another one", []string{document(allow("secretsmanager:GetSecretValue", ourSecrets+"b-??????"))}, false},
		{"two", []string{document(), document(allow("secretsmanager:*", "*"))}, true},
		{"two, of which one denies", []string{document(allow("*", "*")), document(deny("*", "*"))}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.own.Put(region, fakeaws.Secret{Name: "a", String: "x"})
			role := w.own.Role(fakeaws.Role{Name: "airflow", Policies: test.policies})
			client := w.asWorker(t, role)
			if _, err := client.GetSecretValue(t.Context(), get("a")); (err == nil) != test.allowed {
				t.Errorf("the error is %v, expected none: %v", err, test.allowed)
			}
			w.own.Role(fakeaws.Role{Name: "airflow", Policies: []string{document(allow("secretsmanager:ListSecrets", "*"))}})
			if _, err := client.ListSecrets(t.Context(), nil); err != nil {
				t.Errorf("the session after the role's policies were replaced: %v", err)
			}
		})
	}
}

// asWorker is a client of the session "worker" of a role.
func (w world) asWorker(t *testing.T, role string) *secretsmanager.Client {
	t.Helper()
	out, err := w.sts().AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &role, RoleSessionName: aws.String("worker"), WebIdentityToken: aws.String("token"),
	})
	if err != nil {
		t.Fatal(err)
	}
	keys := fakeaws.Keys{ID: *out.Credentials.AccessKeyId, Secret: "x"}
	return secretsmanager.NewFromConfig(w.config(keys, *out.Credentials.SessionToken))
}

// TestConditionKeysOfCalls has a statement for each condition key that calls come with.
func TestConditionKeysOfCalls(t *testing.T) {
	w := newWorld(t)
	arn := w.own.Put(region, fakeaws.Secret{Name: "a", String: "x", Tags: map[string]string{"Team": "data"}})
	for _, test := range []struct{ key, value string }{
		{"aws:PrincipalAccount", own},
		{"aws:PrincipalArn", "arn:aws:iam::111122223333:role/airflow"},
		{"aws:RequestedRegion", region},
		{"aws:ResourceAccount", own},
		{"aws:ResourceTag/Team", "data"},
		{"secretsmanager:ResourceTag/Team", "data"},
		{"secretsmanager:SecretId", arn},
		{"aws:ViaAWSService", "false"},
	} {
		t.Run(test.key, func(t *testing.T) {
			for value, want := range map[string]string{test.value: "", "x": "AccessDeniedException"} {
				condition := fmt.Sprintf(`"StringEquals": {%q: %q}`, test.key, value)
				role := w.own.Role(fakeaws.Role{Name: "airflow", Policies: []string{document(allowIf("secretsmanager:GetSecretValue", "*", condition))}})
				if _, err := w.asWorker(t, role).GetSecretValue(t.Context(), get(arn)); codeOf(err) != want {
					t.Errorf("with %s: the error is %v, expected %q", condition, err, want)
				}
			}
		})
	}
}

func TestPartitions(t *testing.T) {
	for _, test := range []struct{ partition, region, viaService string }{
		{"aws", "eu-central-1", "secretsmanager.eu-central-1.amazonaws.com"},
		{"aws-cn", "cn-north-1", "secretsmanager.cn-north-1.amazonaws.com.cn"},
		{"aws-us-gov", "us-gov-west-1", "secretsmanager.us-gov-west-1.amazonaws.com"},
	} {
		t.Run(test.partition, func(t *testing.T) {
			w := newWorld(t)
			account := w.AccountIn(test.partition, "777788889999")
			prefix := "arn:" + test.partition
			key := account.KMSKey(test.region, fakeaws.KMSKey{ID: "1"})
			secret := account.Put(test.region, fakeaws.Secret{Name: "a", String: "x", KMSKey: key})
			role := account.Role(fakeaws.Role{Name: "airflow", Policies: []string{document(
				allow("secretsmanager:GetSecretValue", prefix+":secretsmanager:"+test.region+":777788889999:secret:a-??????"),
				allowIf("kms:Decrypt", prefix+":kms:"+test.region+":777788889999:key/1", `"StringEquals": {"kms:ViaService": "`+test.viaService+`"}`),
			)}})
			for _, arn := range []string{key, secret, role} {
				if !strings.HasPrefix(arn, prefix+":") {
					t.Errorf("an ARN is %s, expected it in %s", arn, prefix)
				}
			}
			config := w.config(account.Keys("AKIATHERE"), "")
			config.Region = test.region
			session, err := sts.NewFromConfig(config).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("worker")})
			if err != nil {
				t.Fatal(err)
			}
			elsewhere := strings.Replace(role, prefix+":", "arn:aws-iso:", 1)
			if _, err := sts.NewFromConfig(config).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &elsewhere, RoleSessionName: aws.String("worker")}); codeOf(err) != "AccessDenied" {
				t.Errorf("assuming a role of another partition: %v, expected AccessDenied", err)
			}
			if got, want := *session.AssumedRoleUser.Arn, prefix+":sts::777788889999:assumed-role/airflow/worker"; got != want {
				t.Errorf("the session is %s, expected %s", got, want)
			}
			config = w.config(fakeaws.Keys{ID: *session.Credentials.AccessKeyId, Secret: "x"}, *session.Credentials.SessionToken)
			config.Region = test.region
			if _, err := secretsmanager.NewFromConfig(config).GetSecretValue(t.Context(), get(secret)); err != nil {
				t.Errorf("reading the secret as the session: %v", err)
			}
			for elsewhere := range map[string]bool{"eu-west-1": true, "cn-northwest-1": true, "us-gov-east-1": true} {
				config.Region = elsewhere
				_, err := secretsmanager.NewFromConfig(config).GetSecretValue(t.Context(), get("a"))
				known := strings.HasPrefix(elsewhere, test.region[:2])
				if (codeOf(err) == "UnrecognizedClientException") == known {
					t.Errorf("in %s: %v, expected the key to be known there: %v", elsewhere, err, known)
				}
			}
		})
	}
}

func TestRequestsNameTheSession(t *testing.T) {
	w := newWorld(t)
	client := w.asWorker(t, w.other.Role(fakeaws.Role{Name: "airflow"}))
	client.ListSecrets(t.Context(), nil)
	var callers []string
	for _, r := range w.Requests() {
		callers = append(callers, r.Operation+" "+r.Caller)
	}
	want := []string{"AssumeRoleWithWebIdentity ", "ListSecrets arn:aws:sts::444455556666:assumed-role/airflow/worker"}
	if !slices.Equal(callers, want) {
		t.Errorf("the callers are %q, expected %q", callers, want)
	}
}
