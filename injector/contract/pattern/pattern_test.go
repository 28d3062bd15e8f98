package pattern_test

import (
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract/pattern"
)

// TestMatches has what is easily got wrong, each with ids that match and ids that do not. Python is asked too.
func TestMatches(t *testing.T) {
	cases := []struct {
		why, pattern string
		yes, no      string // ids, separated by spaces
	}{
		{"a prefix", `^aws_`, "aws_default AWS_x aws_", "my_aws_ aws-default xaws_"},
		{"match, not search", `aws`, "aws aws_x AWS", "my_aws"},
		{"only the start is anchored", `a`, "ab a", "ba"},
		{"the empty pattern matches all", ``, "a _ -", ""},
		{"no alternative escapes the start", `^a|b`, "ax bx", "xb xa"},
		{"an empty alternative", `a|`, "a b", ""},
		{"the end", `a$`, "a A", "ab"},
		{"the very end", `a\Z`, "a A", "ab"},
		{"the start in the middle", `a^b|b$c`, "", "ab bc"},
		{"a dot", `a.c`, "abc a.c a/c", "ac"},
		{"a dot that is one", `a\.c`, "a.c", "abc"},
		{"case in a set", `[a-c]+$`, "aBc C", "d 1"},
		{"case in a negated set", `[^a-c]+$`, "dE _", "A b"},
		{"a range across the cases", `[Z-a]$`, "z Z A a _", "b Y 1"},
		{"a letter that folds to one outside ASCII", `[^k]s[^i]$`, "asa ASA", "Ksa kSa asI"},
		{"case not ignored", `(?-i:a)b`, "ab aB", "Ab"},
		{"case ignored again", `(?-i:a(?i:b))`, "ab aB", "Ab"},
		{"a negated set whose case is not ignored", `(?-i:[^a])$`, "A b", "a"},
		{"flags that make no difference", `(?ims)(?u)a$`, "a A", "ab"},
		{"scoped flags that make none", `(?sa-m:^a.$)`, "ab", "b"},
		{"flags after a comment", `(?#c)(?i)a`, "A", "b"},
		{"a comment with an escaped parenthesis", `(?#a\)b)c`, "c", "b bc"},
		{"a quantifier after a comment", `ab(?#c)*$`, "a abb", "b"},
		{"no least number", `a{,2}$`, "a aa", "aaa b"},
		{"no number", `ab{,}c`, "ac abbc", "a{,}c"},
		{"no greatest number", `a{2,}$`, "aa aaa", "a"},
		{"a lazy one", `a{1,2}?$`, "a aa", "aaa"},
		{"nothing of it", `a{0}b`, "b", "ab"},
		{"braces that are characters", `a{|b{}|c{1|d{,e|{f`, "", "a aa b c d"},
		{"a repeat of a group that repeats", `(?:a{2})*(b|)*$`, "aa aabb bb", "aab@ a"},
		{"a repeat of nothing", `(?:)*(^)+a`, "a", "b"},
		{"brackets in a set", `[]a]|[^]b]c`, "a ac", "b bc"},
		{"hyphens in a set", `[-a]+[b-][+--]$`, "--+ ab- a--", "ab. cb-"},
		{"a category before a hyphen", `[\d-]+$`, "1-", "a"},
		{"no class of POSIX", `[[:alpha:]]`, "", "a b"},
		{"no set operations", `[a-c&&b||~~[]$`, "a b c", "_ @"},
		{"categories", `\d\D\w\W\S$`, "1a_-/", "1a__/ aaa-/"},
		{"white space is in no id", `\sa|[\s]a|[^\S]a`, "", "a _a"},
		{"boundaries", `a\b.\Bb?-`, "a--", "ab- a-b"},
		{"a backspace", `[\ba]`, "a", "b"},
		{"octal numbers", `\101\060\0?[\53\101]\137`, "A0A_ a0a_ a0+_", "101"},
		{"hexadecimal numbers", `\x41\u0062\U00000063`, "abc ABC", "x41"},
		{"escapes that need not be", `\a?\/\_\=\@\+\-`, "/_=@+-", "a/_=@+-"},
		{"what other characters mean", `a[(?=][)*+]a{1}`, "a=+a", "aa a(*"},
		{"a name", `(?P<n_1>a)(?P<_>b)`, "ab", "a"},
	}
	python := startPython(t)
	for _, c := range cases {
		t.Run(c.why, func(t *testing.T) {
			p, err := pattern.Compile(c.pattern)
			if err != nil {
				t.Fatal(err)
			}
			yes, no := strings.Fields(c.yes), strings.Fields(c.no)
			for i, id := range append(yes, no...) {
				if want := i < len(yes); p.Matches(id) != want {
					t.Errorf("%q matches %q: %v, expected %v", p, id, !want, want)
				}
			}
			checkWithPython(t, python, question{c.pattern, append(yes, no...)})
		})
	}
}

func checkWithPython(t *testing.T, p *python, q question) answer {
	t.Helper()
	answers, err := p.ask([]question{q})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := compare(q, answers[0]); err != nil {
		t.Error(err)
	}
	return answers[0]
}

// TestPythonRefuses tells mistakes as Python tells them, by the position too.
func TestPythonRefuses(t *testing.T) {
	cases := []struct{ pattern, mistake string }{
		{`ab(c`, "a group without its closing parenthesis at position 2"},
		{`ab)c`, "unbalanced parenthesis at position 2"},
		{`a(?#b`, "a comment without its end at position 1"},
		{`a(?`, "nothing after (? at position 3"},
		{`a(?P`, "nothing after (?P at position 4"},
		{`a(?z)`, "unknown extension after (? at position 2"},
		{`a(?Q<n>b)`, "unknown extension after (? at position 2"},
		{`a(?Pz)`, "unknown extension after (?P at position 2"},
		{`a(?<n>b)`, "unknown extension (?<, where a named group is (?P<name>...) at position 2"},
		{`(?P<n`, "a name of a group without its end at position 4"},
		{`(?P<1>a)`, "a name of a group that does not start with a letter or _ at position 4"},
		{`(?P<a-b>a)`, "a name of a group with other characters than letters, digits and _ at position 4"},
		{`(?P<n>a)(?P<n>b)`, "a name that another group has at position 12"},
		{`a(?P=n)`, "reference to a group that is not there at position 5"},
		{`(?P<n>(?P=n))`, "reference to a group that is still open at position 10"},
		{`a\1`, "reference to a group that is not there at position 2"},
		{`(a)\18`, "reference to a group that is not there at position 4"},
		{`(a\1)`, "reference to a group that is still open at position 2"},
		{`a[bc`, "unterminated character set at position 1"},
		{`a[]`, "unterminated character set at position 1"},
		{`a[z-b]`, "bad character range at position 2"},
		{`a[b-\d]`, "bad character range at position 2"},
		{`a[\Z]`, "bad escape, a backslash before Z at position 2"},
		{`a\q`, "bad escape, a backslash before q at position 1"},
		{`a[\8]`, "bad escape, a backslash before 8 at position 2"},
		{`a\400`, "bad escape, the number of no character at position 1"},
		{`a\U00110000`, "bad escape, the number of no character at position 1"},
		{`a\x4`, "incomplete escape, which needs 2 hexadecimal digits at position 1"},
		{`ab\`, "nothing after the last backslash at position 2"},
		{`a|*`, "nothing to repeat at position 2"},
		{`a^*`, "nothing to repeat at position 2"},
		{`\b{2}`, "nothing to repeat at position 2"},
		{`(?i)+`, "nothing to repeat at position 4"},
		{`a**`, "a repeat of a repeat at position 2"},
		{`a{1}{2}`, "a repeat of a repeat at position 4"},
		{`a{2,1}`, "a repeat whose least number is greater than its greatest at position 2"},
		{`(?iz:a)`, "flags that are not known or have no end at position 3"},
		{`(?i`, "flags that are not known or have no end at position 3"},
		{`(?-i)a`, "flags that are not known or have no end at position 4"},
		{`(?L)a`, "the flag L, which is for bytes at position 3"},
		{`(?au:a)`, "the flags a and u together at position 4"},
		{`(?a)(?u)b`, "the flags a and u together"},
		{`(?-a:a)`, "the flags a or u turned off, which cannot be"},
		{`(?i-:a)`, "no flags after the hyphen at position 4"},
		{`(?i-i:a)`, "a flag turned on and off at once"},
	}
	python := startPython(t)
	for _, c := range cases {
		t.Run(c.pattern, func(t *testing.T) {
			_, err := pattern.Compile(c.pattern)
			want := "a regular expression that Python can compile: " + c.mistake
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Fatalf("%q is refused with %v, expected %s", c.pattern, err, want)
			}
			checkWords(t, err)
			if a := checkWithPython(t, python, question{c.pattern, []string{}}); a.Position != nil && strings.Contains(want, "position") && !strings.HasSuffix(a.Error, want[strings.LastIndex(want, " at position"):]) {
				t.Errorf("%q is refused by Python with %s, expected the position of %s", c.pattern, a.Error, want)
			}
		})
	}
}

// TestCannotFollow has each thing that Python may accept and Compile refuses, beside something like it that it takes.
func TestCannotFollow(t *testing.T) {
	const goCannot = ", which the regular expressions of Go cannot follow, or the ids listed in the annotations connections and variables instead"
	cases := []struct{ pattern, want, taken string }{
		{`(?=a)`, "a pattern without look-ahead (?=" + goCannot, `[(?=a)]`},
		{`(?!a)`, "a pattern without look-ahead (?!" + goCannot, `\(?!a`},
		{`(?<=a)`, "a pattern without look-behind (?<=" + goCannot, `(?#(?<=a)`},
		{`(?<!a)`, "a pattern without look-behind (?<!" + goCannot, `\(?<!a`},
		{`(a)\1`, "a pattern without back-references" + goCannot, `(a)\101`},
		{`(?P<n>a)(?P=n)`, "a pattern without back-references" + goCannot, `(?P<n>a)\(?P=n`},
		{`(a)?(?(1)b|c)`, "a pattern without conditionals (?(" + goCannot, `(a)?[(?(1)b|c)]`},
		{`(?>a)`, "a pattern without atomic groups (?>" + goCannot, `\(?>a`},
		{`a*+`, "a pattern without possessive quantifiers such as *+" + goCannot, `a*\+`},
		{`a{2}+`, "a pattern without possessive quantifiers such as *+" + goCannot, `a{2+`},
		{`(?x)a`, "a pattern without the verbose flag x, which is not supported", `a #b`},
		{`(?-x:a)`, "a pattern without the verbose flag x, which is not supported", `(?-i:x)`},
		{`a(?i)b`, "a regular expression that Python can compile: flags for the whole pattern that are not at its start at position 1", `(?i)ab`},
		{`((?i)a)`, "a regular expression that Python can compile: flags for the whole pattern that are not at its start at position 1", `(?i)(a)`},
		{`|(?i)a`, "a regular expression that Python can compile: flags for the whole pattern that are not at its start at position 1", `(?i)|a`},
		{`\N{DIGIT ONE}`, "a pattern with characters as they are and not by name (backslash N)", `\\N{DIGIT ONE}`},
		{`a\z`, "a pattern without backslash z, which only Python 3.14 and later know: backslash Z is the same", `a\Z`},
		{`é`, "a pattern of ASCII characters, since ids have no others", `\x7f`},
		{`[a-\xff]`, "a pattern of ASCII characters, since ids have no others", `[a-\x7f]`},
		{`\u212a`, "a pattern of ASCII characters, since ids have no others", `\u002a`},
		{strings.Repeat("a", 1001), "a pattern of at most 1000 characters, or the ids listed", strings.Repeat("a", 999)},
		{`a{1001}`, "a pattern that comes to at most 1000 characters when its repeats are written out, or the ids listed", `a{999}`},
		{`(?:a{32}){32}`, "a pattern that comes to at most 1000 characters when its repeats are written out, or", `(?:a{31}){31}`},
		{`(?:(?:){32}){0,32}`, "a pattern that comes to at most 1000 characters when its repeats are written out, or", `(?:(?:){31}){31,}`},
		{`(?:a){9223372036854775807}`, "a pattern that comes to at most 1000 characters when its repeats are written out, or", `(?:a){0,1}`},
		{`a{99999999999999999999}`, "a pattern that comes to at most 1000 characters when its repeats are written out, or", `a{0000000000000000000001}`},
		{strings.Repeat("(", 51) + strings.Repeat(")", 51), "a pattern with groups nested at most 50 deep, or", strings.Repeat("(", 50) + strings.Repeat(")", 50) + "(a)"},
	}
	python := startPython(t)
	for _, c := range cases {
		t.Run(c.pattern[:min(len(c.pattern), 30)], func(t *testing.T) {
			_, err := pattern.Compile(c.pattern)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Fatalf("%q is refused with %v, expected %s", c.pattern, err, c.want)
			}
			checkWords(t, err)
			checkWithPython(t, python, question{c.pattern, []string{}})
			if _, err := pattern.Compile(c.taken); err != nil {
				t.Error(err)
			}
			checkWithPython(t, python, question{c.taken, []string{"a", "aa", "x"}})
		})
	}
}

// TestNoID has what no name of a secret can hold.
func TestNoID(t *testing.T) {
	p, err := pattern.Compile(`.*`)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", "a\n", "a b", "é", "\u212a", "a\x00", "a:b", "\xff"} {
		if p.Matches(id) {
			t.Errorf("%q matches, expected that it cannot be an id", id)
		}
	}
	if every := "AZaz09/_+=.@-"; !p.Matches(every) {
		t.Errorf("%q does not match, expected every character of a secret's name to", every)
	}
}
