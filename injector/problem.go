package injector

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// problem is one mistake in a pod or in the cluster's defaults: what it is about, and either what is the matter with it
// or what was expected and what was found.
type problem struct {
	code     contract.Code
	subject  string // such as airflow-secrets/timeout
	is       string // what is the matter, with the next step
	expected string // what would be right, with the next step
	found    string // empty where showing it helps nobody, or might show a secret
	says     string // instead of all these: the whole, where the fetcher would say the same
}

// String is one line without quotes or semicolons: problems are joined by semicolons and travel inside JSON inside JSON
// until they reach Airflow's audit log, where each quote would be a row of backslashes.
func (p problem) String() string {
	if p.says != "" {
		return plain(p.says)
	}
	if p.is != "" {
		return plain(p.subject + " is " + p.is)
	}
	text := p.subject + ": expected " + p.expected
	if p.found != "" {
		text += ", found " + p.found
	}
	return plain(text)
}

// plain makes a text fit for that line.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune("\"'`\\", r):
			return -1
		case r == ';':
			return ','
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
}

// maxShown bounds how much of a wrong value is repeated to the one who wrote it, in characters.
const maxShown = 100

// shown is a wrong value as its writer should see it again.
func shown(value string) string {
	if value == "" {
		return "an empty value"
	}
	text := plain(strings.ReplaceAll(value, ";", "?"))
	if utf8.RuneCountInString(text) > maxShown {
		text = string([]rune(text)[:maxShown]) + "..."
	}
	if value != strings.TrimSpace(value) {
		return "(" + text + ") with white space around it"
	}
	return text
}
