package source_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/source"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

func TestWhatCanHealIsTriedAgain(t *testing.T) {
	for _, effect := range []fakeaws.Effect{fakeaws.Throttle, fakeaws.Fail, fakeaws.Unavailable, fakeaws.Drop} {
		for _, read := range []contract.Read{contract.ReadBatch, contract.ReadSingle} {
			w := newWorld(t)
			w.config.Read = read
			w.put(number("airflow/connections/c", 25)...)
			for _, operation := range []string{"ListSecrets", "BatchGetSecretValue", "GetSecretValue"} {
				w.Order(fakeaws.Trouble{Operation: operation, Effect: effect, Calls: 2})
			}
			if found := w.mustGather(t); len(found.Secrets) != 25 || found.LeftOut != nil {
				t.Errorf("%s, %s: %d secrets were read and %v left out, expected 25 and none", effect, read, len(found.Secrets), found.LeftOut)
			}
		}
	}
}

func TestWhatDoesNotHealInTime(t *testing.T) {
	tests := map[string]struct {
		trouble fakeaws.Trouble
		code    contract.Code
		says    string
	}{
		"throttled for good":          {fakeaws.Trouble{Effect: fakeaws.Throttle}, contract.Throttled, "ThrottlingException: Rate exceeded"},
		"reads throttled for good":    {fakeaws.Trouble{Operation: "BatchGetSecretValue", Effect: fakeaws.Throttle}, contract.Throttled, "reading secrets in batches"},
		"failing for good":            {fakeaws.Trouble{Effect: fakeaws.Fail}, contract.Unavailable, "InternalServiceError"},
		"closing every connection":    {fakeaws.Trouble{Effect: fakeaws.Drop}, contract.Unavailable, "connection was closed"},
		"accepting and never answers": {fakeaws.Trouble{Effect: fakeaws.Hang}, contract.TimedOut, "no answer"},
		"reads that hang":             {fakeaws.Trouble{Operation: "BatchGetSecretValue", Effect: fakeaws.Hang}, contract.TimedOut, "no answer"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(number("airflow/connections/c", 25)...)
			w.Order(test.trouble)
			_, err := w.gatherWithin(t, 500*time.Millisecond)
			expectError(t, err, test.code, test.says, region, "tried")
		})
	}
}

// A call that is throttled and then hangs when time runs out was throttled.
func TestTheLastCauseIsTold(t *testing.T) {
	w := newWorld(t)
	w.put("airflow/connections/c")
	w.Order(fakeaws.Trouble{Operation: "ListSecrets", Effect: fakeaws.Throttle, Calls: 2})
	w.Order(fakeaws.Trouble{Operation: "ListSecrets", Effect: fakeaws.Hang})
	_, err := w.gatherWithin(t, time.Second)
	expectError(t, err, contract.Throttled, "Rate exceeded")
}

func TestAnswersThatBreakOff(t *testing.T) {
	for name, part := range map[string]string{"after the headers": "", "in the middle": `{"SecretList":[`} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.Copy(io.Discard, r.Body)
					w.Header().Set("Content-Length", "1000")
					fmt.Fprint(w, part)
					http.NewResponseController(w).Flush()
					<-r.Context().Done()
				})
			})
			_, err := w.gatherWithin(t, 300*time.Millisecond)
			expectError(t, err, contract.TimedOut, "no answer")
		})
	}
}

func TestNobodyListens(t *testing.T) {
	w := newWorld(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.config.Accounts[0].EndpointURL = "http://" + listener.Addr().String()
	listener.Close()
	_, err = w.gatherWithin(t, 300*time.Millisecond)
	expectError(t, err, contract.Unavailable, "connection refused")
}

func TestWhatCannotHealFailsAtOnce(t *testing.T) {
	tests := map[string]struct {
		status int
		body   string
		code   contract.Code
		says   string
	}{
		"an unknown key":        {400, `{"__type":"UnrecognizedClientException","message":"The security token included in the request is invalid."}`, contract.AWSRefused, "does not know the access key"},
		"an expired token":      {400, `{"__type":"ExpiredTokenException","message":"expired"}`, contract.AWSRefused, "renew the credentials"},
		"a wrong parameter":     {400, `{"__type":"InvalidParameterException","message":"Invalid filter"}`, contract.AWSRefused, "InvalidParameterException: Invalid filter"},
		"a proxy's page":        {403, `<html>Access denied by policy</html>`, contract.AWSRefused, "HTTP status 403"},
		"a page with status OK": {200, `<html>Welcome</html>`, contract.AWSRefused, "HTTP status 200"},
		"an unnamed refusal":    {403, `{"message":"Forbidden"}`, contract.AWSRefused, "HTTP status 403"},
		"a redirect":            {302, ``, contract.AWSRefused, "HTTP status 302"},
		"an endless answer":     {200, `{"SecretList":[], "x":"` + strings.Repeat("x", 9<<20) + `"}`, contract.TooLarge, "more than"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, instead("ListSecrets", test.status, test.body))
			w.config.Accounts[0].Variables = nil
			_, err := w.gather(t) // had it been tried again, this would take a minute
			expectError(t, err, test.code, test.says)
		})
	}
}

// The SDK quotes what it cannot decode, so nothing of its text may be shown.
func TestAnUndecodableAnswerIsNotQuoted(t *testing.T) {
	const canary = "canary-4711"
	for _, body := range []string{
		`{"SecretValues":"` + canary + `"}`, `{"SecretValues":[{"SecretString":["` + canary + `"]}]}`,
		`{"SecretValues":[{"SecretString":"` + canary + `\x"}]}`, `{"SecretValues":[{"SecretString":"` + canary + `\uD800"}]`,
		`{"SecretValues":[{"SecretString":{"password":"` + canary + `"}}]}`, `"` + canary + `"`, canary,
		`{"SecretValues":[{"CreatedDate":"` + canary + `"}]}`, `{"SecretValues":[{"SecretBinary":"` + canary + `"}]}`,
	} {
		for _, status := range []int{200, 400, 500} {
			w := newWorld(t, instead("BatchGetSecretValue", status, body))
			w.put(number("airflow/connections/c", 5)...)
			_, err := w.gatherWithin(t, 200*time.Millisecond)
			for text := err; text != nil; text = errors.Unwrap(text) {
				if strings.Contains(text.Error(), canary) {
					t.Errorf("HTTP %d with %s gives the error %q", status, body, text)
				}
			}
		}
	}
}

func TestAStopEndsARunSoon(t *testing.T) {
	w := newWorld(t)
	w.put("airflow/connections/c")
	ctx, cancel := context.WithCancel(t.Context())
	w.Order(fakeaws.Trouble{Effect: fakeaws.Hang})
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := source.Gather(ctx, w.config, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a run that was stopped has no error")
	}
}

func TestWaitingIsLogged(t *testing.T) {
	w := newWorld(t)
	w.put("airflow/connections/c")
	w.Order(fakeaws.Trouble{Operation: "ListSecrets", Effect: fakeaws.Throttle, Calls: 6})
	var log strings.Builder
	if _, err := source.Gather(t.Context(), w.config, slog.New(slog.NewJSONHandler(&log, nil))); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), `"code":"throttled"`) {
		t.Errorf("the log is %q, expected one line for six throttled calls", log.String())
	}
}

// A node's clock that is wrong by more than AWS bears is worked out from AWS's answer.
func TestAWrongClockHeals(t *testing.T) {
	const signedAt = "20060102T150405Z"
	wrongBy := time.Hour
	w := newWorld(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			serverTime := time.Now().UTC().Add(wrongBy)
			signed, err := time.Parse(signedAt, r.Header.Get("X-Amz-Date"))
			w.Header().Set("Date", serverTime.Format(http.TimeFormat))
			if err != nil || serverTime.Sub(signed).Abs() > 5*time.Minute {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(w, `{"__type":"InvalidSignatureException","message":"Signature expired"}`)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	w.put("airflow/connections/db")
	if found := w.mustGather(t); len(found.Secrets) != 1 {
		t.Errorf("%d secrets were read, expected 1", len(found.Secrets))
	}
}
