package airflow

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep arrays and objects may lie in each other. Python's json gives up with a RecursionError near
// 1000, less the depth of the code that calls it, and one such entry would hide all others of the file.
const maxDepth = 100

// parseJSON reads text as Python's json.loads does: NaN and the infinities are numbers, a surrogate may stand alone, a
// key that comes twice keeps its first place and gets its last value. What Python refuses is refused: a byte order
// mark, a control character in a string, more after the value.
//
// An error is a *jsonError.
func parseJSON(text string) (jsonValue, error) {
	p := parser{text: text}
	p.space()
	v, err := p.value(0)
	if err != nil {
		return jsonValue{}, err
	}
	p.space()
	if p.at < len(text) {
		return jsonValue{}, p.expected("nothing more after the value")
	}
	return v, nil
}

// jsonError says where a text ceases to be JSON, and holds none of it.
type jsonError struct {
	character int // counted from 1
	expected  string
	// limit: the text may be JSON, yet Python gives up on it with something other than its JSONDecodeError.
	limit bool
}

// Error names the place and what was expected there.
func (e *jsonError) Error() string {
	return fmt.Sprintf("expected %s at character %d", e.expected, e.character)
}

// isLimit tells whether err is a *jsonError with limit set.
func isLimit(err error) bool {
	var broken *jsonError
	return errors.As(err, &broken) && broken.limit
}

type parser struct {
	text string
	at   int
}

func (p *parser) expected(what string) *jsonError {
	return &jsonError{character: utf8.RuneCountInString(p.text[:p.at]) + 1, expected: what}
}

func (p *parser) limit(what string) *jsonError {
	err := p.expected(what)
	err.limit = true
	return err
}

func (p *parser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\n\r", p.text[p.at]) >= 0 {
		p.at++
	}
}

// take moves past token if it is next.
func (p *parser) take(token string) bool {
	if !strings.HasPrefix(p.text[p.at:], token) {
		return false
	}
	p.at += len(token)
	return true
}

// value reads one value that lies in nesting arrays and objects.
func (p *parser) value(nesting int) (jsonValue, error) {
	rest := p.text[p.at:]
	switch {
	case nesting == maxDepth && (strings.HasPrefix(rest, "{") || strings.HasPrefix(rest, "[")):
		return jsonValue{}, p.limit(fmt.Sprintf("no more than %d arrays and objects in each other", maxDepth))
	case p.take(`"`):
		s, err := p.string()
		return jsonValue{kind: jsonString, text: s}, err
	case p.take("{"):
		return p.object(nesting)
	case p.take("["):
		return p.array(nesting)
	case p.take("null"):
		return jsonValue{}, nil
	}
	for _, token := range []string{"true", "false"} {
		if p.take(token) {
			return jsonValue{kind: jsonBool, token: token}, nil
		}
	}
	for _, token := range []string{"NaN", "Infinity", "-Infinity"} {
		if p.take(token) {
			return jsonValue{kind: jsonFloat, token: token}, nil
		}
	}
	return p.number()
}

func (p *parser) array(nesting int) (jsonValue, error) {
	v := jsonValue{kind: jsonArray}
	p.space()
	if p.take("]") {
		return v, nil
	}
	for {
		p.space()
		item, err := p.value(nesting + 1)
		if err != nil {
			return jsonValue{}, err
		}
		v.items = append(v.items, item)
		p.space()
		if p.take("]") {
			return v, nil
		}
		if !p.take(",") {
			return jsonValue{}, p.expected("a comma or the end of the array")
		}
	}
}

func (p *parser) object(nesting int) (jsonValue, error) {
	v := jsonValue{kind: jsonObject}
	places := map[string]int{} // key, quoted → its place among the members
	p.space()
	if p.take("}") {
		return v, nil
	}
	for {
		m, err := p.member(nesting)
		if err != nil {
			return jsonValue{}, err
		}
		key := quote(m.key)
		if place, seen := places[key]; seen {
			v.members[place].value = m.value
		} else {
			places[key] = len(v.members)
			v.members = append(v.members, m)
		}
		p.space()
		if p.take("}") {
			return v, nil
		}
		if !p.take(",") {
			return jsonValue{}, p.expected("a comma or the end of the object")
		}
	}
}

func (p *parser) member(nesting int) (member, error) {
	p.space()
	if !p.take(`"`) {
		return member{}, p.expected("a key in double quotes")
	}
	key, err := p.string()
	if err != nil {
		return member{}, err
	}
	p.space()
	if !p.take(":") {
		return member{}, p.expected("a colon after the key")
	}
	p.space()
	v, err := p.value(nesting + 1)
	return member{key, v}, err
}

// number reads a number and keeps its token.
func (p *parser) number() (jsonValue, error) {
	start := p.at
	p.take("-")
	if !p.take("0") && p.digits() == 0 {
		p.at = start
		return jsonValue{}, p.expected("a value")
	}
	whole := p.at
	if point := p.at; !p.take(".") || p.digits() == 0 {
		p.at = point
	}
	if exponent := p.at; p.take("e") || p.take("E") {
		if !p.take("-") {
			p.take("+")
		}
		if p.digits() == 0 {
			p.at = exponent
		}
	}
	v := jsonValue{kind: jsonFloat, token: p.text[start:p.at]}
	if p.at == whole {
		v.kind = jsonInt
	}
	if v.kind == jsonInt && len(strings.TrimPrefix(v.token, "-")) > maxDigits {
		p.at = start
		return jsonValue{}, p.limit(fmt.Sprintf("an integer of no more than %d digits", maxDigits))
	}
	return v, nil
}

func (p *parser) digits() (count int) {
	for p.at < len(p.text) && '0' <= p.text[p.at] && p.text[p.at] <= '9' {
		p.at++
		count++
	}
	return count
}

// string reads a string whose opening quote is behind p.
func (p *parser) string() ([]rune, error) {
	s := []rune{}
	for p.at < len(p.text) {
		r, size := utf8.DecodeRuneInString(p.text[p.at:])
		switch {
		case r == '"':
			p.at++
			return s, nil
		case r < ' ':
			return nil, p.expected("no control character in a string")
		case r != '\\':
			p.at += size
			s = append(s, r)
			continue
		}
		p.at++
		r, err := p.escape()
		if err != nil {
			return nil, err
		}
		s = append(s, r)
	}
	return nil, p.expected("the end of a string")
}

// escape reads what follows a backslash.
func (p *parser) escape() (rune, error) {
	if p.take("u") {
		return p.unicode()
	}
	if p.at < len(p.text) {
		if i := strings.IndexByte(`"\/bfnrt`, p.text[p.at]); i >= 0 {
			p.at++
			return rune("\"\\/\b\f\n\r\t"[i]), nil
		}
	}
	return 0, p.expected(`one of "\/bfnrtu after a backslash`)
}

// unicode reads the four digits of a \u escape, and the escape after it where both make a surrogate pair.
func (p *parser) unicode() (rune, error) {
	first, err := p.hex()
	if err != nil || first < 0xd800 || first > 0xdbff {
		return first, err
	}
	after := p.at
	if p.take(`\u`) {
		second, err := p.hex()
		if err != nil {
			return 0, err
		}
		if 0xdc00 <= second && second <= 0xdfff {
			return utf16.DecodeRune(first, second), nil
		}
	}
	p.at = after
	return first, nil
}

// hex reads four hexadecimal digits.
func (p *parser) hex() (rune, error) {
	var unit rune
	for range 4 {
		if p.at == len(p.text) {
			return 0, p.expected(`four hexadecimal digits after \u`)
		}
		digit := strings.IndexByte("0123456789abcdef", p.text[p.at]|0x20)
		if digit < 0 || p.text[p.at] < '0' {
			return 0, p.expected(`four hexadecimal digits after \u`)
		}
		unit = unit<<4 | rune(digit)
		p.at++
	}
	return unit, nil
}
