package source

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
)

// files are the secrets that are delivered as they are. One that several files are made of is read once.
func (s *session) files() []entry {
	var wanted entries
	for _, f := range s.account.Files {
		e := entry{id: f.Secret, name: f.Secret, region: regionIn(f.Secret)}
		wanted.add(e, use{kind: contract.Files, id: f.Path, asked: true, member: f.Key})
	}
	return wanted.list
}

// content is what a file gets of a secret: its text or its bytes, or one member of the JSON object in it. The errors name
// the member and show nothing of the secret.
func content(text, member string) (secret.Value, *contract.Error) {
	if member == "" {
		return secret.New(text), nil
	}
	var object map[string]json.RawMessage
	if !utf8.ValidString(text) || json.Unmarshal([]byte(text), &object) != nil || object == nil {
		return secret.Value{}, malformed("the secret is no JSON object, so it has no key %q", member)
	}
	raw, there := object[member]
	switch {
	case !there:
		return secret.Value{}, malformed("the JSON object has no key %q", member)
	case string(raw) == "null":
		return secret.Value{}, malformed("the value of the key %q is null", member)
	case raw[0] != '"':
		return secret.New(string(raw)), nil
	}
	var value string
	if json.Unmarshal(raw, &value) != nil || strings.Count(value, replaced) != countReplacements(string(raw)) {
		return secret.Value{}, malformed(`the value of the key %q has half a surrogate pair, which is no text`, member)
	}
	return secret.New(value), nil
}

// replaced is the character that Go puts in the place of half a surrogate pair.
const replaced = string(utf8.RuneError)

// countReplacements is how often that character itself is in JSON text.
func countReplacements(raw string) int {
	return strings.Count(raw, replaced) + strings.Count(strings.ToLower(strings.ReplaceAll(raw, `\\`, ``)), `\ufffd`)
}

func malformed(format, member string) *contract.Error {
	return &contract.Error{Code: contract.SecretMalformed, Detail: fmt.Sprintf(format, member)}
}
