// Package secret holds the value that cannot print itself.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// Value is the text of a secret. However it is printed, logged or marshalled, it shows as Redacted; Unwrap is the one
// way to the text, and the one word to search the code for. The zero Value is the empty text. Values do not compare
// with ==; compare what they unwrap to.
//
// The text is behind a pointer because fmt calls no methods on unexported fields of other structs, nor for %p: it
// prints what it finds, and here that is an address.
type Value struct{ text *string }

// Redacted is what stands for a value wherever it is printed.
const Redacted = "[secret]"

// New wraps text.
func New(text string) Value { return Value{&text} }

// Unwrap is the text itself.
func (v Value) Unwrap() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

// Len is the length of the text in bytes.
func (v Value) Len() int { return len(v.Unwrap()) }

// String, GoString and Format hide the text from every verb of fmt, LogValue from slog, MarshalText from encoders.
func (v Value) String() string { return Redacted }

// GoString hides the text from %#v.
func (v Value) GoString() string { return Redacted }

// Format hides the text from every other verb, %x and %d of the struct's fields included.
func (v Value) Format(w fmt.State, _ rune) { io.WriteString(w, Redacted) }

// LogValue hides the text from log/slog.
func (v Value) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText hides the text from encoding/json and its kind.
func (v Value) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
