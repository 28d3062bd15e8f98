package airflow

import (
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
