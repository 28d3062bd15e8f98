package pattern_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract/pattern"
)

// pythonEnv names the Python to compare with: any from 3.8 on, with nothing installed. Without it, it is the python3 of
// the PATH.
const pythonEnv = "PYTHON"

// question is asked of testdata/match.py, which tells what its answer holds.
type question struct {
	Pattern string   `json:"pattern"`
	IDs     []string `json:"ids"`
}

type answer struct {
	Error      string   `json:"error"`
	Position   *int     `json:"position"`
	Slow       bool     `json:"slow"`
	Matches    []bool   `json:"matches"`
	Constructs []string `json:"constructs"`
	Repeats    int      `json:"repeats"`
}

// python is one process that answers all questions of a test.
type python struct {
	mutex     sync.Mutex
	questions io.Writer
	answers   *bufio.Reader
	stderr    *bytes.Buffer // to be read once the process has ended
}

func startPython(t *testing.T) *python {
	t.Helper()
	name := os.Getenv(pythonEnv)
	if name == "" {
		name = "python3"
	}
	deadline, ok := t.Deadline()
	if !ok {
		deadline = time.Now().Add(24 * time.Hour)
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline) // t.Context ends before the cleanup below
	command := exec.CommandContext(ctx, name, "testdata/match.py")
	p := &python{stderr: new(bytes.Buffer)}
	command.Stderr = p.stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("starting Python, which the patterns are compared with: %v: install python3 and put it on the PATH, or set %s to one", err, pythonEnv)
	}
	t.Cleanup(func() {
		defer cancel()
		in.Close()
		if err := command.Wait(); err != nil {
			t.Errorf("testdata/match.py ended: %v\n%s", err, p.stderr)
		}
	})
	p.questions, p.answers = in, bufio.NewReader(out)
	return p
}

// ask may be called from several goroutines.
func (p *python) ask(questions []question) ([]answer, error) {
	line, err := json.Marshal(questions)
	if err != nil {
		return nil, err
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if _, err := p.questions.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("asking Python about %s: %w", line, err)
	}
	reply, err := p.answers.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("reading what Python says to %s: %w", line, err)
	}
	var answers []answer
	if err := json.Unmarshal(reply, &answers); err != nil || len(answers) != len(questions) {
		return nil, fmt.Errorf("%d answers to %d questions: %s (%w)", len(answers), len(questions), reply, err)
	}
	return answers, nil
}

// refusals are the errors for what Python may accept, and how its answer shows that the pattern has such a thing.
var refusals = []struct {
	words string
	there func(question, answer) bool
}{
	{"look-ahead", has("ASSERT_AHEAD", "ASSERT_NOT_AHEAD", "FAILURE")},
	{"look-behind", has("ASSERT_BEHIND", "ASSERT_NOT_BEHIND")},
	{"back-references", has("GROUPREF")},
	{"conditionals", has("GROUPREF_EXISTS")},
	{"atomic groups", has("ATOMIC_GROUP")},
	{"possessive quantifiers", has("POSSESSIVE_REPEAT")},
	{"verbose flag", has("VERBOSE")},
	{"not at its start", has("LATE_FLAGS")}, // accepted before Python 3.11
	{"not by name", says(`\N{`)},
	{"backslash z", says(`\z`)}, // accepted from Python 3.14 on
	{"nested", func(q question, _ answer) bool { return strings.Count(q.Pattern, "(") > 50 }},
	{"repeats are written out", func(q question, a answer) bool { return len(q.Pattern)*a.Repeats > 1000 }},
	{"a pattern of at most 1000", func(q question, _ answer) bool { return len(q.Pattern) > 1000 }},
	{"ASCII characters", func(q question, a answer) bool {
		return has("NOT_ASCII")(q, a) || strings.ContainsFunc(q.Pattern, func(r rune) bool { return r > 127 })
	}},
}

func has(constructs ...string) func(question, answer) bool {
	return func(_ question, a answer) bool {
		for _, found := range a.Constructs {
			for _, construct := range constructs {
				if found == construct {
					return true
				}
			}
		}
		return false
	}
}

func says(text string) func(question, answer) bool {
	return func(q question, _ answer) bool { return strings.Contains(q.Pattern, text) }
}

// compare holds our answer against Python's, and tells what the two came to.
func compare(q question, a answer) (outcome string, err error) {
	p, err := pattern.Compile(q.Pattern)
	switch {
	case a.Slow:
		return "too slow for Python", nil
	case a.Error != "" && err != nil:
		return "both refuse", nil
	case a.Error != "":
		return "", fmt.Errorf("%q is compiled, and Python refuses it: %s", q.Pattern, a.Error)
	case err != nil:
		for _, r := range refusals {
			if strings.Contains(err.Error(), r.words) && r.there(q, a) {
				return "refused: " + r.words, nil
			}
		}
		return "", fmt.Errorf("%q is refused, and Python compiles it to %v, repeated %d times: %w", q.Pattern, a.Constructs, a.Repeats, err)
	}
	for i, id := range q.IDs {
		if p.Matches(id) != a.Matches[i] {
			return "", fmt.Errorf("%q matches %q: %v, and Python says %v", q.Pattern, id, p.Matches(id), a.Matches[i])
		}
	}
	return "both compile", nil
}
