// Package airflow turns one secret's value into what Airflow's LocalFilesystemBackend must read, so that Airflow gets
// exactly what its SecretsManagerBackend would have made of the same secret.
//
// LocalFilesystemBackend builds every entry of its file at each look-up, so one entry that Airflow cannot build hides
// all the others. Such a value is therefore left out, with a code and a sentence. Airflow 2.8 to 3.3 and the Python
// versions that they run on are covered: a value that any of them would choke on is left out for all of them.
//
// Nine rules make a connection. Each is a function that names where in Airflow or Python it comes from; airflow/ is the
// apache-airflow package, and SecretsManagerBackend is that of airflow/providers/amazon/aws/secrets/secrets_manager.py.
package airflow

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
)

// Connection gives the JSON token, in ASCII, that stands for a connection in LocalFilesystemBackend's file: an object
// for a value that is a JSON object, a string for any other, which Airflow takes for a URI.
//
// An error is a *contract.Error with the code SecretEmpty or SecretMalformed. It holds no part of the value.
func Connection(value secret.Value, how Reading) (secret.Value, error) {
	entry, err := connection(value.Unwrap(), how)
	if err != nil {
		return secret.Value{}, err // rule 8: left out, so that the others survive
	}
	return secret.New(ascii(entry)), nil // rule 9
}

func connection(value string, how Reading) (jsonValue, error) {
	text, err := stripped(value) // rule 1
	if err != nil {
		return jsonValue{}, err
	}
	if strings.HasPrefix(text, "{") {
		return fromJSON(value, how) // rules 2 to 6
	}
	return textValue(text), checkURI(text) // rule 7
}

// fromJSON makes what Connection(**object) takes of the text of a JSON object.
func fromJSON(text string, how Reading) (jsonValue, error) {
	object, err := parseObject(text) // rule 2
	if err != nil {
		return jsonValue{}, err
	}
	fields := how.standardize(object) // rule 3
	if err := how.unescape(fields); err != nil {
		return jsonValue{}, err
	}
	port, err := portNumber(fields.named("port"))
	if err != nil {
		return jsonValue{}, err
	}
	connType, err := normalizeConnType(fields.named("conn_type"))
	if err != nil {
		return jsonValue{}, err
	}
	extraKey, extra, err := extraField(fields.named("extra"))
	if err != nil {
		return jsonValue{}, err
	}
	password, err := checkPassword(fields.named("password"))
	if err != nil {
		return jsonValue{}, err
	}
	return objectOf(
		field{"conn_type", connType},
		field{"host", fields.named("host")},
		field{"login", fields.named("login")},
		field{"password", password},
		field{"schema", fields.named("schema")},
		field{"port", port},
		field{extraKey, extra},
	), nil
}

// stripped is rule 1: nothing, or nothing but what Python takes for whitespace, is no connection.
//
// Source: get_connection of airflow/secrets/base_secrets.py passes an empty value by, deserialize_connection there
// strips it and fails where nothing is left.
func stripped(text string) (string, error) {
	if !utf8.ValidString(text) {
		return "", malformed("the value is not UTF-8")
	}
	if text = strip(text); text == "" {
		return "", empty()
	}
	return text, nil
}

// parseObject is rule 2: the text as it was, unstripped, must be one JSON object.
//
// Source: SecretsManagerBackend.get_conn_value strips to look for the brace, then gives json.loads the unstripped text.
// So a line feed may stand before the object, and a no-break space, which is whitespace to strip alone, may not.
func parseObject(text string) (jsonValue, error) {
	object, err := parseJSON(text)
	if err != nil {
		return jsonValue{}, malformed("the value starts with { and is not JSON as Python reads it: %v", err)
	}
	return object, nil
}

// portNumber is rule 4: what Python takes for false is no port; anything else goes through int().
//
// Source: Connection.from_json of airflow/models/connection.py. LocalFilesystemBackend does not convert, so the port
// is written as the integer that int() gives.
func portNumber(found jsonValue) (jsonValue, error) {
	if !found.truth() {
		return jsonValue{}, nil
	}
	number, ok := pythonInt(found)
	if !ok {
		return jsonValue{}, malformed("port is %v that Python's int() refuses, expected a whole number such as 5432", found.kind)
	}
	return jsonValue{kind: jsonInt, token: number.String()}, nil
}

// normalizeConnType is rule 5: postgresql is postgres, and a dash an underscore.
//
// Source: Connection.from_json and _normalize_conn_type of airflow/models/connection.py, which ask "-" in the value:
// that fails for a number and for true, and an array or object without a dash of its own passes unchanged.
func normalizeConnType(found jsonValue) (jsonValue, error) {
	switch {
	case !found.truth():
		return jsonValue{}, nil
	case found.kind == jsonString && string(found.text) == "postgresql":
		return textValue("postgres"), nil
	case found.kind == jsonString:
		return jsonValue{kind: jsonString, text: replaceRune(found.text, '-', '_')}, nil
	case found.kind == jsonArray && !found.holds("-"), found.kind == jsonObject && !found.has("-"):
		return found, nil
	}
	return jsonValue{}, malformed("conn_type is %v, expected a string such as postgres", found.kind)
}

// extraField is rule 6: what Python takes for false is no extra; an object is delivered as extra_dejson, which
// LocalFilesystemBackend writes out by json.dumps as from_json does; a string is delivered as it is.
//
// Source: Connection.from_json and _validate_extra of airflow/models/connection.py. Airflow 2 warns of an extra that is
// no JSON object, Airflow 3 raises.
func extraField(found jsonValue) (key string, value jsonValue, err error) {
	switch {
	case !found.truth():
		return "extra", jsonValue{}, nil
	case found.kind == jsonObject:
		return "extra_dejson", found, nil
	case found.kind == jsonString:
		return "extra", found, checkExtra("extra", found.text)
	}
	return "", jsonValue{}, malformed("extra is %v, expected an object, or a string that holds one", found.kind)
}

// checkExtra is the part of rule 6 that goes for the string of a JSON secret and for __extra__ in a URI alike. An empty
// one is none.
func checkExtra(name string, content []rune) error {
	if len(content) == 0 {
		return nil
	}
	if hasSurrogate(content) {
		return malformed("%s holds half of a surrogate pair, which Airflow cannot encrypt", name)
	}
	extra, err := parseJSON(string(content))
	if err != nil {
		return malformed("%s is a string and not JSON as Python reads it: %v", name, err)
	}
	if extra.kind != jsonObject {
		return malformed("%s is a string that holds %v, expected a JSON object", name, extra.kind)
	}
	return nil
}

// checkPassword is rule 8 where no other rule sees to it: a password that cannot be encrypted raises while the entry is
// built. What Python takes for false is no password. All other fields may hold anything: Airflow stores it as it is.
//
// Source: Connection.set_password of airflow/models/connection.py.
func checkPassword(found jsonValue) (jsonValue, error) {
	switch {
	case found.kind == jsonString && hasSurrogate(found.text):
		return jsonValue{}, malformed("password holds half of a surrogate pair, which Airflow cannot encrypt")
	case found.kind == jsonString:
		return found, nil
	case !found.truth():
		return jsonValue{}, nil
	}
	return jsonValue{}, malformed("password is %v, expected a string", found.kind)
}

func empty() error { return &contract.Error{Code: contract.SecretEmpty} }

// malformed says what was expected and what kind of thing was found, and never holds any of the value.
func malformed(format string, args ...any) error {
	return &contract.Error{Code: contract.SecretMalformed, Detail: fmt.Sprintf(format, args...)}
}
