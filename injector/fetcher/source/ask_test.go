package source_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// ask names ids of connections, and turns variables off.
func (w *world) ask(ids ...string) {
	w.config.Accounts[0].Connections.IDs = ids
	w.config.Accounts[0].Variables = nil
}

func TestAskedByIDIsReadByName(t *testing.T) {
	tests := []struct {
		read                    contract.Read
		connections             int // asked for by id
		variables               int // discovered
		lists, batches, singles int
	}{
		{contract.ReadAuto, 1, 0, 0, 0, 1},
		{contract.ReadAuto, 45, 0, 0, 0, 45},
		{contract.ReadAuto, 5, 30, 1, 2, 5},
		{contract.ReadAuto, 5, 2, 1, 0, 7},
		{contract.ReadBatch, 1, 0, 0, 1, 0},
		{contract.ReadBatch, 45, 0, 0, 3, 0},
		{contract.ReadBatch, 15, 10, 1, 2, 0},
		{contract.ReadSingle, 5, 30, 1, 0, 35},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s, %d by id and %d found", test.read, test.connections, test.variables), func(t *testing.T) {
			w := newWorld(t)
			w.config.Read = test.read
			ids := number("db-abc", test.connections) // which look like ARNs' ends
			w.ask(ids...)
			if test.variables > 0 {
				w.config.Accounts[0].Variables = &contract.Names{Prefix: "airflow/variables"}
			}
			for _, id := range ids {
				w.put("airflow/connections/" + id)
			}
			w.put("airflow/connections/not-asked-for")
			w.put(number("airflow/variables/v", test.variables)...)
			found := w.mustGather(t)
			if len(found.Secrets) != test.connections+test.variables || len(found.LeftOut) != 0 {
				t.Errorf("%d secrets were read and %v left out, expected %d and none", len(found.Secrets), found.LeftOut, test.connections+test.variables)
			}
			for _, s := range found.Secrets {
				name := "airflow/" + string(s.Kind) + "/" + s.ID
				if s.Value.Unwrap() != "value of "+name || !strings.HasPrefix(s.ARN, "arn:") || s.Asked != (s.Kind == contract.Connections) {
					t.Errorf("%s has the ARN %s, asked %v and the value of another secret: %v", name, s.ARN, s.Asked, s.Value.Unwrap() != "value of "+name)
				}
			}
			w.expectCalls(t, "ListSecrets", test.lists)
			w.expectCalls(t, "BatchGetSecretValue", test.batches)
			w.expectCalls(t, "GetSecretValue", test.singles)
		})
	}
}

func TestWhichNamesAreAskedFor(t *testing.T) {
	tests := map[string]struct {
		change func(*contract.Account)
		names  []string // that AWS is asked for, each once
		read   []string
	}{
		"an id twice": {func(a *contract.Account) { a.Connections.IDs = []string{"a", "b", "a"} },
			[]string{"airflow/connections/a", "airflow/connections/b"}, []string{"connections/a", "connections/b"}},
		"one secret for both kinds": {func(a *contract.Account) {
			a.Connections.IDs = []string{"a"}
			a.Variables = &contract.Names{Prefix: "airflow/connections", IDs: []string{"a"}}
		}, []string{"airflow/connections/a"}, []string{"connections/a", "variables/a"}},
		"a pattern is for what is discovered": {func(a *contract.Account) {
			a.Connections.IDs, a.Connections.Pattern = []string{"a"}, "^b"
		}, []string{"airflow/connections/a"}, []string{"connections/a"}},
		"no prefix": {func(a *contract.Account) {
			a.Connections.IDs, a.Connections.Prefix = []string{"airflow/connections/a"}, ""
		}, []string{"airflow/connections/a"}, []string{"connections/airflow/connections/a"}},
		"no separator": {func(a *contract.Account) {
			a.Connections.IDs, a.Connections.Prefix, a.Separator = []string{"nections/a"}, "airflow/con", ""
		}, []string{"airflow/connections/a"}, []string{"connections/nections/a"}},
		"an id with separators": {func(a *contract.Account) { a.Connections.IDs = []string{"deep/er"} },
			[]string{"airflow/connections/deep/er"}, []string{"connections/deep/er"}},
	}
	for name, test := range tests {
		for _, read := range contract.Reads() {
			t.Run(name+", "+string(read), func(t *testing.T) {
				w := newWorld(t)
				w.config.Read = read
				w.put("airflow/connections/a", "airflow/connections/b", "airflow/connections/deep/er")
				w.config.Accounts[0].Variables = nil
				test.change(&w.config.Accounts[0])
				read, leftOut := ids(w.mustGather(t))
				if !slices.Equal(read, test.read) || leftOut != nil {
					t.Errorf("read %q and left out %q, expected %q and nothing", read, leftOut, test.read)
				}
				if asked := slices.Sorted(slices.Values(w.secretIDs())); !slices.Equal(asked, test.names) {
					t.Errorf("AWS was asked for %q, expected %q", asked, test.names)
				}
			})
		}
	}
}

// The kind whose ids are told takes nothing of what is listed for the other.
func TestIDsBesideAListingOfTheSameNames(t *testing.T) {
	w := newWorld(t)
	w.put("airflow/connections/a", "airflow/connections/b")
	w.config.Accounts[0].Connections.IDs = []string{"a"}
	w.config.Accounts[0].Variables = &contract.Names{Prefix: "airflow"}
	read, leftOut := ids(w.mustGather(t))
	if want := []string{"connections/a", "variables/connections/a", "variables/connections/b"}; !slices.Equal(read, want) || leftOut != nil {
		t.Errorf("read %q and left out %q, expected %q and nothing", read, leftOut, want)
	}
}

// What is asked for and not there is left out and known as asked for, in each way to read it.
func TestAskedAndNotDelivered(t *testing.T) {
	const bad = "airflow/connections/bad"
	tests := map[string]struct {
		secret *fakeaws.Secret // nil: there is none
		id     string          // "bad" unless told
		code   contract.Code
		says   string
	}{
		"missing":       {nil, "", contract.SecretMissing, bad + " in eu-central-1: Secrets Manager can't find the specified secret."},
		"no AWSCURRENT": {&fakeaws.Secret{State: fakeaws.PendingOnly}, "", contract.SecretMissing, "staging label: AWSCURRENT"},
		"denied":        {&fakeaws.Secret{State: fakeaws.Denied}, "", contract.SecretDenied, "or it does not exist"},
		"being deleted": {&fakeaws.Secret{State: fakeaws.BeingDeleted}, "", contract.SecretBeingDeleted, bad},
		"undecryptable": {&fakeaws.Secret{State: fakeaws.Undecryptable}, "", contract.SecretUndecryptable, bad},
		"binary":        {&fakeaws.Secret{Binary: []byte{1}}, "", contract.SecretBinary, bad},
		"no legal name": {nil, "a b", contract.AWSRefused, "airflow/connections/a b in eu-central-1: ValidationException: Invalid name"},
		"name too long": {nil, strings.Repeat("x", 2500), contract.AWSRefused, "ValidationException"},
	}
	for name, test := range tests {
		for _, read := range contract.Reads() {
			t.Run(name+", "+string(read), func(t *testing.T) {
				w := newWorld(t, refuseNames)
				w.config.Read = read
				id := test.id
				if id == "" {
					id = "bad"
				}
				w.ask("good", id, "fine")
				w.put("airflow/connections/good", "airflow/connections/fine")
				if test.secret != nil {
					test.secret.Name = bad
					w.own.Put(region, *test.secret)
				}
				found := w.mustGather(t)
				read, leftOut := ids(found)
				if !slices.Equal(read, []string{"connections/fine", "connections/good"}) || !slices.Equal(leftOut, []string{"connections/" + id + ": " + string(test.code)}) {
					t.Fatalf("read %q and left out %.100q, expected the good ones and %s", read, leftOut, test.code)
				}
				if !found.LeftOut[0].Asked || !strings.Contains(found.LeftOut[0].Sentence, test.says) {
					t.Errorf("asked is %v and the sentence %.300q, expected true and %q", found.LeftOut[0].Asked, found.LeftOut[0].Sentence, test.says)
				}
			})
		}
	}
}

// refuseNames answers single reads of illegal names as AWS does, and batches with one of them as a whole.
func refuseNames(next http.Handler) http.Handler {
	return insteadWhere(regexp.MustCompile(`connections/(a b|x{999}x*)"`), http.StatusBadRequest,
		`{"__type":"ValidationException","message":"Invalid name. Must be a valid name containing alphanumeric characters"}`)(next)
}

// allow gives the pod a key of a user with that one statement.
func (w *world) allow(t *testing.T, own *fakeaws.Account, statement string) {
	t.Helper()
	keys := own.KeysWith("AKIALIMITED", `{"Version":"2012-10-17","Statement":[`+statement+`]}`)
	t.Setenv("AWS_ACCESS_KEY_ID", keys.ID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.Secret)
}

var inSentence = regexp.MustCompile(`\{"Effect":.*?\]\}`)

// The statement that a denial names is right: with it alone, the secret is read.
func TestADenialNamesTheStatement(t *testing.T) {
	for partition, region := range map[string]string{"aws": "eu-central-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"} {
		t.Run(partition, func(t *testing.T) {
			w := newWorld(t)
			own := w.AccountIn(partition, "999988887777")
			own.Put(region, fakeaws.Secret{Name: "airflow/connections/db", String: "x"})
			own.Put(region, fakeaws.Secret{Name: "airflow/connections/open", String: "x"})
			w.config.Accounts[0].Region = region
			w.ask("db", "open")
			open := fmt.Sprintf(`{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:%s:secretsmanager:*:*:secret:airflow/connections/open-*"}`, partition)
			w.allow(t, own, open)

			found := w.mustGather(t)
			if len(found.LeftOut) != 1 || found.LeftOut[0].Code != contract.SecretDenied || !found.LeftOut[0].Asked {
				t.Fatalf("left out %+v, expected the denied one", found.LeftOut)
			}
			sentence, statement := found.LeftOut[0].Sentence, inSentence.FindString(found.LeftOut[0].Sentence)
			want := fmt.Sprintf(`{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":["arn:%s:secretsmanager:%s:999988887777:secret:airflow/connections/db-??????"]}`, partition, region)
			if statement != want || !strings.Contains(sentence, "or it does not exist") || !strings.Contains(sentence, "is not authorized to perform: secretsmanager:GetSecretValue") {
				t.Errorf("the sentence is %q, expected the statement %s, the doubt and AWS's words", sentence, want)
			}
			w.allow(t, own, open+","+statement)
			if found := w.mustGather(t); len(found.Secrets) != 2 {
				t.Errorf("with the statement %v is left out", found.LeftOut)
			}
			for _, r := range w.Requests() {
				if r.Operation != "GetSecretValue" {
					t.Errorf("%s was called, expected nothing but reads of single secrets", r.Operation)
				}
			}
		})
	}
}

// What AWS's message does not tell comes from the region and the credentials.
func TestADenialThatDoesNotNameTheCaller(t *testing.T) {
	tests := map[string]struct{ region, arn string }{
		"China":             {"cn-north-1", "arn:aws-cn:secretsmanager:cn-north-1:*:secret:airflow/connections/db-??????"},
		"GovCloud":          {"us-gov-west-1", "arn:aws-us-gov:secretsmanager:us-gov-west-1:*:secret:airflow/connections/db-??????"},
		"anywhere":          {region, "arn:aws:secretsmanager:eu-central-1:*:secret:airflow/connections/db-??????"},
		"with a known role": {region, "arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/connections/db-??????"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, instead("GetSecretValue", http.StatusBadRequest, `{"__type":"AccessDeniedException"}`))
			w.config.Accounts[0].Region = test.region
			if name == "with a known role" {
				w.config.Accounts[0].Role = &contract.Role{ARN: w.own.Role(fakeaws.Role{Name: "r"})}
			}
			w.ask("db")
			_, err := w.gather(t)
			expectError(t, err, contract.AccessDenied, `["`+test.arn+`"]`)
		})
	}
}

func TestEveryAskedReadDenied(t *testing.T) {
	tests := map[string]struct {
		ids       []string
		resources string
	}{
		"few": {[]string{"a", "b"}, `"Resource":["arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/connections/a-??????",` +
			`"arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/connections/b-??????"]`},
		"many": {number("c", 30), `"Resource":["arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/connections/*"]`},
	}
	for name, test := range tests {
		for _, read := range contract.Reads() {
			t.Run(name+", "+string(read), func(t *testing.T) {
				w := newWorld(t)
				w.config.Read = read
				w.ask(test.ids...)
				w.own.Deny("GetSecretValue")
				_, err := w.gather(t)
				expectError(t, err, contract.AccessDenied, fmt.Sprintf("(%d)", len(test.ids)), "do not exist", test.resources, "is not authorized to perform")
			})
		}
	}
}

// A key is denied under the same code as a secret.
func TestADeniedKeyIsNamed(t *testing.T) {
	const key = "arn:aws:kms:eu-central-1:111122223333:key/1234"
	for name, ids := range map[string][]string{"asked": {"db", "open"}, "found": nil} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.own.Put(region, fakeaws.Secret{Name: "airflow/connections/db", String: "x", KMSKey: key})
			w.put("airflow/connections/open")
			w.ask(ids...)
			reading := `{"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"}`
			w.allow(t, w.own, reading)
			found := w.mustGather(t)
			if len(found.LeftOut) != 1 || found.LeftOut[0].Code != contract.SecretDenied || len(found.Secrets) != 1 {
				t.Fatalf("left out %+v, expected the one with the key", found.LeftOut)
			}
			statement := inSentence.FindString(found.LeftOut[0].Sentence)
			if !strings.Contains(statement, `"kms:Decrypt"`) || ids == nil && !strings.Contains(statement, key) {
				t.Errorf("the sentence is %q, expected kms:Decrypt and the key where it is known", found.LeftOut[0].Sentence)
			}
			w.allow(t, w.own, reading+","+statement)
			if found := w.mustGather(t); len(found.LeftOut) != 0 {
				t.Errorf("with the statement %v is left out", found.LeftOut)
			}
		})
	}
}
