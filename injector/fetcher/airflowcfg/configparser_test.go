package airflowcfg_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/airflowcfg"
	"github.com/airflow-secrets/airflow-secrets/test/inputs"
)

// asked is what each generated file is asked for. The file that is generated knows these names and a few more.
var asked = [][2]string{
	{"secrets", "backend"}, {"secrets", "backend_kwargs"}, {"workers", "backend"}, {"workers", "a b"}, {"Secrets", "backend"}, {"DEFAULT", "a b"},
}

// TestFilesAsConfigparser holds many files, each question to each and each line told in an error to Python's own
// configparser.
func TestFilesAsConfigparser(t *testing.T) {
	python := startPython(t)
	outcomes := inputs.Try(t, func(input []byte) (string, error) { return compare(python, generate(input)) })
	all := 0
	for _, n := range outcomes {
		all += n
	}
	if all >= 1000 && 3*outcomes["refused"] > 2*all {
		t.Errorf("%d of %d files were refused, expected two thirds at most: the others hardly test anything", outcomes["refused"], all)
	}
	for _, kind := range []string{"refused", "absent", "value", "broken", "variable", "home", "cut"} {
		if all >= 1000 && outcomes[kind] == 0 {
			t.Errorf("no file came to %q", kind)
		}
	}
}

// TestReadingsAsConfigparser does the same with the files that Airflow reads.
func TestReadingsAsConfigparser(t *testing.T) {
	python := startPython(t)
	for title, r := range readings {
		if _, err := compare(python, r.text); err != nil {
			t.Errorf("%s: %v", title, err)
		}
	}
}

// compare holds one file to Python. Its outcome is that of the last question whose answer is not "absent".
func compare(python *python, text string) (outcome string, err error) {
	theirs, err := python.read(text)
	if err != nil {
		return "", err
	}
	file, err := airflowcfg.Parse(text)
	if err != nil || theirs.Failed != nil {
		if err := sameLine(err, theirs); err != nil {
			return "", fmt.Errorf("%w: %q", err, text)
		}
		return "refused", nil
	}
	outcome = "absent"
	for i, names := range asked {
		kind, value, err := kindOf(file, names)
		if err != nil && strings.Contains(err.Error(), hidden) {
			return "", fmt.Errorf("[%s] %s of %q is told in an error: %w", names[0], names[1], text, err)
		}
		their := theirs.Answers[i]
		if kind != "cut" && (kind != their.Kind || value != their.Value) {
			return "", fmt.Errorf("[%s] %s of %q is %s %q (%v), expected %s %q", names[0], names[1], text, kind, value, err, their.Kind, their.Value)
		}
		if kind != "absent" {
			outcome = kind
		}
	}
	return outcome, nil
}

// kindOf says in the words of configparser_reader.py what became of an option. "cut" is a word of our own.
func kindOf(file airflowcfg.File, names [2]string) (kind, value string, err error) {
	value, ok, err := file.Get(names[0], names[1])
	switch {
	case err == nil && ok:
		return "value", value, nil
	case err == nil:
		return "absent", "", nil
	}
	for part, kind := range map[string]string{"environment variable": "variable", "home directory": "home", "versions of Python": "cut"} {
		if strings.Contains(err.Error(), part) {
			return kind, "", err
		}
	}
	return "broken", "", err
}

// sameLine checks that both sides refuse a file, and for the same line.
func sameLine(err error, theirs result) error {
	switch {
	case err == nil:
		return fmt.Errorf("was read, expected an error on line %d", *theirs.Failed)
	case theirs.Failed == nil:
		return fmt.Errorf("came to the error %w, expected none", err)
	case strings.Contains(err.Error(), hidden):
		return fmt.Errorf("the error tells what is in the file: %w", err)
	}
	told := regexp.MustCompile(`^line (\d+): `).FindStringSubmatch(err.Error())
	if told == nil {
		return fmt.Errorf("came to the error %w, expected one with a line", err)
	}
	line, _ := strconv.Atoi(told[1])
	if line != *theirs.Failed && !(theirs.OrBefore && line < *theirs.Failed) && *theirs.Failed != 0 {
		return fmt.Errorf("came to the error %w, expected line %d", err, *theirs.Failed)
	}
	return nil
}

// python is Python's configparser in a process of its own.
type python struct {
	one       sync.Mutex
	questions *json.Encoder
	answers   *bufio.Reader
}

// result is what became of a file there.
type result struct {
	Failed   *int // a line; 0 is an error that names none
	OrBefore bool `json:"or_before"`
	Answers  []struct{ Kind, Value string }
}

func startPython(t *testing.T) *python {
	t.Helper()
	program, err := exec.LookPath("python3")
	if err != nil {
		t.Fatalf("there is no python3, whose configparser says how a file is read: install Python 3.10 or later, and put it on the PATH (%v)", err)
	}
	command := exec.CommandContext(t.Context(), program, "testdata/configparser_reader.py")
	command.Stderr, command.Env = os.Stderr, append(os.Environ(), "PYTHONIOENCODING=utf-8")
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("starting %s: %v", program, err)
	}
	t.Cleanup(func() { command.Wait() }) // the test's context has ended it by then
	return &python{questions: json.NewEncoder(stdin), answers: bufio.NewReader(stdout)}
}

// read puts a file and all that is asked for to Python.
func (p *python) read(text string) (result, error) {
	p.one.Lock()
	defer p.one.Unlock()
	if err := p.questions.Encode(map[string]any{"text": []byte(text), "options": asked}); err != nil {
		return result{}, fmt.Errorf("asking Python: %w", err)
	}
	line, err := p.answers.ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return result{}, errors.New("hearing Python: it has ended, and its last words are above")
	}
	if err != nil {
		return result{}, fmt.Errorf("hearing Python: %w", err)
	}
	var r result
	if err := json.Unmarshal(line, &r); err != nil {
		return result{}, fmt.Errorf("hearing Python: %w", err)
	}
	return r, nil
}
