package fakeaws_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

func TestTroubleForTheFirstCalls(t *testing.T) {
	for _, test := range []struct {
		effect   fakeaws.Effect
		code     string // of Secrets Manager
		stsCode  string
		recorded string
	}{
		{fakeaws.Throttle, "ThrottlingException", "Throttling", "ThrottlingException"},
		{fakeaws.Fail, "InternalServiceError", "InternalFailure", "InternalServiceError"},
		{fakeaws.Unavailable, "ServiceUnavailable", "ServiceUnavailable", "ServiceUnavailable"},
		{fakeaws.Drop, "EOF", "EOF", fakeaws.Dropped},
	} {
		t.Run(string(test.effect), func(t *testing.T) {
			w := newWorld(t)
			w.own.Put(region, fakeaws.Secret{Name: "a", String: "x"})
			w.Order(fakeaws.Trouble{Operation: "GetSecretValue", Calls: 2, Effect: test.effect})
			client := w.asOwn()
			if _, err := client.ListSecrets(t.Context(), nil); err != nil {
				t.Errorf("another operation: %v, expected it not to be concerned", err)
			}
			w.Forget()
			for range 2 {
				if _, err := client.GetSecretValue(t.Context(), get("a")); !strings.HasSuffix(codeOf(err), test.code) {
					t.Errorf("the error is %q, expected %q", codeOf(err), test.code)
				}
			}
			if _, err := client.GetSecretValue(t.Context(), get("a")); err != nil {
				t.Errorf("the third call: %v, expected it to be well", err)
			}
			want := []string{test.recorded, test.recorded, fakeaws.OK}
			if got := outcomes(w); !slices.Equal(got, want) {
				t.Errorf("the record says %q, expected %q", got, want)
			}
			w.Order(fakeaws.Trouble{Effect: test.effect})
			if _, err := w.sts().GetCallerIdentity(t.Context(), nil); !strings.HasSuffix(codeOf(err), test.stsCode) {
				t.Errorf("STS: the error is %q, expected %q", codeOf(err), test.stsCode)
			}
			w.Recover()
			if _, err := w.sts().GetCallerIdentity(t.Context(), nil); err != nil {
				t.Errorf("after Recover: %v", err)
			}
		})
	}
}

func outcomes(w world) []string {
	var out []string
	for _, r := range w.Requests() {
		out = append(out, r.Outcome)
	}
	return out
}

// TestSDKRetries says that the errors are those which the SDK takes for passing ones.
func TestSDKRetries(t *testing.T) {
	for _, effect := range []fakeaws.Effect{fakeaws.Throttle, fakeaws.Fail, fakeaws.Unavailable, fakeaws.Drop} {
		t.Run(string(effect), func(t *testing.T) {
			w := newWorld(t)
			config := w.config(w.own.Keys("AKIAOWN"), "")
			config.Retryer = func() aws.Retryer {
				return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
			}
			w.Order(fakeaws.Trouble{Calls: 2, Effect: effect})
			if _, err := secretsmanager.NewFromConfig(config).ListSecrets(t.Context(), nil); err != nil {
				t.Errorf("the third attempt: %v, expected it to be well", err)
			}
			w.Recover()
			w.Order(fakeaws.Trouble{Calls: 2, Effect: effect})
			if _, err := sts.NewFromConfig(config).GetCallerIdentity(t.Context(), nil); err != nil {
				t.Errorf("STS, the third attempt: %v, expected it to be well", err)
			}
			if n := len(w.Requests()); n != 6 {
				t.Errorf("there were %d requests, expected 6", n)
			}
		})
	}
}

func TestTroubleOfOneAccount(t *testing.T) {
	w := newWorld(t)
	w.Order(fakeaws.Trouble{Account: other, Effect: fakeaws.Throttle})
	if _, err := w.asOwn().ListSecrets(t.Context(), nil); err != nil {
		t.Errorf("the account that is well: %v", err)
	}
	if _, err := w.asOther().ListSecrets(t.Context(), nil); codeOf(err) != "ThrottlingException" {
		t.Errorf("the account in trouble: %v, expected ThrottlingException", err)
	}
}

func TestTroubleOfOneSecret(t *testing.T) {
	w := newWorld(t)
	w.own.Put(region, fakeaws.Secret{Name: "a", String: "x"})
	w.own.Put(region, fakeaws.Secret{Name: "b", String: "x"})
	w.Order(fakeaws.Trouble{Secret: "b", Calls: 2, Effect: fakeaws.Fail})
	client := w.asOwn()
	both := &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"a", "b"}}
	batch, err := client.BatchGetSecretValue(t.Context(), both)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := failures(batch.Errors), []string{"b InternalServiceError"}; !slices.Equal(got, want) {
		t.Errorf("the batch has the errors %q, expected %q", got, want)
	}
	if got := names(batch.SecretValues); !slices.Equal(got, []string{"a"}) {
		t.Errorf("the batch has %q, expected a", got)
	}
	if _, err := client.GetSecretValue(t.Context(), get("b")); codeOf(err) != "InternalServiceError" {
		t.Errorf("reading it alone: %v, expected InternalServiceError", err)
	}
	if batch, err = client.BatchGetSecretValue(t.Context(), both); err != nil || len(batch.Errors) > 0 {
		t.Errorf("the third time: %v, error %v; expected both secrets", batch, err)
	}
}

func TestTroublesAddUp(t *testing.T) {
	w := newWorld(t)
	w.Order(fakeaws.Trouble{Latency: time.Millisecond})
	w.Order(fakeaws.Trouble{Calls: 1, Effect: fakeaws.Throttle})
	w.Order(fakeaws.Trouble{Calls: 1, Effect: fakeaws.Fail})
	client := w.asOwn()
	for range 3 {
		client.ListSecrets(t.Context(), nil)
	}
	if got, want := outcomes(w), []string{"ThrottlingException", "InternalServiceError", fakeaws.OK}; !slices.Equal(got, want) {
		t.Errorf("the record says %q, expected %q", got, want)
	}
}

// TestWaiting says that a call which waits, or is never answered, ends when its client leaves.
func TestWaiting(t *testing.T) {
	for name, trouble := range map[string]fakeaws.Trouble{
		"never answered": {Effect: fakeaws.Hang},
		"slow":           {Latency: time.Hour},
		"slow, then bad": {Latency: time.Hour, Effect: fakeaws.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Order(trouble)
			arrived, left := make(chan struct{}), make(chan struct{})
			w.listener.Config.Handler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body) // a call whose request has not arrived is none yet
				r.Body = io.NopCloser(bytes.NewReader(body))
				close(arrived)
				w.ServeHTTP(answer, r)
				select {
				case <-left:
				default:
					t.Error("the call has ended before its client left")
				}
			})
			ctx, leave := context.WithTimeout(t.Context(), time.Minute)
			defer leave()
			go func() {
				<-arrived
				time.Sleep(10 * time.Millisecond) // in which a call that does not wait would end
				close(left)
				leave()
			}()
			if _, err := w.asOwn().ListSecrets(ctx, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("the error is %v, expected that the client has left", err)
			}
			w.listener.Close() // which waits for the calls that are under way
			if got, want := outcomes(w), []string{fakeaws.Unanswered}; !slices.Equal(got, want) {
				t.Errorf("the record says %q, expected %q", got, want)
			}
		})
	}
}
