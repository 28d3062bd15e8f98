package airflow

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDigits is the most decimal digits that Python converts to an integer, sys.int_info.default_max_str_digits: more
// raise a ValueError.
const maxDigits = 4300

// strip is str.strip: it takes off both ends what str.isspace takes for whitespace.
func strip(s string) string { return strings.TrimFunc(s, isSpace) }

// isSpace is str.isspace for one character: Unicode's White_Space and the four ASCII separators U+001C to U+001F.
// U+FEFF, the byte order mark, is none.
func isSpace(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }

// truth is bool(): false for null, false, zero, and what is empty. NaN is true, and a float too small to tell from
// zero is false.
func (v jsonValue) truth() bool {
	switch v.kind {
	case jsonNull:
		return false
	case jsonBool:
		return v.token == "true"
	case jsonInt:
		return strings.Trim(v.token, "-0") != ""
	case jsonFloat:
		return v.float64() != 0
	case jsonString:
		return len(v.text) > 0
	case jsonArray:
		return len(v.items) > 0
	}
	return len(v.members) > 0
}

// float64 is float() of a number's token: too large is an infinity.
func (v jsonValue) float64() float64 {
	f, _ := strconv.ParseFloat(v.token, 64) // its only error is one of range, and the infinity comes with it
	return f
}

// pythonInt is int(): a float loses its fraction, true is 1, a string is read as parseInt says. Infinities, NaN, null,
// arrays and objects are refused.
func pythonInt(v jsonValue) (*big.Int, bool) {
	switch v.kind {
	case jsonBool:
		n := int64(0)
		if v.token == "true" {
			n = 1
		}
		return big.NewInt(n), true
	case jsonInt:
		return new(big.Int).SetString(v.token, 10)
	case jsonFloat:
		f := v.float64()
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return nil, false
		}
		n, _ := big.NewFloat(f).Int(nil)
		return n, true
	case jsonString:
		return parseInt(v.text)
	}
	return nil, false
}

// parseInt is int() of a string: a sign, then decimal digits of any script, single underscores between them,
// whitespace around. A string of ASCII alone may have only ASCII's six whitespace characters around: U+001C to U+001F
// are none there.
//
// Source: PyLong_FromUnicodeObject and _PyUnicode_TransformDecimalAndSpaceToASCII of CPython.
func parseInt(s []rune) (*big.Int, bool) {
	var b strings.Builder
	isASCII := true
	for _, r := range s {
		isASCII = isASCII && r < utf8.RuneSelf
	}
	for _, r := range s {
		switch {
		case r < 0x7f:
			b.WriteRune(r)
		case !isASCII && isSpace(r):
			b.WriteByte(' ')
		case unicode.IsDigit(r):
			b.WriteByte('0' + decimal(r))
		default:
			return nil, false
		}
	}
	return parseDigits(strings.Trim(b.String(), " \t\n\v\f\r"))
}

// parseDigits reads an optional sign and digits with single underscores between them.
func parseDigits(s string) (*big.Int, bool) {
	digits := strings.TrimPrefix(s, "-")
	if digits == s {
		digits = strings.TrimPrefix(s, "+")
	}
	if strings.HasPrefix(digits, "_") || strings.HasSuffix(digits, "_") || strings.Contains(digits, "__") {
		return nil, false
	}
	plain := strings.ReplaceAll(digits, "_", "")
	if plain == "" || len(plain) > maxDigits || strings.Trim(plain, "0123456789") != "" {
		return nil, false
	}
	n, ok := new(big.Int).SetString(plain, 10)
	if ok && strings.HasPrefix(s, "-") {
		n.Neg(n)
	}
	return n, ok
}

// decimal is the value of a decimal digit of any script: the ten of a script stand in a row, and rows that touch each
// other are whole.
func decimal(digit rune) byte {
	place := 0
	for unicode.IsDigit(digit - 1) {
		digit--
		place++
	}
	return byte(place % 10)
}

// hasSurrogate tells whether s holds half of a surrogate pair, which json.loads keeps and str.encode("utf-8") refuses.
func hasSurrogate(s []rune) bool {
	for _, r := range s {
		if 0xd800 <= r && r <= 0xdfff {
			return true
		}
	}
	return false
}

// unquote is urllib.parse.unquote: two hexadecimal digits after a % are a byte of UTF-8, any other % is itself. A character
// beyond ASCII parts the bytes before it from those after it.
func unquote(s []rune) []rune {
	unquoted := []rune{}
	var run []byte
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] >= utf8.RuneSelf:
			unquoted = append(append(unquoted, decodeUTF8(run)...), s[i])
			run = nil
		case s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b, _ := strconv.ParseUint(string(s[i+1:i+3]), 16, 8) // isHex leaves no mistake
			run = append(run, byte(b))
			i += 2
		default:
			run = append(run, byte(s[i]))
		}
	}
	return append(unquoted, decodeUTF8(run)...)
}

func isHex(r rune) bool { return strings.ContainsRune("0123456789abcdefABCDEF", r) }

// decodeUTF8 is bytes.decode("utf-8", "replace"): U+FFFD stands once for what starts like a character and breaks off, and
// once for each byte that no character starts with.
func decodeUTF8(b []byte) []rune {
	var decoded []rune
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			for n < len(b) && !utf8.FullRune(b[:n+1]) {
				n++
			}
		}
		decoded = append(decoded, r)
		b = b[n:]
	}
	return decoded
}
