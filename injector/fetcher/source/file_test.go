package source_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// deliver asks for these files alone.
func (w *world) deliver(files ...contract.File) {
	w.config.Accounts[0].Connections, w.config.Accounts[0].Variables = nil, nil
	w.config.Accounts[0].Files = files
}

func TestFileContents(t *testing.T) {
	const object = `{"text": "a\nb é \u00e9 \ud83d\ude00", "empty": "", "null": null, "number": 1.10, "nested": {"b": [1,  2]}, "yes": true,
		"half": "c4n4ry \ud800", "replaced": "\ufffd", "escaped": "\\ufffd \\\\ufffd", "twice": "c4n4ry", "twice": "last", "ü": "key"}`
	tests := map[string]struct {
		secret fakeaws.Secret
		key    string
		value  string
		says   string // empty: there is a value
	}{
		"a text":                   {secret: fakeaws.Secret{String: " as it is\r\n"}, value: " as it is\r\n"},
		"bytes":                    {secret: fakeaws.Secret{Binary: []byte{0, 0xff, '\n'}}, value: "\x00\xff\n"},
		"a string":                 {secret: fakeaws.Secret{String: object}, key: "text", value: "a\nb é é 😀"},
		"an empty string":          {secret: fakeaws.Secret{String: object}, key: "empty", value: ""},
		"a number":                 {secret: fakeaws.Secret{String: object}, key: "number", value: "1.10"},
		"an object":                {secret: fakeaws.Secret{String: object}, key: "nested", value: `{"b": [1,  2]}`},
		"a boolean":                {secret: fakeaws.Secret{String: object}, key: "yes", value: "true"},
		"the replacing character":  {secret: fakeaws.Secret{String: object}, key: "replaced", value: "\ufffd"},
		"an escaped backslash":     {secret: fakeaws.Secret{String: object}, key: "escaped", value: `\ufffd \\ufffd`},
		"a key twice":              {secret: fakeaws.Secret{String: object}, key: "twice", value: "last"},
		"a key beyond ASCII":       {secret: fakeaws.Secret{String: object}, key: "ü", value: "key"},
		"JSON in bytes":            {secret: fakeaws.Secret{Binary: []byte(object)}, key: "number", value: "1.10"},
		"null":                     {secret: fakeaws.Secret{String: object}, key: "null", says: `the key "null" is null`},
		"a key in another case":    {secret: fakeaws.Secret{String: object}, key: "TEXT", says: `no key "TEXT"`},
		"a missing key":            {secret: fakeaws.Secret{String: object}, key: "other", says: `no key "other"`},
		"half a surrogate pair":    {secret: fakeaws.Secret{String: object}, key: "half", says: `the key "half"`},
		"a list":                   {secret: fakeaws.Secret{String: `["c4n4ry"]`}, key: "k", says: `no JSON object, so it has no key "k"`},
		"null as a whole":          {secret: fakeaws.Secret{String: `null`}, key: "k", says: `no JSON object, so it has no key "k"`},
		"no JSON":                  {secret: fakeaws.Secret{String: `c4n4ry`}, key: "k", says: `no JSON object, so it has no key "k"`},
		"JSON and more":            {secret: fakeaws.Secret{String: `{"k":"v"} c4n4ry`}, key: "k", says: `no JSON object, so it has no key "k"`},
		"bytes that are no text":   {secret: fakeaws.Secret{Binary: []byte("{\"k\":\"c4n4ry\xff\"}")}, key: "k", says: `no JSON object, so it has no key "k"`},
		"a key with a line break":  {secret: fakeaws.Secret{String: object}, key: "a\nb", says: `no key "a\nb"`},
		"a secret that is missing": {secret: fakeaws.Secret{State: fakeaws.PendingOnly}, says: "it is", key: "k"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			test.secret.Name = "kafka/keystore"
			arn := w.own.Put(region, test.secret)
			w.deliver(contract.File{Path: "kafka/file", Secret: "kafka/keystore", Key: test.key})
			found := w.mustGather(t)
			switch {
			case test.says == "" && len(found.Secrets) == 1:
				s := found.Secrets[0]
				if s.Kind != contract.Files || s.ID != "kafka/file" || s.ARN != arn || !s.Asked || s.Value.Unwrap() != test.value {
					t.Errorf("the file is %+v with %q, expected kafka/file of %s with %q", s, s.Value.Unwrap(), arn, test.value)
				}
			case test.says == "":
				t.Errorf("left out %+v, expected %q", found.LeftOut, test.value)
			case test.secret.State == fakeaws.PendingOnly:
				if found.LeftOut[0].Code != contract.SecretMissing {
					t.Errorf("left out %+v, expected it to be missing", found.LeftOut)
				}
			case len(found.LeftOut) != 1 || found.LeftOut[0].Code != contract.SecretMalformed || !found.LeftOut[0].Asked ||
				!strings.Contains(found.LeftOut[0].Sentence, test.says) || strings.Contains(found.LeftOut[0].Sentence, "c4n4ry"):
				t.Errorf("left out %+v, expected a malformed one that says %q", found.LeftOut, test.says)
			}
		})
	}
}

func TestFilesOfManyPlaces(t *testing.T) {
	w := newWorld(t)
	w.config.Read = contract.ReadBatch
	here := w.own.Put(region, fakeaws.Secret{Name: "tls", String: `{"crt": "C", "key": "K"}`})
	far := w.own.Put("us-east-1", fakeaws.Secret{Name: "far", String: "far"})
	w.own.Put(region, fakeaws.Secret{Name: "far", String: "of the wrong region"})
	foreign := w.Account("444455556666").Put("eu-west-1", fakeaws.Secret{Name: "foreign", String: "foreign", ReadableBy: []string{account}})
	w.put("airflow/connections/db")
	connections := w.config.Accounts[0].Connections
	w.deliver(
		contract.File{Path: "tls.crt", Secret: "tls", Key: "crt"}, contract.File{Path: "tls.key", Secret: "tls", Key: "key"},
		contract.File{Path: "by-arn", Secret: here}, contract.File{Path: "far", Secret: far}, contract.File{Path: "foreign", Secret: foreign},
		contract.File{Path: "partial", Secret: strings.TrimSuffix(far, far[len(far)-7:])},
	)
	w.config.Accounts[0].Connections = connections
	found := w.mustGather(t)
	var got []string
	for _, s := range found.Secrets {
		got = append(got, s.ID+"="+s.Value.Unwrap())
	}
	want := []string{"db=value of airflow/connections/db", `by-arn={"crt": "C", "key": "K"}`, "far=far", "foreign=foreign", "partial=far", "tls.crt=C", "tls.key=K"}
	if !slices.Equal(got, want) {
		t.Errorf("found %q and left out %+v, expected %q", got, found.LeftOut, want)
	}
	w.expectCalls(t, "GetSecretValue", 5)
	w.expectCalls(t, "BatchGetSecretValue", 1)
	for _, r := range w.Requests() {
		if want := map[bool]string{true: "us-east-1", false: region}[strings.Contains(strings.Join(r.SecretIDs, ""), "us-east-1")]; r.Operation == "GetSecretValue" &&
			!strings.Contains(strings.Join(r.SecretIDs, ""), "eu-west-1") && r.Region != want {
			t.Errorf("%q was asked for in %s", r.SecretIDs, r.Region)
		}
	}
}

// Nothing has to be listed for files, and their denial names what would help.
func TestADeniedFile(t *testing.T) {
	w := newWorld(t)
	w.put("kafka/keystore", "kafka/other")
	arn := w.own.Put("us-east-1", fakeaws.Secret{Name: "far", String: "x"})
	w.deliver(contract.File{Path: "a", Secret: "kafka/keystore"}, contract.File{Path: "b", Secret: arn}, contract.File{Path: "c", Secret: "kafka/other"})
	w.allow(t, w.own, `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:*:*:secret:kafka/other-*"}`)
	found := w.mustGather(t)
	if len(found.LeftOut) != 2 || len(found.Secrets) != 1 || found.Looked != "" {
		t.Fatalf("left out %+v and looked %q, expected two files and nowhere", found.LeftOut, found.Looked)
	}
	for i, want := range []string{"arn:aws:secretsmanager:eu-central-1:111122223333:secret:kafka/keystore-??????", arn} {
		if l := found.LeftOut[i]; l.Kind != contract.Files || l.Code != contract.SecretDenied || !l.Asked || !strings.Contains(l.Sentence, `["`+want+`"]`) {
			t.Errorf("left out %+v, expected the statement to name %s", l, want)
		}
	}
	w.expectCalls(t, "ListSecrets", 0)
	w.expectCalls(t, "GetSecretValue", 3)
}
