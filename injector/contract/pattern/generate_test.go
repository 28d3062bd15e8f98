package pattern_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract/pattern"
	"github.com/airflow-secrets/airflow-secrets/test/inputs"
)

// perInput is at most how many patterns are made of one input, each of what is left of it.
const perInput = 8

// TestPatterns compares with Python what both say to many patterns, each with several ids. The counts that it
// logs are what keeps it from becoming a test of nothing.
func TestPatterns(t *testing.T) {
	python := startPython(t)
	var mutex sync.Mutex
	outcomes, matches, all := map[string]int{}, map[bool]int{}, 0
	inputs.Try(t, func(input []byte) (string, error) {
		c := inputs.From(input)
		questions := []question{}
		for text := anyPattern(c); text != "" && len(questions) < perInput; text = anyPattern(c) { // until the input is used up
			questions = append(questions, question{text, anyIDs(c)})
		}
		answers, err := python.ask(questions)
		if err != nil {
			return "", err
		}
		mutex.Lock()
		defer mutex.Unlock()
		for i, q := range questions {
			outcome, err := compare(q, answers[i])
			if err != nil {
				return "", err
			}
			outcomes[outcome]++
			all++
			for _, matched := range answers[i].Matches {
				matches[matched]++
			}
		}
		return "answered as Python does", nil
	})
	t.Logf("%d patterns: %v, ids that matched: %v", all, outcomes, matches)
	if all < 1000 {
		return // too few to tell
	}
	switch {
	case outcomes["both compile"]*10 < all*4, outcomes["both refuse"]*20 < all, outcomes["too slow for Python"]*100 > all:
		t.Error("expected two in five patterns compiled by both, one in twenty refused by both, and hardly one too slow for Python: the generator has gone stale")
	case min(matches[true], matches[false]) < all:
		t.Error("expected as many ids of either answer as there are patterns: the generator has gone stale")
	}
}

// FuzzCompile lets Go's fuzzer look for a pattern that panics, and for an error that cannot be shown.
func FuzzCompile(f *testing.F) {
	for n := range byte(32) {
		f.Add(anyPattern(inputs.From([]byte{n, n, n + 1, n * 7, n * 13, n, n * 3, n * 5, n, n, n})), "aws_a")
	}
	f.Fuzz(func(t *testing.T, text, id string) {
		p, err := pattern.Compile(text)
		if err != nil {
			checkWords(t, err)
			return
		}
		p.Matches(id)
		if p.String() != text {
			t.Errorf("%q prints as %q", text, p)
		}
	})
}

// checkWords holds an error to what people can read: see problem.go of package injector.
func checkWords(t *testing.T, err error) {
	t.Helper()
	if strings.ContainsAny(err.Error(), "\"'`\\;\n") || len(err.Error()) > 250 {
		t.Errorf("%q, expected at most 250 characters and neither quotes, backslashes, semicolons nor line feeds", err)
	}
}

func anyIDs(c *inputs.Choices) []string {
	ids := make([]string, 6)
	for i := range ids {
		for range 1 + c.Below(3) {
			ids[i] += inputs.Of(c, "a", "b", "aws_", "_", "-", "k", "S", "1", "/", ".", "@", "A", "B", "z", "K", "i", "I", "=", "+", "Z")
		}
	}
	return ids
}

// anyPattern is mostly one that Python compiles. One in twelve is spoilt.
func anyPattern(c *inputs.Choices) string {
	text := inputs.Of(c, "", "^", "", "(?i)", "", "(?#c)(?s)", "", "(?ma)", "", `\A`, "", "(?u)(?a)") + anyAlternatives(c, 3)
	if !c.OneIn(12) || text == "" {
		return text
	}
	i := c.Below(len(text))
	return text[:i] + inputs.Of(c, "", "(", ")", "[", "]", "{", "}", "|", "?", "*", "\\", "-", "^", "1", ",", "x") + text[i+c.Below(2):]
}

func anyAlternatives(c *inputs.Choices, depth int) string {
	text := anySequence(c, depth)
	for c.OneIn(4) {
		text += "|" + anySequence(c, depth)
	}
	return text
}

func anySequence(c *inputs.Choices, depth int) (text string) {
	for range c.Below(4) {
		text += anyUnit(c, depth)
		if c.OneIn(3) {
			text += anyQuantifier(c)
		}
	}
	return text
}

func anyUnit(c *inputs.Choices, depth int) string {
	switch kind := c.Below(16); {
	case kind < 6:
		return inputs.Of(c, "a", "b", "aws_", "_", "-", "k", "S", "1", "/", ".", "@", "A", "z", "K", "i", "I", "=", " ", "#", "}", "]")
	case kind < 9:
		return inputs.Of(c, `\d`, `\D`, `\w`, `\W`, `\s`, `\S`, `\b`, `\B`, `\Z`, `\A`, "^", "$", ".", `\.`, `\-`, `\_`, `\/`, `\\`, `\n`, `\v`,
			`\x41`, `\101`, `\0`, `\07`, `\137`, `\u0061`, `\U0000006b`, `\x4B`, "{", "{a", "{1", "{1,", "a{,b")
	case kind < 11:
		return anyClass(c)
	case kind < 14 && depth > 0:
		return inputs.Of(c, "(", "(?:", "(", "(?:", "(?P<n>", "(?i:", "(?-i:", "(?s-i:", "(?ia:", "(?P<_2>", "(?m-s:", "(?#c)(") + anyAlternatives(c, depth-1) + ")"
	case kind == 14 && c.OneIn(2):
		return anythingNasty(c)
	}
	return "a"
}

func anyQuantifier(c *inputs.Choices) string {
	return inputs.Of(c, "*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{,2}", "{0}", "{2,}", "{,}", "{1,3}?", "{0,0}", "{}", "{01}", "?(?#c)", "(?#c)*",
		"{2,1}", "**", "*+", "{1}{2}", "{1 }", "{1001}", "{9,99999999999999999999}", "{ 1}", "?{")
}

func anyClass(c *inputs.Choices) string {
	text := "[" + inputs.Of(c, "", "^", "", "]", "-", "^]", "^-")
	for range 1 + c.Below(3) {
		text += inputs.Of(c, "a", "b", "K", "_", "a-c", "Z-a", "0-9", `\d`, `\w`, `\W`, `\D`, `\s`, `\S`, `\w-`, "[:alpha:", `\b`, `\x41-\x5a`, `\]`, "^", "--/",
			"!-~", `\0-\177`, `\101`, "&&", "|", `+-\x2e`, "-", "A-Z", "[", "k-k",
			`a-\d`, "z-a", `\Z`, `\400`, `\1`, `\8`, `\u212a`)
	}
	return text + "]"
}

// anythingNasty is what Python refuses, or Go cannot follow, or one may take for it.
func anythingNasty(c *inputs.Choices) string {
	return inputs.Of(c, "(?=a)", "(?!b)", "(?!)", "(?<=a)", "(?<!a)", `(a)\1`, `(?P<m>a)(?P=m)`, "(?>a)", "(a)?(?(1)a|b)", "(?P<o>a)(?(o)b)", `\N{DIGIT ONE}`, "(?x)",
		"(?x: a)", "(?-x:a)", `\z`, "é", `\u212a`, "[a-\u212a]", "a{1001}", "(?:a{40}){40}", "(?i)", "(?s)", "(?L)", "(?L:a)", "(?au:a)", "(?i-i:a)", "(?-a:a)",
		"(?-)", "(?i-)", "(?i", "(?)", "(?", "(?P", "(?P<", "(?P<n", "(?P<>a)", "(?P<1>a)", "(?P<n>a)(?P<n>b)", "(?P=q)", "(?P!a)", "(?<n>a)", "(?#", `(?#\)`, `(?#(?=\))`,
		`[(?=a)]`, `\(?=a`, `\8`, `\1`, `(\1)`, `(?P<p>(?P=p))`, `\18`, `\q`, `\x4`, `\u00`, `\U00110000`, `\400`, `\p{L}`, `\Qa\E`, "[", "[]", "[^]", "[a", "[a-", ")", "(",
		"()*", "(?:)+", "(?:^)*", "(^)*", `\b*`, "^*", "$?", "|*", "(*)", "(?i)*", "(?#c)*", "*", "{1}", "(?#é)")
}
