package airflow

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// TestDecimal holds every decimal digit that Go knows against the rows of ten in which Unicode keeps them.
func TestDecimal(t *testing.T) {
	for lo, hi := range ranges(unicode.Nd) {
		if (hi-lo+1)%10 != 0 {
			t.Errorf("digits %U to %U are %d, expected whole rows of ten", lo, hi, hi-lo+1)
		}
		for r := lo; r <= hi; r++ {
			if got, want := decimal(r), byte((r-lo)%10); got != want {
				t.Errorf("decimal(%U) is %d, expected %d", r, got, want)
			}
		}
	}
}

// ranges gives the first and the last of characters that follow one another.
func ranges(table *unicode.RangeTable) func(yield func(lo, hi rune) bool) {
	return func(yield func(lo, hi rune) bool) {
		for lo := rune(0); lo <= unicode.MaxRune; lo++ {
			hi := lo
			for unicode.Is(table, hi) {
				hi++
			}
			if hi > lo && !yield(lo, hi-1) {
				return
			}
			lo = hi
		}
	}
}

// TestNormalized derives the characters that end a host once they are normalised.
func TestNormalized(t *testing.T) {
	var derived strings.Builder
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if strings.ContainsAny(norm.NFKC.String(string(r)), "/?#@:") {
			derived.WriteRune(r)
		}
	}
	if derived.String() != normalized {
		t.Errorf("normalized is %+q, Unicode %s says %+q", normalized, norm.Version, derived.String())
	}
}

// TestUnquote has what Python gives, as do the values in test/airflow that are URL-encoded.
func TestUnquote(t *testing.T) {
	for quoted, expected := range map[string]string{
		"":                          "",
		"a+b%20c":                   "a+b c",
		"%e2%82%AC":                 "\u20ac",
		"%":                         "%",
		"%4":                        "%4",
		"%%41%4":                    "%A%4",
		"%+1%0x%-1":                 "%+1%0x%-1",
		"%00":                       "\x00",
		"%FF%FE":                    "\ufffd\ufffd",
		"%E2%82":                    "\ufffd", // a character that breaks off
		"%E2%82A":                   "\ufffdA",
		"%F0%9F%98%F0%9F%98%80":     "\ufffd\U0001f600",
		"%ED%A0%80":                 "\ufffd\ufffd\ufffd", // half of a surrogate pair
		"%C0%80":                    "\ufffd\ufffd",       // longer than need be
		"%F4%90%80%80":              "\ufffd\ufffd\ufffd\ufffd",
		"%C3\u00e9%A9":              "\ufffd\u00e9\ufffd", // parted
		"%C3%A9":                    "\u00e9",
		"\u0664%34\uff05%34%\uff14": "\u06644\uff054%\uff14",
	} {
		if unquoted := string(unquote([]rune(quoted))); unquoted != expected {
			t.Errorf("unquote(%q) is %+q, expected %+q", quoted, unquoted, expected)
		}
	}
	alone := []rune{'%', '4', '1', 0xd800, '%', '4', '1'}
	if unquoted := unquote(alone); !slices.Equal(unquoted, []rune{'A', 0xd800, 'A'}) {
		t.Errorf("unquote(%x) is %x, expected half of a surrogate pair between two letters", alone, unquoted)
	}
}
