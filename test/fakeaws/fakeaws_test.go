package fakeaws_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	own    = "111122223333"
	other  = "444455556666"
	region = "eu-central-1"
)

// world is a server with two accounts, and what it takes to call it.
type world struct {
	*fakeaws.Server
	own, other *fakeaws.Account
	listener   *httptest.Server
}

func newWorld(t *testing.T) world {
	t.Helper()
	s := fakeaws.New()
	listener := httptest.NewServer(s)
	t.Cleanup(listener.Close)
	return world{s, s.Account(own), s.Account(other), listener}
}

// config is that of an SDK which does not retry, so that each call is one request.
func (w world) config(keys fakeaws.Keys, token string) aws.Config {
	return aws.Config{
		Region:       region,
		BaseEndpoint: &w.listener.URL,
		HTTPClient:   &http.Client{Transport: inMemory{w.listener.Client().Transport}},
		Credentials:  credentials.NewStaticCredentialsProvider(keys.ID, keys.Secret, token),
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// inMemory sends the bodies of requests from memory. The SDK closes a request's body as soon as there is an answer; if
// net/http is then not quite done with sending it, it closes the connection, and an answer that is longer than a few
// kilobytes breaks off. An answer that comes as fast as this fake's makes that happen once in some hundred calls.
type inMemory struct{ http.RoundTripper }

func (t inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return t.RoundTripper.RoundTrip(r)
}

// asOwn and asOther are clients of users of the two accounts.
func (w world) asOwn() *secretsmanager.Client {
	return secretsmanager.NewFromConfig(w.config(w.own.Keys("AKIAOWN"), ""))
}

func (w world) asOther() *secretsmanager.Client {
	return secretsmanager.NewFromConfig(w.config(w.other.Keys("AKIAOTHER"), ""))
}

func (w world) sts() *sts.Client { return sts.NewFromConfig(w.config(w.own.Keys("AKIAOWN"), "")) }

// codeOf is the code of an AWS error, "" if there is no error, and else the error's text.
func codeOf(err error) string {
	var e smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.ErrorCode()
	}
	return err.Error()
}

func get(id string) *secretsmanager.GetSecretValueInput {
	return &secretsmanager.GetSecretValueInput{SecretId: &id}
}

func TestARNsAreTheSameInEachRun(t *testing.T) {
	w := newWorld(t)
	const want = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/connections/db-"
	first := w.own.Put(region, fakeaws.Secret{Name: "airflow/connections/db", String: "one"})
	if !strings.HasPrefix(first, want) || len(first) != len(want)+6 {
		t.Fatalf("Put gave %s, expected %s and six characters", first, want)
	}
	if again := newWorld(t).own.Put(region, fakeaws.Secret{Name: "airflow/connections/db", String: "two"}); again != first {
		t.Errorf("another server gave %s, expected %s", again, first)
	}
	if again := w.own.Put(region, fakeaws.Secret{Name: "airflow/connections/db", String: "two"}); again != first {
		t.Errorf("putting it again gave %s, expected it to keep %s", again, first)
	}
	w.own.Remove(region, "airflow/connections/db")
	if again := w.own.Put(region, fakeaws.Secret{Name: "airflow/connections/db", String: "two"}); again == first {
		t.Errorf("putting it after it was removed gave %s again, expected another ARN", again)
	}
}

func TestMistakesOfATestPanic(t *testing.T) {
	w := newWorld(t)
	for name, mistake := range map[string]func(){
		"account id":         func() { w.Account("1234") },
		"secret name":        func() { w.own.Put(region, fakeaws.Secret{Name: "a b"}) },
		"empty name":         func() { w.own.Put(region, fakeaws.Secret{}) },
		"state":              func() { w.own.Put(region, fakeaws.Secret{Name: "a", State: "lost"}) },
		"region":             func() { w.own.Put("cn-north-1", fakeaws.Secret{Name: "a"}) },
		"KMS key":            func() { w.own.Put(region, fakeaws.Secret{Name: "a", KMSKey: "alias/a"}) },
		"secret's policy":    func() { w.own.Put(region, fakeaws.Secret{Name: "a", ResourcePolicy: "{}"}) },
		"KMS key's id":       func() { w.own.KMSKey(region, fakeaws.KMSKey{ID: "alias/a"}) },
		"KMS key's region":   func() { w.own.KMSKey("cn-north-1", fakeaws.KMSKey{ID: "a"}) },
		"KMS key's policy":   func() { w.own.KMSKey(region, fakeaws.KMSKey{ID: "a", Policy: "{}"}) },
		"user's policy":      func() { w.own.KeysWith("AKIA", "{}") },
		"role's policy":      func() { w.own.Role(fakeaws.Role{Name: "a", Policies: []string{"{}"}}) },
		"role's trust":       func() { w.own.Role(fakeaws.Role{Name: "a", TrustPolicy: "{}"}) },
		"role's trust twice": func() { w.own.Role(fakeaws.Role{Name: "a", TrustPolicy: document(), ExternalID: "x"}) },
		"role's name":        func() { w.own.Role(fakeaws.Role{}) },
		"partition":          func() { w.AccountIn("aws-eu", "777788889999") },
		"account again":      func() { w.AccountIn("aws-cn", own) },
		"denied operation":   func() { w.own.Deny("GetSecret") },
		"quota's operation":  func() { w.Quota("GetSecret", 1) },
		"trouble, operation": func() { w.Order(fakeaws.Trouble{Operation: "GetSecret", Effect: fakeaws.Fail}) },
		"trouble, effect":    func() { w.Order(fakeaws.Trouble{Effect: "boom"}) },
		"trouble, nothing":   func() { w.Order(fakeaws.Trouble{Operation: "GetSecretValue"}) },
		"trouble, secret":    func() { w.Order(fakeaws.Trouble{Secret: "a", Effect: fakeaws.Hang}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text, _ := recover().(string); !strings.HasPrefix(text, "fakeaws: ") {
					t.Errorf("the panic is %q, expected one that starts with \"fakeaws: \"", text)
				}
			}()
			mistake()
		})
	}
	w.own.Put(region, fakeaws.Secret{Name: "still-works"}) // no lock was left behind
}

func TestRequestsAreRecorded(t *testing.T) {
	w := newWorld(t)
	client := w.asOwn()
	client.GetSecretValue(t.Context(), get("gone"))
	client.ListSecrets(t.Context(), nil)
	w.asOther().BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"a", "b"}})
	w.sts().GetCallerIdentity(t.Context(), nil)
	want := []fakeaws.Request{
		{Service: "secretsmanager", Operation: "GetSecretValue", Account: own, Caller: "arn:aws:iam::111122223333:user/AKIAOWN", Region: region, SecretIDs: []string{"gone"}, Outcome: "ResourceNotFoundException"},
		{Service: "secretsmanager", Operation: "ListSecrets", Account: own, Caller: "arn:aws:iam::111122223333:user/AKIAOWN", Region: region, Outcome: fakeaws.OK},
		{Service: "secretsmanager", Operation: "BatchGetSecretValue", Account: other, Caller: "arn:aws:iam::444455556666:user/AKIAOTHER", Region: region, SecretIDs: []string{"a", "b"}, Outcome: fakeaws.OK},
		{Service: "sts", Operation: "GetCallerIdentity", Account: own, Caller: "arn:aws:iam::111122223333:user/AKIAOWN", Region: region, Outcome: fakeaws.OK},
	}
	if got := w.Requests(); !reflect.DeepEqual(got, want) {
		t.Errorf("Requests gave\n%+v\nexpected\n%+v", got, want)
	}
	if n := w.Calls("ListSecrets"); n != 1 {
		t.Errorf("Calls gave %d, expected 1", n)
	}
	w.Forget()
	if n := len(w.Requests()); n != 0 {
		t.Errorf("after Forget there are %d requests, expected none", n)
	}
}

func TestUnknownKeys(t *testing.T) {
	w := newWorld(t)
	stranger := w.config(fakeaws.Keys{ID: "AKIANOBODY", Secret: "x"}, "")
	_, err := secretsmanager.NewFromConfig(stranger).ListSecrets(t.Context(), nil)
	if code := codeOf(err); code != "UnrecognizedClientException" {
		t.Errorf("Secrets Manager answered %q, expected UnrecognizedClientException", code)
	}
	_, err = sts.NewFromConfig(stranger).GetCallerIdentity(t.Context(), nil)
	if code := codeOf(err); code != "InvalidClientTokenId" {
		t.Errorf("STS answered %q, expected InvalidClientTokenId", code)
	}
}

func TestConcurrentUse(t *testing.T) {
	w := newWorld(t)
	client := w.asOwn()
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 20 {
				w.own.Put(region, fakeaws.Secret{Name: "a", String: "b"})
				if _, err := client.GetSecretValue(t.Context(), get("a")); err != nil {
					t.Error(err)
				}
				w.Requests()
			}
		})
	}
	callers.Wait()
	if n := w.Calls("GetSecretValue"); n != 8*20 {
		t.Errorf("%d calls were recorded, expected %d", n, 8*20)
	}
}
