package pattern

import (
	"fmt"
	"strings"
)

// letters is a set of ASCII characters: bit c%64 of word c/64 stands for c.
type letters [2]uint64

func (l letters) has(c byte) bool { return c < 128 && l[c/64]>>(c%64)&1 == 1 }

// with adds the characters from lo to hi, which are ASCII.
func (l letters) with(lo, hi byte) letters {
	for c := lo; c <= hi; c++ {
		l[c/64] |= 1 << (c % 64)
	}
	return l
}

// plus is the letters of either set.
func (l letters) plus(other letters) letters { return letters{l[0] | other[0], l[1] | other[1]} }

func (l letters) not() letters { return letters{^l[0], ^l[1]} }

// foldCase adds the other case of each letter. Python also folds some characters outside ASCII to the letters i, k and s,
// but neither patterns nor ids have such.
func (l letters) foldCase() letters {
	for upper := byte('A'); upper <= 'Z'; upper++ {
		lower := upper + 'a' - 'A'
		if l.has(upper) || l.has(lower) {
			l = l.with(upper, upper).with(lower, lower)
		}
	}
	return l
}

// one is the set of a single character.
func one(c byte) letters { return letters{}.with(c, c) }

// What \d and \w are in ASCII. (Outside it, Python's take more.)
var (
	digit = letters{}.with('0', '9')
	word  = digit.with('A', 'Z').with('a', 'z').plus(one('_'))
)

// idLetters are those that AWS allows in the name of a secret (CreateSecret, parameter Name). There is no line feed among
// them, so $ is the very end, ^ the very start even of lines, and a dot is every letter.
var idLetters = word.with('-', '/').plus(one('+')).plus(one('=')).plus(one('@'))

// class writes in Go's syntax the set of those letters that an id can have.
func (l letters) class() string {
	l = letters{l[0] & idLetters[0], l[1] & idLetters[1]}
	if l == (letters{}) {
		return `[^\x00-\x{10FFFF}]`
	}
	var class strings.Builder
	for c := byte(0); c < 128; c++ {
		if !l.has(c) {
			continue
		}
		fmt.Fprintf(&class, `\x%02x`, c)
		first := c
		for l.has(c + 1) {
			c++
		}
		if c > first {
			fmt.Fprintf(&class, `-\x%02x`, c)
		}
	}
	return "[" + class.String() + "]"
}
