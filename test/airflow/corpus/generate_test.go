package corpus

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestGenerate holds the generator to what is claimed of its values.
func TestGenerate(t *testing.T) {
	all := Generate()
	if !reflect.DeepEqual(all, Generate()) {
		t.Error("the same seed gave other values")
	}
	features, parts := all.Features()
	t.Logf("%d connections and %d variables generated, %d features, %d parts", len(all.Connections), len(all.Variables), features, parts)
	if features < 2000 || features != all.Len() {
		t.Errorf("%d values have %d features, expected 2000 or more, and each its own", all.Len(), features)
	}
	slice := all.Slice(Sliced)
	of, sliced := slice.Features()
	if of != Sliced || sliced*4 < parts*3 {
		t.Errorf("the slice has %d values of %d parts, expected %d of three quarters of all %d", of, sliced, Sliced, parts)
	}
	if declared := declared(); parts != declared {
		t.Errorf("%d parts are in a value, expected all %d", parts, declared)
	}
	values := map[string]bool{}
	for _, s := range all.all() {
		if kind := strings.Split(s.Feature, " ")[0]; values[kind+s.Value] {
			t.Errorf("%s: its value is that of another", s.Feature)
		} else {
			values[kind+s.Value] = true
		}
		if s.Value == "" || !utf8.ValidString(s.Value) {
			t.Errorf("%s: the value is %q, expected what AWS keeps", s.Feature, s.Value)
		}
	}
}

// declared counts the parts of all slots.
func declared() (count int) {
	for _, s := range shapes() {
		for _, slot := range s.slots {
			count += len(slot.plain) + len(slot.nasty) + len(slot.rare)
		}
	}
	return count
}
