// Package pattern is Python's re.match, ignoring case, on Airflow ids, by Go's regular expressions.
//
// Airflow's SecretsManagerBackend looks an id up only where re.match(pattern, id, re.IGNORECASE) finds something
// (connections_lookup_pattern and its kind). The webhook compiles such patterns to refuse what cannot be followed, the
// fetcher to choose the secrets.
//
// Python's syntax is read by a parser of its own and written anew in Go's. Two facts make the two provably equal. Only
// whether an id matches is asked, not where nor by which group, so greedy and lazy are the same. And an id is a part of
// the name of a secret, so it has only the characters of letters.go: each thing in a pattern that takes one character
// becomes the very set of those that it takes, with case settled here and not by the rules of either language.
package pattern

import (
	"errors"
	"regexp"
)

// The bounds of a pattern. Python's parser takes two calls of its stack a level, and has 1000 of them for all of Airflow;
// Go's repeats nothing more than 1000 times, inner repeats counted in outer ones.
const (
	// MaxLength of a pattern's text, in characters.
	MaxLength = 1000
	// maxWritten is how many characters, sets and assertions there may be once each repeat is written out.
	maxWritten = 1000
	// maxDepth is how deep groups may be nested.
	maxDepth = 50
)

// Pattern is a compiled pattern. It is safe for use by several goroutines at once.
type Pattern struct {
	text    string
	machine *regexp.Regexp
}

// Compile reads a pattern as Python 3.8 to 3.14 do. It refuses what one of them refuses, and what Go's regular
// expressions cannot follow: look-ahead and look-behind, back-references, conditionals, atomic groups, possessive
// quantifiers. It refuses too what would have to be proved and nobody needs: the verbose flag, characters by name,
// characters outside ASCII, and what is larger than MaxLength and the other bounds.
//
// An error says only what would be right, as the end of "expected ...". It has no quotes, backslashes or semicolons, and
// no more of the pattern than a letter or a number.
func Compile(text string) (*Pattern, error) {
	translated, err := translate(text)
	if err != nil {
		return nil, err
	}
	machine, err := regexp.Compile(translated)
	if err != nil { // the bounds above are tighter than Go's, so there is no such pattern
		return nil, errors.New("a simpler pattern" + instead)
	}
	return &Pattern{text, machine}, nil
}

// Matches tells whether re.match, ignoring case, finds the pattern in the id: at its start, not necessarily up to its
// end. What cannot be an id, since it is empty or has a character that no name of a secret has, never matches: AWS would
// find nothing by it either.
func (p *Pattern) Matches(id string) bool {
	for i := range len(id) {
		if !idLetters.has(id[i]) {
			return false
		}
	}
	return id != "" && p.machine.MatchString(id)
}

// String is the pattern as it was given.
func (p *Pattern) String() string { return p.text }
