package inputs

import (
	"bytes"
	"slices"
	"testing"
)

// What failed must fail again by its seed and number alone, and other numbers must be other inputs.
func TestSeedMakesTheSameInputs(t *testing.T) {
	seen := map[string]bool{}
	for n := range uint64(1000) {
		input := fromSeed(7, n)
		if !bytes.Equal(input, fromSeed(7, n)) {
			t.Fatalf("input %d differs from itself", n)
		}
		seen[string(input)] = true
	}
	if len(seen) < 950 { // the very short ones coincide
		t.Errorf("1000 numbers made %d inputs", len(seen))
	}
	if slices.Equal(fromSeed(7, 1), fromSeed(8, 1)) {
		t.Error("two seeds made the same input")
	}
}

func TestChoices(t *testing.T) {
	c := From([]byte{7, 2, 255, 1, 3, 'x', 'y'})
	if n := c.Below(5); n != 2 {
		t.Errorf("Below gave %d, expected 2", n)
	}
	if !c.OneIn(3) {
		t.Error("OneIn gave false, expected true")
	}
	if s := Of(c, "a", "b"); s != "b" {
		t.Errorf("Of gave %s, expected b", s)
	}
	if n := c.Below(1000); n != 1<<8+3 {
		t.Errorf("Below gave %d, expected 259", n)
	}
	if rest := c.Rest(); string(rest) != "xy" {
		t.Errorf("Rest gave %q, expected xy", rest)
	}
	if c.Below(5) != 0 || c.OneIn(1+1) || Of(c, "a", "b") != "a" || c.Rest() != nil {
		t.Error("an input that is used up chose something but the first")
	}
}

func TestPanicIsToldAsAnError(t *testing.T) {
	outcome, err := guarded(func([]byte) (string, error) { panic("no") }, nil)
	if outcome != "panic" || err == nil {
		t.Errorf("came to %q, %v", outcome, err)
	}
}
