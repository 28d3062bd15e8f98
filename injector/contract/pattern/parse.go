package pattern

import (
	"strconv"
	"strings"
)

// parser reads a pattern as Python's does (Lib/re/_parser.py, in older versions Lib/sre_parse.py).
type parser struct {
	text string
	at   int // where the next token starts

	depth  int
	begun  bool           // there was something that flags for the whole pattern must stand before
	groups []bool         // by number, less one: whether the group is closed
	names  map[string]int // of groups, to their numbers
	forAll string         // the flags that were set for the whole pattern
}

// piece is a part of the pattern in Go's syntax, which binds as one.
type piece struct {
	written string
	size    int // with each repeat written out, as maxWritten counts
	kind    kind
}

// kind is what Python's quantifiers ask of the piece before them.
type kind int

const (
	repeatable kind = iota
	assertion       // such as ^, which Python refuses to repeat outside a group
	repeated
)

// translate writes a pattern in Go's syntax, anchored at the start as re.match is.
func translate(text string) (string, error) {
	if err := checkText(text); err != nil {
		return "", err
	}
	p := parser{text: text, names: map[string]int{}}
	whole, err := p.alternatives(true)
	if err != nil {
		return "", err
	}
	if p.next() != "" {
		return "", invalid(p.at, "unbalanced parenthesis")
	}
	return `\A` + whole.written, nil
}

// checkText refuses what needs no reading to tell. A backslash at the end is such: there is no token of it.
func checkText(text string) error {
	if len(text) > MaxLength {
		return errTooLong
	}
	for i := range len(text) {
		if text[i] >= 128 {
			return errNotASCII
		}
	}
	if backslashes := len(text) - len(strings.TrimRight(text, `\`)); backslashes%2 == 1 {
		return invalid(len(text)-1, "nothing after the last backslash")
	}
	return nil
}

// next is the next token: a character, or a backslash with the one after it. It is empty at the end.
func (p *parser) next() string {
	end := p.at
	if end < len(p.text) && p.text[end] == '\\' {
		end++
	}
	return p.text[p.at:min(end+1, len(p.text))]
}

// take is next, and goes on.
func (p *parser) take() string {
	token := p.next()
	p.at += len(token)
	return token
}

// accept takes a token if it is the one.
func (p *parser) accept(token string) bool {
	if p.next() != token {
		return false
	}
	p.at += len(token)
	return true
}

// takeWhile takes at most n characters of those given.
func (p *parser) takeWhile(n int, characters string) string {
	start := p.at
	for p.at-start < n && p.at < len(p.text) && strings.IndexByte(characters, p.text[p.at]) >= 0 {
		p.at++
	}
	return p.text[start:p.at]
}

// alternatives reads up to a closing parenthesis or the end.
func (p *parser) alternatives(ignoreCase bool) (piece, error) {
	var written []string
	size := 0
	for {
		branch, err := p.sequence(ignoreCase)
		if err != nil {
			return piece{}, err
		}
		written = append(written, branch.written)
		size += branch.size + 1
		if !p.accept("|") {
			break
		}
		p.begun = true
	}
	return piece{written: "(?:" + strings.Join(written, "|") + ")", size: size}, checkSize(size)
}

// sequence reads up to the next alternative. What it returns does not bind as one.
func (p *parser) sequence(ignoreCase bool) (piece, error) {
	var pieces []piece
	for token := p.next(); token != "" && token != "|" && token != ")"; token = p.next() {
		if times, ok, err := p.quantifier(); err != nil {
			return piece{}, err
		} else if ok {
			if err := p.repeat(pieces, times); err != nil {
				return piece{}, err
			}
			continue
		}
		next, err := p.unit(ignoreCase)
		if err != nil {
			return piece{}, err
		}
		if next.written != "" { // a comment leaves nothing that could be repeated
			pieces = append(pieces, next)
			p.begun = true
		}
	}
	var written strings.Builder
	size := 0
	for _, next := range pieces {
		written.WriteString(next.written)
		size += next.size
	}
	return piece{written: written.String(), size: size}, nil
}

// unit reads what a quantifier can stand after.
func (p *parser) unit(ignoreCase bool) (piece, error) {
	start := p.at
	switch token := p.take(); token {
	case "(":
		return p.group(start, ignoreCase)
	case "[":
		letters, err := p.class(start, ignoreCase)
		return single(letters, ignoreCase), err
	case ".":
		return single(idLetters, ignoreCase), nil
	case "^":
		return piece{`\A`, 1, assertion}, nil
	case "$":
		return piece{`\z`, 1, assertion}, nil
	default:
		if token[0] == '\\' {
			return p.escape(start, token[1], ignoreCase)
		}
		return single(one(token[0]), ignoreCase), nil
	}
}

// single is the piece that takes one character.
func single(l letters, ignoreCase bool) piece {
	if ignoreCase {
		l = l.foldCase()
	}
	return piece{written: l.class(), size: 1}
}

// times is how often something is repeated.
type times struct {
	start    int // where the quantifier starts
	min, max int // max is negative where there is none
}

// quantifier reads one if there is one. Braces that hold no numbers are characters like others.
func (p *parser) quantifier() (times, bool, error) {
	start := p.at
	switch p.next() {
	case "*":
		p.take()
		return times{start, 0, -1}, true, nil
	case "+":
		p.take()
		return times{start, 1, -1}, true, nil
	case "?":
		p.take()
		return times{start, 0, 1}, true, nil
	case "{":
		p.take()
		t, ok, err := p.counts(start)
		if !ok {
			p.at = start
		}
		return t, ok, err
	}
	return times{}, false, nil
}

// counts reads the numbers of a quantifier and the closing brace.
func (p *parser) counts(start int) (times, bool, error) {
	if p.next() == "}" {
		return times{}, false, nil
	}
	least := p.takeWhile(MaxLength, digits)
	most := least
	if p.accept(",") {
		most = p.takeWhile(MaxLength, digits)
	}
	if !p.accept("}") {
		return times{}, false, nil
	}
	t := times{start, 0, -1}
	var err error
	if least != "" {
		t.min, err = strconv.Atoi(least)
	}
	if most != "" && err == nil {
		t.max, err = strconv.Atoi(most)
	}
	if err != nil { // larger than Python's limit too
		return times{}, false, errTooMuch
	}
	if t.max >= 0 && t.max < t.min {
		return times{}, false, invalid(start+1, "a repeat whose least number is greater than its greatest")
	}
	return t, true, nil
}

// repeat puts a quantifier on the last of the pieces. The sign that makes it a lazy one is taken and left out.
func (p *parser) repeat(pieces []piece, t times) error {
	if len(pieces) == 0 || pieces[len(pieces)-1].kind == assertion {
		return invalid(t.start, "nothing to repeat")
	}
	last := &pieces[len(pieces)-1]
	if last.kind == repeated {
		return invalid(t.start, "a repeat of a repeat")
	}
	if lazy := p.accept("?"); !lazy && p.next() == "+" {
		return cannotFollow("possessive quantifiers such as *+")
	}
	often := max(t.min, t.max, 1)
	if often > maxWritten {
		return errTooMuch
	}
	bounds := strconv.Itoa(t.min) + ","
	if t.max >= 0 {
		bounds += strconv.Itoa(t.max)
	}
	*last = piece{"(?:" + last.written + "){" + bounds + "}", max(last.size, 1) * often, repeated}
	return checkSize(last.size)
}

func checkSize(size int) error {
	if size > maxWritten {
		return errTooMuch
	}
	return nil
}
