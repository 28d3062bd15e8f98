package source

import (
	"maps"
	"sync"
	"testing"
)

// TestTallyTellsWhatItWas calls on after it was asked, as a call does that a run has given up waiting for.
func TestTallyTellsWhatItWas(t *testing.T) {
	var all tally
	all.called("ListSecrets")
	all.addKey("arn:aws:kms:eu-central-1:111122223333:key/a")
	calls, keys := all.told()
	var late sync.WaitGroup
	late.Go(func() { all.called("AssumeRole") })
	late.Go(func() { all.addKey("arn:aws:kms:eu-central-1:111122223333:key/b") })
	if want := map[string]int{"ListSecrets": 1}; !maps.Equal(calls, want) || len(keys) != 1 {
		t.Errorf("told %v and %v, expected %v and one key", calls, keys, want)
	}
	late.Wait()
	if len(calls) != 1 {
		t.Errorf("what was told has become %v", calls)
	}
}
