// Package envfile is the format of airflow.env: a text that a POSIX shell can source (set -a; . ./airflow.env) and that
// fetcher exec reads, with the same result.
//
//	unset NAME
//	NAME='value'
//	: 'NAME=value'
//
// Each statement starts on a line of its own. Between the quotes every byte is itself, line feeds included; only a quote is
// written as the end of the text, \' and its start again. The third form is for a name that no shell takes: to a shell it is
// the command that does nothing.
package envfile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// File is what a file does to an environment: first some variables go, then others come.
type File struct {
	Unset []string // names that a shell takes
	Set   []Variable
}

// Variable is an environment variable. Its value may be a secret.
type Variable struct{ Name, Value string }

// IsShellName says whether a shell can have a variable of that name. dash drops any other from the environment of what it
// starts; bash, dumb-init and Python keep them.
func IsShellName(name string) bool {
	for i, r := range name {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if digit := '0' <= r && r <= '9'; !letter && (i == 0 || !digit) {
			return false
		}
	}
	return name != ""
}

const (
	unset = "unset "
	other = ": "
	// quoted is a quote between quotes: the end of them, the quote, and their start again.
	quoted = `'\''`
)

// Bytes is the file's text. Names have neither = nor NUL nor a line feed, values no NUL: no environment could hold them.
func (f File) Bytes() []byte {
	var text bytes.Buffer
	for _, name := range f.Unset {
		text.WriteString(unset + name + "\n")
	}
	for _, v := range f.Set {
		if IsShellName(v.Name) {
			text.WriteString(v.Name + "=" + quote(v.Value) + "\n")
		} else {
			text.WriteString(other + quote(v.Name+"="+v.Value) + "\n")
		}
	}
	return text.Bytes()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", quoted) + "'" }

// Parse reads what Bytes wrote. Its error names the line and shows nothing of it.
func Parse(text []byte) (File, error) {
	p := parser{rest: string(text)}
	var f File
	for p.rest != "" {
		if err := p.statement(&f); err != nil {
			line := 1 + bytes.Count(text[:len(text)-len(p.rest)], []byte("\n"))
			return File{}, fmt.Errorf("line %d: %w", line, err)
		}
	}
	return f, nil
}

// parser stands at the start of what it could not read yet.
type parser struct{ rest string }

// statement reads one, and moves past it only if there is no mistake in it.
func (p *parser) statement(f *File) error {
	if rest, ok := strings.CutPrefix(p.rest, unset); ok {
		name, rest, ended := strings.Cut(rest, "\n")
		if !ended || !IsShellName(name) {
			return errors.New("expected the name of a variable after unset")
		}
		f.Unset, p.rest = append(f.Unset, name), rest
		return nil
	}
	if rest, ok := strings.CutPrefix(p.rest, other); ok {
		text, rest, err := unquote(rest)
		if err != nil {
			return err
		}
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" {
			return errors.New("expected 'NAME=value' after the colon")
		}
		f.Set, p.rest = append(f.Set, Variable{name, value}), rest
		return nil
	}
	name, rest, found := strings.Cut(p.rest, "=")
	if !found || !IsShellName(name) {
		return errors.New("expected NAME='value', : 'NAME=value' or unset NAME")
	}
	value, rest, err := unquote(rest)
	if err != nil {
		return err
	}
	f.Set, p.rest = append(f.Set, Variable{name, value}), rest
	return nil
}

// unquote reads a text in quotes and the end of its line.
func unquote(s string) (text, rest string, err error) {
	var b strings.Builder
	for first := true; ; first = false {
		var ok bool
		if !first {
			if s, ok = strings.CutPrefix(s, `\'`); !ok {
				break
			}
			b.WriteByte('\'')
		}
		if s, ok = strings.CutPrefix(s, "'"); !ok {
			return "", "", errors.New("expected a quote")
		}
		part, after, closed := strings.Cut(s, "'")
		if !closed {
			return "", "", errors.New("expected a closing quote before the end of the file")
		}
		b.WriteString(part)
		s = after
	}
	rest, ok := strings.CutPrefix(s, "\n")
	if !ok {
		return "", "", errors.New("expected the end of the line after the closing quote")
	}
	return b.String(), rest, nil
}
