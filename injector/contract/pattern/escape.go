package pattern

import (
	"strconv"
	"strings"
)

const (
	octals = "01234567"
	digits = octals + "89"
	hexes  = digits + "abcdefABCDEF"
)

// escape reads the rest of an escape outside brackets: a backslash at start, and c, are taken.
func (p *parser) escape(start int, c byte, ignoreCase bool) (piece, error) {
	switch {
	case c == 'A':
		return piece{`\A`, 1, assertion}, nil
	case c == 'Z':
		return piece{`\z`, 1, assertion}, nil
	case c == 'b' || c == 'B': // in both languages: on one side \w, on the other not
		return piece{`\` + string(c), 1, assertion}, nil
	case c == 'z':
		return piece{}, errNewEnd
	case '1' <= c && c <= '9' && !p.atOctal(start+1):
		return piece{}, p.reference(start)
	}
	m, err := p.characterEscape(start, c)
	return single(m.letters, ignoreCase), err
}

// atOctal tells whether three octal digits stand there: outside brackets, fewer are the number of a group unless the
// first is 0.
func (p *parser) atOctal(start int) bool {
	end := start + 3
	return end <= len(p.text) && strings.Trim(p.text[start:end], octals) == ""
}

// characterEscape reads what means the same in brackets and outside.
func (p *parser) characterEscape(start int, c byte) (member, error) {
	if set, ok := category(c); ok {
		return member{letters: set, category: true}, nil
	}
	if i := strings.IndexByte("afnrtv", c); i >= 0 {
		return character("\a\f\n\r\t\v"[i]), nil
	}
	switch {
	case c == 'x':
		return p.hexEscape(start, 2)
	case c == 'u':
		return p.hexEscape(start, 4)
	case c == 'U':
		return p.hexEscape(start, 8)
	case '0' <= c && c <= '7':
		p.takeWhile(2, octals)
		return byNumber(start, p.text[start+1:p.at], 8, 0o377)
	case c == 'N':
		return member{}, errByName
	case word.has(c) && c != '_':
		return member{}, invalid(start, "bad escape, a backslash before %c", c)
	}
	return character(c), nil
}

// category is the letters that an escape such as \d stands for.
func category(c byte) (letters, bool) {
	switch c {
	case 'd':
		return digit, true
	case 'D':
		return digit.not(), true
	case 's': // no id has white space, whatever the two languages take for it
		return letters{}, true
	case 'S':
		return letters{}.not(), true
	case 'w':
		return word, true
	case 'W':
		return word.not(), true
	}
	return letters{}, false
}

// hexEscape reads the number of a character, which has exactly so many digits.
func (p *parser) hexEscape(start, length int) (member, error) {
	number := p.takeWhile(length, hexes)
	if len(number) < length {
		return member{}, invalid(start, "incomplete escape, which needs %d hexadecimal digits", length)
	}
	return byNumber(start, number, 16, 0x10ffff)
}

// byNumber is the character of a number, of which Python allows none beyond the greatest.
func byNumber(start int, number string, base int, greatest uint64) (member, error) {
	n, err := strconv.ParseUint(number, base, 64)
	switch {
	case err != nil || n > greatest:
		return member{}, invalid(start, "bad escape, the number of no character")
	case n >= 128:
		return member{}, errNotASCII
	}
	return character(byte(n)), nil
}

// reference reads a back-reference by number. Python takes two digits where there are two.
func (p *parser) reference(start int) error {
	p.takeWhile(1, digits)
	group, err := strconv.Atoi(p.text[start+1 : p.at])
	if err != nil || group > len(p.groups) {
		return invalid(start+1, "reference to a group that is not there")
	}
	return p.referTo(group, start)
}

// referTo refuses a back-reference to a group that is there.
func (p *parser) referTo(group, start int) error {
	if !p.groups[group-1] {
		return invalid(start, "reference to a group that is still open")
	}
	return cannotFollow("back-references")
}
