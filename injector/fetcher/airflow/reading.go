package airflow

import "slices"

// Reading is how a connection in JSON is to be read: the two keyword arguments of SecretsManagerBackend that change what
// its fields mean. The zero Reading has none of them. A URI is read the same with any.
type Reading struct {
	// Words are more words for a field: field → words, as in extra_conn_words, where user means login.
	Words map[string][]string
	// URLEncoded says that every field is URL-encoded, but for an extra that is an object: are_secret_values_urlencoded,
	// which the Amazon provider has dropped in its version 9. A field that is no string is a mistake then.
	URLEncoded bool
}

// connField is a field of a connection, as a secret has it: null where it has none.
type connField struct {
	name  string
	value jsonValue
}

// connFields are all the fields.
type connFields []connField

// named gives the value of one of the fields.
func (fields connFields) named(name string) jsonValue {
	i := slices.IndexFunc(fields, func(f connField) bool { return f.name == name })
	return fields[i].value
}

// standardize is rule 3: for each field, the value of the first key, in the order of the text, that is one of its
// words. A null there is found as well: a later key does not replace it. All other keys are dropped.
//
// Source: SecretsManagerBackend._standardize_secret_keys. A word may be one of several fields, and then is all of them.
func (how Reading) standardize(object jsonValue) connFields {
	fields := connFields{}
	for _, f := range []struct {
		name  string
		words []string
	}{
		{"login", []string{"login", "user", "username", "user_name"}},
		{"password", []string{"password", "pass", "key"}},
		{"host", []string{"host", "remote_host", "server"}},
		{"port", []string{"port"}},
		{"schema", []string{"database", "schema"}},
		{"conn_type", []string{"conn_type", "conn_id", "connection_type", "engine"}},
		{"extra", []string{"extra"}},
	} {
		words := slices.Concat(f.words, how.Words[f.name])
		if f.name == "login" {
			words = slices.Concat(words, how.Words["user"])
		}
		fields = append(fields, connField{f.name, object.first(words)})
	}
	return fields
}

// unescape undoes the encoding of the fields where they are URL-encoded. A null stays null.
//
// Source: SecretsManagerBackend._remove_escaping_in_secret_dict of versions 7 and 8 of the provider, where unquote raises
// for what is no string.
func (how Reading) unescape(fields connFields) error {
	if !how.URLEncoded {
		return nil
	}
	for i, f := range fields {
		switch {
		case f.value.kind == jsonString:
			fields[i].value.text = unquote(f.value.text)
		case f.value.kind != jsonNull && (f.name != "extra" || f.value.kind != jsonObject):
			return malformed("%s is %v, expected a string, since are_secret_values_urlencoded is set", f.name, f.value.kind)
		}
	}
	return nil
}
