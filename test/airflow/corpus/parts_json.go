package corpus

import (
	"slices"
	"strings"
)

// jsonSlots are the parts of a JSON object: what stands around and between its members, the key and value of each, and
// one member more.
func jsonSlots() []slot {
	return []slot{
		{name: "start", plain: []part{{"brace", "{"}}, nasty: []part{{"spaces", "{ \n\t"}, {"line-feed-before", "\n{"}, {"crlf-before", " \t\r\n{"}},
			rare: []part{{"no-break-space-before", "\u00a0{"}, {"byte-order-mark-before", "\ufeff{"}, {"form-feed-before", "\f{"},
				{"separator-before", "\x1f{"}, {"comma", "{,"}, {"no-break-space", "{\u00a0"}, {"array", "[{"}}},
		{name: "colon", plain: []part{{"usual", ": "}, {"tight", ":"}}, nasty: []part{{"spaces", " : "},
			{"lines", "\n:\r\n\t"}}, rare: []part{{"none", " "}, {"equals", "="}, {"no-break-space", ":\u00a0"}}},
		{name: "comma", plain: []part{{"usual", ", "}, {"tight", ","}}, nasty: []part{{"lines", ",\r\n  "},
			{"spaces", " ,\t"}}, rare: []part{{"two", ",,"}, {"semicolon", ";"}, {"none", " "}, {"vertical-tab", ",\v"}}},
		{name: "end", plain: []part{{"brace", "}"}, {"line-feed-behind", "}\n"}}, nasty: []part{{"spaces", " \r\n} \t\n"}},
			rare: []part{{"comma", ",}"}, {"missing", ""}, {"two", "}}"}, {"object-behind", "} {}"}, {"comment", "/* hunter2 */}"},
				{"no-break-space-behind", "}\u00a0"}, {"nul-behind", "}\x00"}, {"form-feed-behind", "}\f"}, {"semicolon", "};"}}},
		{name: "order", plain: []part{{"usual", "thlpsoem"}}, nasty: []part{{"reversed", "meosplht"}, {"one-more-first", "mthlpsoe"},
			{"one-more-in-the-middle", "thlmpsoe"}, {"as-rds", "lpthoems"}}},
		{name: "type-key", plain: []part{{"conn_type", "conn_type"}}, nasty: []part{{"engine", "engine"}, {"conn_id", "conn_id"},
			{"connection_type", "connection_type"}, {"escaped", `conn\u005ftype`}, {"upper-case", "Conn_Type"}, {"type", "type"}}},
		{name: "type", plain: []part{{"postgres", `"postgres"`}, {"aws", `"aws"`}, {"absent", ""}}, nasty: []part{
			{"postgresql", `"postgresql"`}, {"dashes", `"google-cloud-platform"`}, {"dash-alone", `"-"`}, {"upper-case", `"Postgres-QL"`},
			{"null", "null"}, {"empty", `""`}, {"space", `" aws "`}, {"not-ascii", `"ä-ws"`}, {"surrogate", `"\ud800x"`}, {"zero", "0"},
			{"false", "false"}, {"postgresql-escaped", `"postgres\u0071l"`},
			{"empty-object", "{}"}, {"array", `["aws"]`}, {"object", `{"a": "-"}`},
		}, rare: []part{{"number", "7"}, {"true", "true"}, {"surrogate-and-dash", `"\ud800-"`}, {"array-with-dash", `["a", "-"]`},
			{"object-with-dash", `{"-": 1}`}, {"not-a-number", "NaN"}}},
		{name: "host-key", plain: []part{{"host", "host"}}, nasty: []part{{"server", "server"}, {"remote_host", "remote_host"},
			{"upper-case", "HOST"}, {"hostname", "hostname"}}},
		{name: "host", plain: []part{{"plain", `"db.example.com"`}, {"absent", ""}}, nasty: fieldValues(`"https://api.example.com:443/v1?a=b"`)},
		{name: "login-key", plain: []part{{"login", "login"}}, nasty: []part{{"user", "user"}, {"username", "username"},
			{"user_name", "user_name"}, {"space", "login "}, {"upper-case", "Login"}, {"escaped", `\u006cogin`}}},
		{name: "login", plain: []part{{"plain", `"app"`}, {"absent", ""}}, nasty: fieldValues(`"DOMAIN\\app"`)},
		{name: "password-key", plain: []part{{"password", "password"}}, nasty: []part{{"pass", "pass"}, {"key", "key"}, {"secret", "secret"},
			{"escaped", `pass\u0077ord`}}},
		{name: "password", plain: []part{{"plain", `"hunter2"`}, {"absent", ""}}, nasty: []part{
			{"not-ascii", `"hunter2ß"`}, {"emoji", `"hunter2😀"`}, {"emoji-escaped", `"hunter2\ud83d\ude00"`}, {"nul", `"hunter2\u0000"`},
			{"delete", "\"hunter2\x7f\""}, {"escapes", `"hunter2\"\\\/\b\f\n\r\t"`}, {"url-encoded", `"hunter2%40%2F%2520"`},
			{"spaces", `" hunter2 "`}, {"line-separator", "\"hunter2\u2028\""}, {"null", "null"}, {"uri", `"postgres://a:hunter2@b"`},
			{"json", `"{\"a\": \"hunter2\"}"`}, {"replacement", `"hunter2\ufffd"`}, {"combining", "\"hunter2e\u0301\""},
			{"byte-order-mark", "\"\ufeffhunter2\""}, {"long", `"` + strings.Repeat("hunter2", 300) + `"`},
		}, rare: []part{{"empty", `""`}, {"zero", "0"}, {"false", "false"}, {"empty-object", "{}"}, {"empty-array", "[]"}, {"number", "12345"},
			{"true", "true"}, {"array", `["hunter2"]`}, {"object", `{"hunter2": 1}`}, {"surrogate", `"hunter2\udc00"`},
			{"surrogates-the-wrong-way-round", `"\ude00\ud83dhunter2"`}, {"not-a-number", "-Infinity"}, {"control-character", "\"hunter2\t\""},
			{"bad-escape", `"hunter2\x41"`}, {"bad-unicode-escape", `"hunter2\u12g4"`}, {"single-quotes", "'hunter2'"}, {"unfinished", `"hunter2`}}},
		{name: "schema-key", plain: []part{{"schema", "schema"}}, nasty: []part{{"database", "database"}, {"dbname", "dbname"}}},
		{name: "schema", plain: []part{{"plain", `"orders"`}, {"absent", ""}}, nasty: fieldValues(`"a/b?c=d#e"`)},
		{name: "port", plain: []part{{"number", "5432"}, {"string", `"5432"`}, {"absent", ""}}, nasty: []part{
			{"string-with-spaces", `" 5432\n"`}, {"string-with-no-break-space", "\"\u00a05432\u3000\""}, {"string-with-underscore", `"5_432"`},
			{"string-with-sign", `"+5432"`}, {"string-negative", `"-1"`}, {"leading-zeros", `"0005432"`}, {"other-digits", "\"\u0665\u0664\uff13\""},
			{"string-of-zero", `"0"`}, {"empty", `""`}, {"null", "null"},
			{"zero", "0"}, {"minus-zero", "-0"}, {"zero-float", "0.0"}, {"fraction", "5432.9"}, {"negative-fraction", "-0.5"},
			{"exponent", "5.432E+3"}, {"small", "1e-400"}, {"large", "1e22"}, {"huge", "123456789012345678901234567890"}, {"out-of-range", "99999"},
			{"negative", "-5432"}, {"true", "true"}, {"false", "false"}, {"empty-array", "[]"}, {"empty-object", "{}"},
			{"many-digits", `"` + strings.Repeat("0", 4299) + `1"`},
		}, rare: []part{{"string-with-point", `"5432.0"`}, {"hexadecimal", `"0x10"`}, {"letters", `"hunter2"`}, {"space", `" "`},
			{"two-underscores", `"5__4"`}, {"underscore-at-the-end", `"5432_"`}, {"superscript", `"5²"`}, {"ascii-separator", `"\u001f5432"`},
			{"nul", `"5432\u0000"`}, {"infinite", "Infinity"}, {"not-a-number", "NaN"}, {"too-large", "1e400"}, {"array", "[5432]"},
			{"object", `{"a": 1}`}, {"two-signs", `"--1"`}, {"sign-and-space", `"- 1"`}, {"leading-zero", "05432"}, {"surrogate", `"5432\ud800"`},
			{"full-stop", "5432."}, {"byte-order-mark", "\"\ufeff5432\""}, {"exponent-in-string", `"1e3"`}, {"empty-exponent", "1e"}}},
		{name: "extra", plain: []part{{"absent", ""}, {"object", `{"region_name": "eu-central-1"}`}}, nasty: []part{
			{"nested", `{"a": {"b": [1, {"c": null}, []]}, "d": {}}`},
			{"numbers", `{"z":1.10,"a":1e3,"m":1E+3,"big":123456789012345678901234567890,"minus":-0,"small":1e-400,"large":-1e400}`},
			{"not-a-number", `{"a": NaN, "b": [Infinity, -Infinity]}`}, {"surrogates", `{"a": "\udc00\ud800", "\ud83d": "b"}`},
			{"emoji", `{"é": "😀\ud83d\ude00"}`}, {"duplicate-key", `{"b": 1, "a": 2, "b": {"c": 3}}`},
			{"booleans", `{"a": true, "b": false, "c": null}`}, {"key-of-nothing", `{"": ""}`}, {"layout", "{ \"a\"\n:1 ,\t\"b\" : [ ] }"},
			{"extra-key", `{"__extra__": "a", "extra__aws__region": "b"}`}, {"keys-of-the-query", `{"a b": "c&d=é", "e": "f%2Fg"}`},
			{"secrets", `{"password": "hunter2", "token": ["hunter2"]}`}, {"escaped-key", `{"\u0061": 1, "a": 2}`},
			{"control-characters", `{"a": "\u0000\u001f\u007f\u0085\u2028"}`},
			{"string", `"{\"region_name\": \"eu-central-1\"}"`}, {"string-layout", `" {\"a\":1.10,\n\"a\" : 2}\t"`},
			{"string-of-empty-object", `"{}"`}, {"string-surrogate-escaped", `"{\"a\": \"\\ud800\"}"`}, {"string-not-ascii", `"{\"é\": \"😀\"}"`},
			{"string-nested", `"{\"a\": {\"b\": \"{}\"}}"`}, {"string-numbers", `"{\"a\": 1E+3, \"b\": NaN}"`}, {"empty", `""`},
			{"empty-object", "{}"}, {"empty-array", "[]"}, {"null", "null"}, {"zero", "0"}, {"false", "false"},
		}, rare: []part{{"array", `["hunter2"]`}, {"string-of-string", `"\"hunter2\""`}, {"string-not-json", `"hunter2"`},
			{"string-surrogate", `"{\"hunter2\": \"\ud800\"}"`},
			{"unfinished", `{"a": "hunter2"`}, {"too-deep", strings.Repeat(`{"a":`, 120) + "1" + strings.Repeat("}", 120)}}},
		{name: "more", plain: []part{{"nothing", ""}}, nasty: []part{
			{"user", `"user": "second"`}, {"login-null", `"login": null`}, {"password-again", `"password": "again"`}, {"key", `"key": "hunter2"`},
			{"database", `"database": "second"`}, {"engine", `"engine": "mysql"`}, {"port", `"port": "1"`}, {"extra", `"extra": {"more": 1}`},
			{"uri", `"uri": "mysql://x:hunter2@y"`}, {"description", `"description": "é"`}, {"extra_dejson", `"extra_dejson": {"a": 1}`},
			{"conn_id", `"conn_id": "mssql"`}, {"rds", `"dbInstanceIdentifier": "orders", "masterarn": "arn:aws:rds:x"`},
			{"nothing-named", `"": null`}, {"nested", `"tags": {"login": "x", "a": [{}]}`}, {"nul-key", `"login\u0000": "x"`},
			{"surrogate-key", `"\ud800": "x"`}, {"host-empty", `"host": ""`}, {"is_encrypted", `"is_encrypted": true, "id": 7`},
		}, rare: []part{{"number-key", `7: "x"`}, {"single-quotes", `'login': 'hunter2'`}, {"constant", `"a": None`},
			{"string-alone", `"hunter2"`}, {"comment", `// hunter2`}}},
	}
}

// fieldValues are what may stand for a field that Airflow stores as it is; one of them is its own.
func fieldValues(own string) []part {
	return []part{
		{"own", own}, {"null", "null"}, {"empty", `""`}, {"spaces", `" x\n"`}, {"not-ascii", `"jürgen"`}, {"emoji", `"\ud83d\ude00"`},
		{"surrogate", `"\ud800x"`}, {"nul", `"a\u0000b"`}, {"url-encoded", `"a%40b%2F%2520"`}, {"upper-case", `"ABC"`},
		{"number", "12345"}, {"zero", "0"}, {"float", "1.50"}, {"true", "true"}, {"false", "false"}, {"array", `["a", 1]`},
		{"object", `{"a": 1e3}`}, {"quote", `"a\"b"`}, {"brackets", `"[::1]"`}, {"braces", `"{{ x }} $(HOME)"`},
	}
}

// composeJSON puts the members into their order, without those that are absent.
func composeJSON(t map[string]string) string {
	value := map[rune]string{'t': t["type"], 'h': t["host"], 'l': t["login"], 'p': t["password"], 's': t["schema"], 'o': t["port"], 'e': t["extra"]}
	key := map[rune]string{'t': t["type-key"], 'h': t["host-key"], 'l': t["login-key"], 'p': t["password-key"], 's': t["schema-key"], 'o': "port", 'e': "extra"}
	var members []string
	for _, which := range t["order"] {
		switch {
		case which == 'm':
			members = append(members, t["more"])
		case value[which] != "":
			members = append(members, `"`+key[which]+`"`+t["colon"]+value[which])
		}
	}
	members = slices.DeleteFunc(members, func(member string) bool { return member == "" })
	return t["start"] + strings.Join(members, t["comma"]) + t["end"]
}
