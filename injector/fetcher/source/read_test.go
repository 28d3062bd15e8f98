package source_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

func TestCallsForSoManySecrets(t *testing.T) {
	tests := []struct {
		read             contract.Read
		secrets          int
		batches, singles int
	}{
		{contract.ReadAuto, 1, 0, 1},
		{contract.ReadAuto, 2, 0, 2},
		{contract.ReadAuto, 3, 1, 0},
		{contract.ReadAuto, 20, 1, 0},
		{contract.ReadAuto, 21, 2, 0},
		{contract.ReadAuto, 61, 4, 0},
		{contract.ReadBatch, 1, 1, 0},
		{contract.ReadBatch, 41, 3, 0},
		{contract.ReadSingle, 41, 0, 41},
	}
	for _, test := range tests {
		w := newWorld(t)
		w.config.Read = test.read
		w.put(number("airflow/connections/c", test.secrets)...)
		if found := w.mustGather(t); len(found.Secrets) != test.secrets || found.Warnings != nil {
			t.Errorf("%+v: %d secrets with warnings %q", test, len(found.Secrets), found.Warnings)
		}
		w.expectCalls(t, "BatchGetSecretValue", test.batches)
		w.expectCalls(t, "GetSecretValue", test.singles)
	}
}

func TestBatchesDenied(t *testing.T) {
	t.Run("auto asks once and reads singly", func(t *testing.T) {
		w := newWorld(t)
		w.put(number("airflow/connections/c", 130)...)
		w.own.Deny("BatchGetSecretValue")
		found := w.mustGather(t)
		if len(found.Secrets) != 130 {
			t.Errorf("%d secrets were read, expected 130", len(found.Secrets))
		}
		w.expectCalls(t, "BatchGetSecretValue", 1)
		w.expectCalls(t, "GetSecretValue", 130)
		if len(found.Warnings) != 1 || !strings.Contains(found.Warnings[0], `"Action":"secretsmanager:BatchGetSecretValue","Resource":["*"]`) ||
			!strings.Contains(found.Warnings[0], "airflow-secrets/read") {
			t.Errorf("warnings are %q, expected one with the permission and the annotation", found.Warnings)
		}
	})
	t.Run("batch fails at once", func(t *testing.T) {
		w := newWorld(t)
		w.config.Read = contract.ReadBatch
		w.put(number("airflow/connections/c", 130)...)
		w.own.Deny("BatchGetSecretValue")
		_, err := w.gather(t)
		expectError(t, err, contract.AccessDenied, `"Action":"secretsmanager:BatchGetSecretValue","Resource":["*"]`)
		w.expectCalls(t, "BatchGetSecretValue", 1)
		w.expectCalls(t, "GetSecretValue", 0)
	})
	t.Run("one call for all accounts", func(t *testing.T) {
		w := newWorld(t)
		w.withShared()
		w.config.Accounts = append(w.config.Accounts, w.config.Accounts[1])
		w.config.Accounts[2].Region = "us-east-1"
		for _, name := range number("airflow/connections/c", 30) {
			for _, region := range []string{region, sharedRegion, "us-east-1"} {
				w.own.Put(region, fakeaws.Secret{Name: name, String: "x"})
			}
		}
		w.own.Deny("BatchGetSecretValue")
		if found := w.mustGather(t); len(found.Secrets) != 30 || len(found.Warnings) != 1 || len(found.Collisions) != 60 {
			t.Errorf("%d secrets and %d collisions with warnings %q, expected 30, 60 and one", len(found.Secrets), len(found.Collisions), found.Warnings)
		}
		w.expectCalls(t, "BatchGetSecretValue", 1)
		w.expectCalls(t, "GetSecretValue", 90)
	})
	t.Run("an emulator that has none", func(t *testing.T) {
		w := newWorld(t, instead("BatchGetSecretValue", http.StatusNotImplemented, `{"__type":"InternalFailure","message":"not implemented"}`))
		w.put(number("airflow/connections/c", 30)...)
		if found := w.mustGather(t); len(found.Secrets) != 30 || len(found.Warnings) != 1 {
			t.Errorf("%d secrets with warnings %q, expected 30 and one", len(found.Secrets), found.Warnings)
		}
	})
}

// Each state of a secret, met by a batch and by a single read, leaves the others as they are.
func TestOneBadSecretIsLeftOut(t *testing.T) {
	const bad = "airflow/connections/bad"
	tests := map[string]struct {
		secret *fakeaws.Secret // what it is when it is read; nil: gone
		code   contract.Code
		says   string
	}{
		"denied":        {&fakeaws.Secret{Name: bad, State: fakeaws.Denied}, contract.SecretDenied, "is not authorized to perform"},
		"undecryptable": {&fakeaws.Secret{Name: bad, State: fakeaws.Undecryptable}, contract.SecretUndecryptable, "kms:Decrypt"},
		"being deleted": {&fakeaws.Secret{Name: bad, State: fakeaws.BeingDeleted}, contract.SecretBeingDeleted, "scheduled for deletion"},
		"no AWSCURRENT": {&fakeaws.Secret{Name: bad, State: fakeaws.PendingOnly}, contract.SecretMissing, "no current version"},
		"binary":        {&fakeaws.Secret{Name: bad, Binary: []byte{0, 1}}, contract.SecretBinary, "binary"},
		"gone":          {nil, contract.SecretMissing, "gone"},
	}
	for name, test := range tests {
		for _, read := range []contract.Read{contract.ReadBatch, contract.ReadSingle} {
			t.Run(name+", "+string(read), func(t *testing.T) {
				var w *world
				// A secret that is being deleted is in no listing, so it becomes what it is after that.
				becomes := func() {
					if test.secret == nil {
						w.own.Remove(region, bad)
						return
					}
					w.own.Put(region, *test.secret)
				}
				w = newWorld(t, before("BatchGetSecretValue", becomes), before("GetSecretValue", becomes))
				w.config.Read = read
				w.put(number("airflow/connections/good", 5)...)
				w.put(bad)
				found := w.mustGather(t)
				read, leftOut := ids(found)
				if len(read) != 5 || !slices.Equal(leftOut, []string{"connections/bad: " + string(test.code)}) {
					t.Fatalf("read %q and left out %q, expected 5 and the bad one: %s", read, leftOut, test.code)
				}
				if w.config.Read == contract.ReadBatch {
					w.expectCalls(t, "GetSecretValue", 0) // the batch's answer has told all
				}
				if !strings.Contains(found.LeftOut[0].Sentence, test.says) {
					t.Errorf("the sentence is %q, expected it to hold %q", found.LeftOut[0].Sentence, test.says)
				}
			})
		}
	}
}

// Access to the key is refused under the same code as access to the secret; only the message tells.
func TestDeniedKeyIsTold(t *testing.T) {
	w := newWorld(t, instead("GetSecretValue", http.StatusBadRequest, `{"__type":"AccessDeniedException","message":"Access to KMS is not allowed"}`))
	w.put("airflow/connections/c")
	_, err := w.gather(t)
	expectError(t, err, contract.AccessDenied, "Access to KMS is not allowed")
}

func TestEveryReadDenied(t *testing.T) {
	for _, read := range contract.Reads() {
		w := newWorld(t)
		w.config.Read = read
		w.put(number("airflow/connections/c", 30)...)
		w.own.Deny("GetSecretValue")
		_, err := w.gather(t)
		expectError(t, err, contract.AccessDenied, "(30)", `"Action":"secretsmanager:GetSecretValue"`,
			`"Resource":["arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/connections/*","arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/variables/*"]`)
	}
}

func TestWhatABatchLeavesOpenIsReadSingly(t *testing.T) {
	t.Run("throttled and failing entries of Errors", func(t *testing.T) {
		w := newWorld(t)
		w.put(number("airflow/connections/c", 25)...)
		w.Order(fakeaws.Trouble{Operation: "BatchGetSecretValue", Secret: "airflow/connections/c0003", Effect: fakeaws.Throttle})
		w.Order(fakeaws.Trouble{Operation: "BatchGetSecretValue", Secret: "airflow/connections/c0024", Effect: fakeaws.Fail})
		if found := w.mustGather(t); len(found.Secrets) != 25 || found.LeftOut != nil {
			t.Errorf("%d secrets were read and %v left out, expected 25 and none", len(found.Secrets), found.LeftOut)
		}
		w.expectCalls(t, "GetSecretValue", 2)
	})
	t.Run("entries in neither list", func(t *testing.T) {
		w := newWorld(t, changed("BatchGetSecretValue", func(a answer) { a["SecretValues"] = a.list("SecretValues")[1:] }))
		w.put(number("airflow/connections/c", 25)...)
		if found := w.mustGather(t); len(found.Secrets) != 25 {
			t.Errorf("%d secrets were read, expected 25", len(found.Secrets))
		}
		w.expectCalls(t, "GetSecretValue", 2)
	})
	t.Run("a batch that fails whole for one secret", func(t *testing.T) {
		w := newWorld(t, instead("BatchGetSecretValue", http.StatusBadRequest, `{"__type":"InvalidRequestException","message":"marked for deletion"}`))
		w.put(number("airflow/connections/c", 25)...)
		if found := w.mustGather(t); len(found.Secrets) != 25 {
			t.Errorf("%d secrets were read, expected 25", len(found.Secrets))
		}
		w.expectCalls(t, "GetSecretValue", 25)
	})
	t.Run("an entry that nobody asked for", func(t *testing.T) {
		w := newWorld(t, changed("BatchGetSecretValue", func(a answer) {
			a["SecretValues"] = append(a.list("SecretValues"), map[string]string{"ARN": "arn:other", "Name": "airflow/connections/x", "SecretString": "x"})
		}))
		w.put(number("airflow/connections/c", 3)...)
		if found := w.mustGather(t); len(found.Secrets) != 3 {
			t.Errorf("%d secrets were read, expected 3", len(found.Secrets))
		}
	})
}

func TestABatchOfSeveralPages(t *testing.T) {
	w := newWorld(t, halves)
	w.put(number("airflow/connections/c", 25)...)
	if found := w.mustGather(t); len(found.Secrets) != 25 {
		t.Errorf("%d secrets were read, expected 25", len(found.Secrets))
	}
	w.expectCalls(t, "BatchGetSecretValue", 4)
	w.expectCalls(t, "GetSecretValue", 0)
}

// halves answers a batch in two pages, as AWS may where one would be too large.
func halves(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var request answer
		json.Unmarshal(body, &request)
		token := request["NextToken"]
		delete(request, "NextToken")
		body, _ = json.Marshal(request)
		r.Body = io.NopCloser(bytes.NewReader(body))
		changed("BatchGetSecretValue", func(a answer) {
			values := a.list("SecretValues")
			if token == nil {
				a["SecretValues"], a["NextToken"] = values[:len(values)/2], "second half"
			} else {
				a["SecretValues"] = values[len(values)/2:]
			}
		})(next).ServeHTTP(w, r)
	})
}

func TestValuesBeyondTheLimit(t *testing.T) {
	const largest = 65536
	for _, read := range []contract.Read{contract.ReadAuto, contract.ReadSingle} {
		w := newWorld(t)
		w.config.Read = read
		names := number("airflow/variables/v", contract.MaxFetchedBytes/largest)
		for _, name := range names {
			w.own.Put(region, fakeaws.Secret{Name: name, String: strings.Repeat("x", largest)})
		}
		if found := w.mustGather(t); len(found.Secrets) != len(names) {
			t.Errorf("%s: %d secrets were read at the limit, expected %d", read, len(found.Secrets), len(names))
		}
		w.put("airflow/variables/one-more")
		_, err := w.gather(t)
		expectError(t, err, contract.TooLarge, fmt.Sprintf("%d bytes", contract.MaxFetchedBytes))
	}
}
