package envfile

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// hard are values that a careless quoting changes.
func hard() []string {
	every := make([]byte, 0, 255)
	for b := range 255 {
		every = append(every, byte(b+1)) // all but NUL
	}
	return []string{
		"", "plain", "'", "''", `'\''`, `\`, `\'`, "a'b", "'a", "a'", "\n", "\n\n", "a\nb\n", "\r\n", " a ", "\t", `"$HOME" ${HOME} $(id) ` + "`id`", "!", "#", "a#b",
		"; exit 1", "\nexit 1\n", "a=b=c", "größe ☃ 😀", "\xff\xfe", "\x01\x7f\x80\x81\x82\x88\x9f\xa0", string(every), strings.Repeat("'", 1000), strings.Repeat("x\n'", 30_000),
	}
}

func file() File {
	f := File{Unset: []string{"GONE", "GONE_TOO"}}
	for i, value := range hard() {
		f.Set = append(f.Set, Variable{"AIRFLOW_CONN_" + strings.Repeat("V", i+1), value}, Variable{"AIRFLOW_CONN_a/b.c-d@e+" + strings.Repeat("v", i+1), value})
	}
	return f
}

func equal(a, b File) bool { return slices.Equal(a.Unset, b.Unset) && slices.Equal(a.Set, b.Set) }

func TestParseReadsWhatBytesWrote(t *testing.T) {
	for _, f := range []File{{}, {Unset: []string{"A"}}, {Set: []Variable{{"A", ""}}}, file()} {
		got, err := Parse(f.Bytes())
		if err != nil || !equal(got, f) {
			t.Errorf("%d variables became %d others (%v)", len(f.Set), len(got.Set), err)
		}
	}
}

func TestParseReadsAnythingThatBytesWrote(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var f File
		for range random.IntN(4) {
			v := Variable{Name: "N" + nasty(random), Value: nasty(random)}
			v.Name = strings.Map(func(r rune) rune {
				if r == '=' || r == '\n' {
					return '-'
				}
				return r
			}, v.Name)
			f.Set = append(f.Set, v)
		}
		if got, err := Parse(f.Bytes()); err != nil || !equal(got, f) {
			t.Fatalf("%q became %q (%v)", f, got, err)
		}
	}
}

func nasty(random *rand.Rand) string {
	parts := []string{"'", `\`, "\n", "=", ": '", "unset A", "A", "x", "''", `'\''`, "\x80", "é", " "}
	var b strings.Builder
	for range random.IntN(6) {
		b.WriteString(parts[random.IntN(len(parts))])
	}
	return b.String()
}

// A shell that sources the file has, and gives on, the same variables as Parse says, and runs nothing that is in them.
func TestShellsSourceIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "airflow.env")
	f := file()
	if err := os.WriteFile(path, f.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, v := range f.Set {
		if IsShellName(v.Name) {
			want[v.Name] = v.Value
		}
	}
	for _, shell := range [][]string{{"dash"}, {"bash"}, {"bash", "--posix"}} {
		for _, locale := range []string{"C", "C.UTF-8"} {
			t.Run(strings.Join(shell, " ")+" in "+locale, func(t *testing.T) {
				if got := sourced(t, shell, locale, path); !maps.Equal(got, want) {
					for name, value := range want {
						if got[name] != value {
							t.Errorf("%s is %.60q, expected %.60q", name, got[name], value)
						}
					}
					t.Errorf("the shell gives on %d variables, expected %d", len(got), len(want))
				}
			})
		}
	}
}

// sourced is the environment that a program has which the shell starts, without the shell's own variables.
func sourced(t *testing.T, shell []string, locale, path string) map[string]string {
	t.Helper()
	command := exec.CommandContext(t.Context(), shell[0], append(shell[1:], "-c", "set -e -u -a; . "+path+"; exec cat /proc/self/environ")...)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=" + locale, "GONE=x", "GONE_TOO=x"}
	output, err := command.Output()
	if err != nil {
		var failed *exec.ExitError
		errors.As(err, &failed)
		t.Fatalf("%v: %s", err, failed.Stderr)
	}
	got := map[string]string{}
	for variable := range bytes.SplitSeq(bytes.TrimSuffix(output, []byte{0}), []byte{0}) {
		name, value, _ := strings.Cut(string(variable), "=")
		if !slices.Contains([]string{"PATH", "LC_ALL", "PWD", "OLDPWD", "SHLVL", "_"}, name) {
			got[name] = value
		}
	}
	return got
}

// A broken file is refused with the number of the line, and nothing of it is shown.
func TestParseRefuses(t *testing.T) {
	tests := map[string]string{
		"A='c4n4ry\n":              "line 1: expected a closing quote",
		"A='x'\nB=c4n4ry\n":        "line 2: expected a quote",
		"A='c4\nn4ry'\nB='x":       "line 3: expected a closing quote",
		"A='c4n4ry'x\n":            "line 1: expected the end of the line",
		"A='c4n4ry'":               "line 1: expected the end of the line",
		`A='c4n4ry'\`:              "line 1: expected the end of the line",
		`A='c4n4ry'\'`:             "line 1: expected a quote",
		"c4n4ry-A='x'\n":           "line 1: expected NAME='value'",
		"='c4n4ry'\n":              "line 1: expected NAME='value'",
		"c4n4ry\n":                 "line 1: expected NAME='value'",
		": 'c4n4ry'\n":             "line 1: expected 'NAME=value'",
		": '=c4n4ry'\n":            "line 1: expected 'NAME=value'",
		": c4n4ry=x\n":             "line 1: expected a quote",
		"unset c4n4ry-A\n":         "line 1: expected the name",
		"unset c4n4ry":             "line 1: expected the name",
		"\n":                       "line 1: expected NAME='value'",
		"A='x'\r\nc4n4ry":          "line 1: expected the end of the line",
		"export A='c4n4ry'\n":      "line 1: expected NAME='value'",
		"A=\"c4n4ry\"\n":           "line 1: expected a quote",
		"A='x'\n\x00c4n4ry='x'\n":  "line 2: expected NAME='value'",
		"unset \nc4n4ry\n":         "line 1: expected the name",
		"A='1'\nA B='c4n4ry'\n":    "line 2: expected NAME='value'",
		": 'A=x'; echo c4n4ry\n":   "line 1: expected the end of the line",
		"A='x' B='c4n4ry'\n":       "line 1: expected the end of the line",
		"A='a'\nB='b\nb'\nc4n4ry=": "line 4: expected a quote",
	}
	for text, want := range tests {
		f, err := Parse([]byte(text))
		if err == nil || strings.Contains(err.Error(), "c4") || len(f.Set) > 0 {
			t.Errorf("%q gives %v (%v)", text, f, err)
			continue
		}
		if got := err.Error(); !strings.HasPrefix(got, want) {
			t.Errorf("%q gives %q, expected %q", text, got, want)
		}
	}
}

func TestIsShellName(t *testing.T) {
	for name, want := range map[string]bool{
		"A": true, "_": true, "a1_B": true, "AIRFLOW_CONN_DB": true, "": false, "1A": false, "A-B": false, "A.B": false, "A/B": false, "A B": false, "Ä": false, "A\n": false, "A=": false,
	} {
		if IsShellName(name) != want {
			t.Errorf("%q: %v, expected %v", name, !want, want)
		}
	}
}
