package source_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/source"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	region  = "eu-central-1"
	account = "111122223333"
)

// world is a fake AWS with one account, and a pod that has an access key of it.
type world struct {
	*fakeaws.Server
	own    *fakeaws.Account
	url    string
	config contract.Config
}

// newWorld starts the fake AWS behind the filters, the first of which sees a call first.
func newWorld(t testing.TB, filters ...func(http.Handler) http.Handler) *world {
	aws := fakeaws.New()
	var handler http.Handler = aws
	for i := len(filters) - 1; i >= 0; i-- {
		handler = filters[i](handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	own := aws.Account(account)
	forgetIdentity(t)
	keys := own.Keys("AKIAIOSFODNN7EXAMPLE")
	t.Setenv("AWS_ACCESS_KEY_ID", keys.ID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.Secret)
	return &world{Server: aws, own: own, url: server.URL, config: contract.Config{
		Read: contract.ReadAuto,
		Accounts: []contract.Account{{
			Name: "own", Region: region, EndpointURL: server.URL, STSEndpointURL: server.URL, Separator: "/",
			Connections: &contract.Names{Prefix: "airflow/connections"}, Variables: &contract.Names{Prefix: "airflow/variables"},
		}},
	}}
}

// forgetIdentity takes away all that the SDK would take for an identity or a setting.
func forgetIdentity(t testing.TB) {
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE",
		"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ROLE_SESSION_NAME", "AWS_ACCOUNT_ID",
		contract.NamespaceEnv, contract.PodEnv, contract.DAGEnv, contract.TaskEnv,
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
}

// put stores secrets under their full names; each holds its own name.
func (w *world) put(names ...string) {
	for _, name := range names {
		w.own.Put(region, fakeaws.Secret{Name: name, String: "value of " + name})
	}
}

// number is n names under prefix.
func number(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s%04d", prefix, i)
	}
	return names
}

// gather runs with far more time than any test needs.
func (w *world) gather(t testing.TB) (source.Found, error) {
	t.Helper()
	return w.gatherWithin(t, time.Minute)
}

func (w *world) gatherWithin(t testing.TB, timeout time.Duration) (source.Found, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return source.Gather(ctx, w.config, slog.New(slog.DiscardHandler))
}

// mustGather fails the test if the run fails.
func (w *world) mustGather(t testing.TB) source.Found {
	t.Helper()
	found, err := w.gather(t)
	if err != nil {
		t.Fatalf("gathering: %v", err)
	}
	return found
}

// ids are what was found, as "kind/id", and what was left out, as "kind/id: code".
func ids(found source.Found) (read, leftOut []string) {
	for _, s := range found.Secrets {
		read = append(read, string(s.Kind)+"/"+s.ID)
	}
	for _, l := range found.LeftOut {
		leftOut = append(leftOut, string(l.Kind)+"/"+l.ID+": "+string(l.Code))
	}
	return read, leftOut
}

// expectError fails unless err is a *contract.Error of that code whose text has all the parts.
func expectError(t testing.TB, err error, code contract.Code, parts ...string) {
	t.Helper()
	var e *contract.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("error is %v, expected code %s", err, code)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error is %q, expected it to hold %q", err, part)
		}
	}
}

// expectCalls fails unless the operation was called n times.
func (w *world) expectCalls(t testing.TB, operation string, n int) {
	t.Helper()
	if got := w.Calls(operation); got != n {
		t.Errorf("%s was called %d times, expected %d", operation, got, n)
	}
}

// secretIDs are the secrets that were asked for, as the calls name them.
func (w *world) secretIDs() []string {
	var ids []string
	for _, r := range w.Requests() {
		ids = append(ids, r.SecretIDs...)
	}
	return ids
}

// operation is what a call of Secrets Manager asks for.
func operation(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
}

// before runs do ahead of each call of the operation.
func before(name string, do func()) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if operation(r) == name {
				do()
			}
			next.ServeHTTP(w, r)
		})
	}
}

// instead answers the operation's calls with a status and a body.
func instead(name string, status int, body string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if operation(r) != name {
				next.ServeHTTP(w, r)
				return
			}
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(status)
			io.WriteString(w, body)
		})
	}
}

// insteadWhere answers the calls whose bodies match with a status and a body.
func insteadWhere(asks *regexp.Regexp, status int, body string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			question, _ := io.ReadAll(r.Body)
			if !asks.Match(question) {
				r.Body = io.NopCloser(bytes.NewReader(question))
				next.ServeHTTP(w, r)
				return
			}
			w.WriteHeader(status)
			io.WriteString(w, body)
		})
	}
}

// answer is a JSON answer under change.
type answer map[string]any

// list is one of its lists.
func (a answer) list(name string) []any {
	list, _ := a[name].([]any)
	return list
}

// changed lets change the answers of the operation that are no errors.
func changed(name string, change func(a answer)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			recorder := httptest.NewRecorder()
			next.ServeHTTP(recorder, r)
			body := recorder.Body.Bytes()
			if operation(r) == name && recorder.Code == http.StatusOK {
				var a answer
				if err := json.Unmarshal(body, &a); err != nil {
					panic(err)
				}
				change(a)
				body, _ = json.Marshal(a)
			}
			w.WriteHeader(recorder.Code)
			w.Write(body)
		})
	}
}
