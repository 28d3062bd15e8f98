package airflow

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// jsonValue is a value as Python's json.loads has it. The zero jsonValue is null, which is also what a missing key
// counts for.
type jsonValue struct {
	kind    kind
	token   string      // of a boolean or a number: as it stands in the text, so that no digit is lost
	text    []rune      // of a string: its characters, in which a surrogate may stand alone
	items   []jsonValue // of an array
	members []member    // of an object, no key twice
}

type member struct {
	key   []rune
	value jsonValue
}

// kind is one of the kinds of JSON values, numbers parted as Python parts them.
type kind int

const (
	jsonNull kind = iota
	jsonBool
	jsonInt
	jsonFloat
	jsonString
	jsonArray
	jsonObject
)

// String names a kind as it stands in a sentence.
func (k kind) String() string {
	return []string{"null", "a boolean", "a number", "a number", "a string", "an array", "an object"}[k]
}

// textValue is the JSON string of s.
func textValue(s string) jsonValue { return jsonValue{kind: jsonString, text: []rune(s)} }

// field is a member of the object that objectOf makes.
type field struct {
	name  string
	value jsonValue
}

// objectOf is an object of the fields that are not null.
func objectOf(fields ...field) jsonValue {
	made := jsonValue{kind: jsonObject}
	for _, f := range fields {
		if f.value.kind != jsonNull {
			made.members = append(made.members, member{[]rune(f.name), f.value})
		}
	}
	return made
}

// has tells whether an object has a key.
func (v jsonValue) has(key string) bool {
	return slices.ContainsFunc(v.members, func(m member) bool { return string(m.key) == key })
}

// first is the value of an object's first key that is one of words, null where there is none.
func (v jsonValue) first(words []string) jsonValue {
	i := slices.IndexFunc(v.members, func(m member) bool {
		return slices.ContainsFunc(words, func(word string) bool { return slices.Equal(m.key, []rune(word)) })
	})
	if i < 0 {
		return jsonValue{}
	}
	return v.members[i].value
}

// holds tells whether an array holds a string.
func (v jsonValue) holds(s string) bool {
	return slices.ContainsFunc(v.items, func(item jsonValue) bool { return item.kind == jsonString && string(item.text) == s })
}

func replaceRune(s []rune, old, new rune) []rune {
	replaced := slices.Clone(s)
	for i, r := range replaced {
		if r == old {
			replaced[i] = new
		}
	}
	return replaced
}

// ascii is rule 9: JSON in ASCII alone, since LocalFilesystemBackend opens its file in the encoding of the locale,
// which in a container without LANG may be ASCII.
//
// Source: _parse_json_file of airflow/secrets/local_filesystem.py.
func ascii(v jsonValue) string {
	var b strings.Builder
	write(&b, v)
	return b.String()
}

func write(b *strings.Builder, v jsonValue) {
	switch v.kind {
	case jsonNull:
		b.WriteString("null")
	case jsonBool, jsonInt, jsonFloat:
		b.WriteString(v.token)
	case jsonString:
		writeQuoted(b, v.text)
	case jsonArray:
		b.WriteByte('[')
		for i, item := range v.items {
			writeSeparator(b, i)
			write(b, item)
		}
		b.WriteByte(']')
	case jsonObject:
		b.WriteByte('{')
		for i, m := range v.members {
			writeSeparator(b, i)
			writeQuoted(b, m.key)
			b.WriteString(": ")
			write(b, m.value)
		}
		b.WriteByte('}')
	}
}

func writeSeparator(b *strings.Builder, i int) {
	if i > 0 {
		b.WriteString(", ")
	}
}

// quote is a JSON string of s in ASCII.
func quote(s []rune) string {
	var b strings.Builder
	writeQuoted(&b, s)
	return b.String()
}

func writeQuoted(b *strings.Builder, s []rune) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case ' ' <= r && r <= '~':
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			writeEscape(b, high)
			writeEscape(b, low)
		default:
			writeEscape(b, r)
		}
	}
	b.WriteByte('"')
}

// writeEscape writes one UTF-16 unit as \uXXXX.
func writeEscape(b *strings.Builder, unit rune) {
	b.WriteString(`\u`)
	b.WriteString(strconv.FormatInt(int64(0x10000+unit), 16)[1:])
}
