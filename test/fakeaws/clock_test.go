package fakeaws

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// clocked is a server whose time is the test's.
type clocked struct {
	*Server
	at time.Time
}

func newClocked() *clocked {
	c := &clocked{Server: New(), at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	c.Server.now = func() time.Time { return c.at }
	c.Account("111122223333").Keys("AKIAOWN")
	c.Account("444455556666").Keys("AKIAOTHER")
	return c
}

// send gives the answer's body.
func (c *clocked) send(target, body, key, region, token string) string {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+key+"/20260101/"+region+"/x/aws4_request, SignedHeaders=host, Signature=0")
	r.Header.Set("X-Amz-Security-Token", token)
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w.Body.String()
}

func (c *clocked) list(key, region, token string) string {
	return c.send("secretsmanager.ListSecrets", "{}", key, region, token)
}

func TestQuota(t *testing.T) {
	c := newClocked()
	c.Quota("ListSecrets", 3)
	throttled := func() bool { return strings.Contains(c.list("AKIAOWN", "eu-central-1", ""), "ThrottlingException") }
	for second := range 2 {
		for call := range 5 {
			if got, want := throttled(), call >= 3; got != want {
				t.Errorf("second %d, call %d: throttled is %v, expected %v", second, call, got, want)
			}
		}
		if strings.Contains(c.list("AKIAOTHER", "eu-central-1", ""), "Throttling") {
			t.Error("another account is throttled, expected each to have a quota of its own")
		}
		if strings.Contains(c.list("AKIAOWN", "us-east-1", ""), "Throttling") {
			t.Error("another region is throttled, expected each to have a quota of its own")
		}
		if strings.Contains(c.send("secretsmanager.BatchGetSecretValue", "{}", "AKIAOWN", "eu-central-1", ""), "Throttling") {
			t.Error("another operation is throttled, expected none that has no quota")
		}
		c.at = c.at.Add(time.Second)
	}
	c.Quota("ListSecrets", 0)
	for range 5 {
		if throttled() {
			t.Error("a call is throttled after the quota was lifted")
		}
	}
}

func TestPublishedQuotas(t *testing.T) {
	c := newClocked()
	for operation, perSecond := range PublishedQuotas() {
		c.Quota(operation, perSecond) // which panics on an operation that there is not
	}
	for call := range 101 {
		if got, want := strings.Contains(c.list("AKIAOWN", "eu-central-1", ""), "Throttling"), call == 100; got != want {
			t.Fatalf("call %d: throttled is %v, expected %v", call, got, want)
		}
	}
}

func TestSessionsExpire(t *testing.T) {
	c := newClocked()
	role := c.Account("111122223333").Role(Role{Name: "short"})
	answer := c.send("", "Action=AssumeRole&RoleSessionName=worker&DurationSeconds=900&RoleArn="+role, "AKIAOWN", "eu-central-1", "")
	between := func(start, end string) string {
		_, rest, _ := strings.Cut(answer, start)
		text, _, _ := strings.Cut(rest, end)
		return text
	}
	key, token := between("<AccessKeyId>", "<"), between("<SessionToken>", "<")
	if got, want := between("<Expiration>", "<"), "2026-01-01T00:15:00Z"; got != want {
		t.Errorf("the session expires at %q, expected %q", got, want)
	}
	c.at = c.at.Add(15 * time.Minute)
	if answer := c.list(key, "eu-central-1", token); strings.Contains(answer, "__type") {
		t.Errorf("at its end the session is refused: %s", answer)
	}
	c.at = c.at.Add(time.Second)
	if answer := c.list(key, "eu-central-1", token); !strings.Contains(answer, "ExpiredTokenException") {
		t.Errorf("after its end the answer is %s, expected ExpiredTokenException", answer)
	}
}

func TestTimes(t *testing.T) {
	c := newClocked()
	describe := func() string {
		return c.send("secretsmanager.DescribeSecret", `{"SecretId":"a"}`, "AKIAOWN", "eu-central-1", "")
	}
	check := func(answer, want string, there bool) {
		t.Helper()
		if strings.Contains(answer, want) != there {
			t.Errorf("the answer is %s, expected %s in it: %v", answer, want, there)
		}
	}
	c.at = c.at.Add(1234567 * time.Microsecond)
	c.Account("111122223333").Put("eu-central-1", Secret{Name: "a", String: "x"})
	check(describe(), `"CreatedDate":1767225601.234,"LastChangedDate":1767225601.234`, true)
	check(describe(), "LastAccessedDate", false)
	check(describe(), "DeletedDate", false)
	c.send("secretsmanager.GetSecretValue", `{"SecretId":"a"}`, "AKIAOWN", "eu-central-1", "")
	check(describe(), `"LastAccessedDate":1767225600,`, true)
	c.at = c.at.Add(time.Minute)
	answer := c.send("secretsmanager.DeleteSecret", `{"SecretId":"a","RecoveryWindowInDays":7}`, "AKIAOWN", "eu-central-1", "")
	check(answer, `"DeletionDate":1767830461.234`, true) // seven days later
	check(describe(), `"DeletedDate":1767225661.234`, true)
}

func TestNamesAreCut(t *testing.T) {
	for text, want := range map[string]string{
		"credsDatabase#892": "creds Database 892", // the example of the user guide
		"My_Secret":         "My Secret",
		"HTTPServer":        "HTTPServer",
		"airflow/db-1":      "airflow db 1",
		"":                  "",
	} {
		if got := strings.Join(words(text), " "); got != want {
			t.Errorf("the words of %q are %q, expected %q", text, got, want)
		}
	}
}
