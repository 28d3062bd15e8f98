package airflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
	"github.com/airflow-secrets/airflow-secrets/test/inputs"
)

// TestValues holds what becomes of many values, as connections and as variables, to what is promised of every value
// (values.check). They are made from those of the corpus; `make fuzz` tries a million.
func TestValues(t *testing.T) {
	v := newValues(t)
	outcomes := inputs.Try(t, func(input []byte) (string, error) { return v.check(v.make(input)) })
	all, delivered := 0, 0
	for outcome, n := range outcomes {
		all += n
		if outcome == asObject || outcome == asURI {
			delivered += n
		}
	}
	if all > 1 && 3*delivered < all {
		t.Errorf("%d of %d values were delivered, expected a third: the others hardly test the rules", delivered, all)
	}
}

// FuzzConnection lets Go's fuzzer look for values that TestValues has not tried.
func FuzzConnection(f *testing.F) {
	v := newValues(f)
	for _, value := range slices.Concat(v.objects, v.texts) {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if _, err := v.check(value); err != nil {
			t.Error(err)
		}
	})
}

// The outcomes of a connection that is delivered.
const (
	asObject = "delivered as an object"
	asURI    = "delivered as a URI"
)

// values makes values and checks what becomes of them.
type values struct {
	objects, texts []string // those of the corpus
	words          *regexp.Regexp
	said           sync.Map // messages that words matches
}

func newValues(t testing.TB) *values {
	t.Helper()
	byHand, err := corpus.Read()
	if err != nil {
		t.Fatal(err)
	}
	v := &values{words: ownWords(t)}
	for _, c := range []corpus.Corpus{byHand, corpus.Generate()} {
		for _, s := range slices.Concat(c.Connections, c.Variables) {
			if text := s.Text(); strings.HasPrefix(strip(text), "{") {
				v.objects = append(v.objects, text)
			} else {
				v.texts = append(v.texts, text)
			}
		}
	}
	return v
}

// ownWords matches what is said in nothing but the texts in this package's code, the codes' sentences and short numbers:
// a message that matches has nothing from the value.
func ownWords(t testing.TB) *regexp.Regexp {
	t.Helper()
	words := []string{": ", "[0-9]{1,5}"}
	add := func(text string) {
		for _, word := range verb.Split(strings.ReplaceAll(text, "%%", "%"), -1) {
			if len(word) > 3 { // shorter ones are what parsers look for
				words = append(words, regexp.QuoteMeta(word))
			}
		}
	}
	for _, file := range sources(t) {
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, _ := strconv.Unquote(literal.Value)
				add(text)
			}
			return true
		})
	}
	for _, code := range contract.Codes() {
		add(code.Sentence())
	}
	return regexp.MustCompile("^(?:" + strings.Join(words, "|") + ")*$")
}

// sources are this package's files without its tests.
func sources(t testing.TB) []*ast.File {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := goparser.ParseFile(token.NewFileSet(), name, nil, goparser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// verb is what the code fills in.
var verb = regexp.MustCompile("%[a-z]")

// make takes a known value and changes it: a piece is taken out, written over or repeated, or comes from another value.
// Some values are bytes of no meaning.
func (v *values) make(input []byte) string {
	c := inputs.From(input)
	if c.OneIn(32) {
		return string(c.Rest())
	}
	known := inputs.Of(c, v.objects, v.texts)
	value := inputs.Of(c, known...)
	for range c.Below(4) {
		from, to := piece(c, value)
		put := value[from:to]
		switch c.Below(5) {
		case 0:
			put = ""
		case 1:
			put += put
		case 2:
			other := inputs.Of(c, known...)
			start, end := piece(c, other)
			put = other[start:end]
		case 3:
			put = inputs.Of(c, "{", "}", `"`, ":", "://", "@", "/", "%", "%00", "[", "]", "\\", `\ud83d`, "\xff", "\u2028", " ", "NaN", "-1e999", "0", ",", "null", "é")
		case 4:
			put, to = "", len(value) // cut off in the middle
		}
		value = value[:from] + put + value[to:]
	}
	return value[:min(len(value), 1<<16)]
}

// piece chooses a part of a value, which mostly begins and ends where a parser looks up.
func piece(c *inputs.Choices, value string) (from, to int) {
	next := func(at int) int {
		if i := strings.IndexAny(value[at:], "\"{}[]:,@/?&=#%\\"); i >= 0 {
			return at + i
		}
		return len(value)
	}
	from = c.Below(len(value) + 1)
	to = min(from+c.Below(64), len(value))
	if c.OneIn(4) {
		return from, to
	}
	return next(from), max(next(from), next(to))
}

// check converts a value twice each way. The outcome is that of the connection as it is read plainly.
func (v *values) check(value string) (outcome string, err error) {
	if err := v.checkVariable(value); err != nil {
		return "", fmt.Errorf("the variable %q: %w", value, err)
	}
	encoded := Reading{URLEncoded: true, Words: map[string][]string{"user": {"host", "extra"}, "port": {"login"}, "extra": {"port"}}}
	if _, err := v.checkReading(value, encoded); err != nil {
		return "", fmt.Errorf("the connection %q, read with %+v: %w", value, encoded, err)
	}
	if outcome, err = v.checkReading(value, Reading{}); err != nil {
		return "", fmt.Errorf("the connection %q: %w", value, err)
	}
	return outcome, nil
}

func (v *values) checkReading(value string, how Reading) (outcome string, err error) {
	connection, left := Connection(secret.New(value), how)
	again, leftAgain := Connection(secret.New(value), how)
	if connection.Unwrap() != again.Unwrap() || fmt.Sprint(left) != fmt.Sprint(leftAgain) {
		return "", fmt.Errorf("became %s (%v), then %s (%v)", connection.Unwrap(), left, again.Unwrap(), leftAgain)
	}
	return v.checkConnection(value, connection.Unwrap(), left)
}

// checkVariable expects a variable to be delivered as it is, unless it is no text.
func (v *values) checkVariable(value string) error {
	written, left := Variable(secret.New(value))
	var read string
	switch known := value == "" || !utf8.ValidString(value); {
	case known:
		_, err := v.checkLeftOut(value, left)
		return err
	case left != nil:
		return fmt.Errorf("left out: %w", left)
	case json.Unmarshal([]byte(written.Unwrap()), &read) != nil || read != value:
		return fmt.Errorf("became %s", written.Unwrap())
	}
	return errors.Join(notASCII(written.Unwrap()), checkFile(written.Unwrap()))
}

func (v *values) checkConnection(value, written string, left error) (outcome string, err error) {
	if left != nil {
		return v.checkLeftOut(value, left)
	}
	if err := errors.Join(notASCII(written), checkFile(written)); err != nil {
		return "", err
	}
	if !strings.HasPrefix(written, "{") {
		return asURI, checkText(value, written)
	}
	return asObject, checkObject(written)
}

// checkLeftOut expects one of two codes, and none of the value in what is said of it.
func (v *values) checkLeftOut(value string, left error) (outcome string, err error) {
	var why *contract.Error
	if !errors.As(left, &why) || why.Code != contract.SecretEmpty && why.Code != contract.SecretMalformed {
		return "", fmt.Errorf("left out with %v, expected a *contract.Error of code %s or %s", left, contract.SecretEmpty, contract.SecretMalformed)
	}
	if !v.isOwn(left.Error()) {
		return "", fmt.Errorf("the message has more than words of our own: %q", left)
	}
	return "left out as " + string(why.Code), nil
}

// isOwn remembers the messages it has seen, since there are few and matching is slow.
func (v *values) isOwn(message string) bool {
	if _, seen := v.said.Load(message); seen {
		return true
	}
	own := v.words.MatchString(message)
	if own {
		v.said.Store(message, true)
	}
	return own
}

func notASCII(written string) error {
	if i := strings.IndexFunc(written, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
		return fmt.Errorf("became %q, which is not printable ASCII at byte %d", written, i)
	}
	return nil
}

// constants are what Python reads and JSON does not have, and the strings that they may stand in.
var constants = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|-?Infinity|NaN`)

// asJSON makes JSON of what Python reads as JSON.
func asJSON(written string) []byte {
	if !strings.Contains(written, "NaN") && !strings.Contains(written, "Infinity") {
		return []byte(written)
	}
	return constants.ReplaceAllFunc([]byte(written), func(found []byte) []byte {
		if found[0] == '"' {
			return found
		}
		return []byte("0")
	})
}

// checkFile writes a file of several entries and reads it: an id that is hard to write, and an entry on either side.
func checkFile(written string) error {
	const id = "a/é\"\\\n"
	file := File(map[string]secret.Value{"A": secret.New(`"before"`), id: secret.New(written), "ö": secret.New("{}")})
	var read map[string]json.RawMessage
	if err := json.Unmarshal(asJSON(string(file)), &read); err != nil {
		return fmt.Errorf("the file %s: %w", file, err)
	}
	if len(read) != 3 || string(read["A"]) != `"before"` || string(read["ö"]) != "{}" || string(read[id]) != string(asJSON(written)) {
		return fmt.Errorf("the file reads as %s", read)
	}
	return notASCII(strings.ReplaceAll(string(file), "\n", ""))
}

// checkText expects the value itself, without the whitespace around it.
func checkText(value, written string) error {
	var read string
	if err := json.Unmarshal([]byte(written), &read); err != nil {
		return fmt.Errorf("became %s: %w", written, err)
	}
	before, after, found := strings.Cut(value, read)
	space := func(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }
	if !found || strings.TrimFunc(before+after, space) != "" || strings.TrimFunc(read, space) != read || read == "" {
		return fmt.Errorf("became %s", written)
	}
	return nil
}

// checkObject expects only fields that Connection(**object) takes, in the types that it builds.
func checkObject(written string) error {
	var read map[string]json.RawMessage
	if err := json.Unmarshal(asJSON(written), &read); err != nil {
		return fmt.Errorf("became %s: %w", written, err)
	}
	starts := map[string]string{ // field → what its value may start with
		"conn_type": `"[{`, "host": `"[{-0123456789tf`, "login": `"[{-0123456789tf`, "schema": `"[{-0123456789tf`, "password": `"`,
		"port": "-0123456789", "extra": `"`, "extra_dejson": "{",
	}
	for field, value := range read {
		if !strings.Contains(starts[field], string(value[:1])) || starts[field] == "" {
			return fmt.Errorf("became %s, and Airflow cannot build a connection of its %s", written, field)
		}
	}
	_, two := read["extra_dejson"]
	if _, one := read["extra"]; one && two {
		return fmt.Errorf("became %s, with two kinds of extra", written)
	}
	if port := string(read["port"]); strings.ContainsAny(port, ".eE") {
		return fmt.Errorf("became %s, with a port that is no integer", written)
	}
	return nil
}
