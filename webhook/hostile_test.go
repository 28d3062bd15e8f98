package webhook

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gomodules.xyz/jsonpatch/v2"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// withContainers is an annotated pod with so many empty containers after its own.
func withContainers(element string, n int) string {
	return strings.Replace(pod(wanted), `"]}]}`, `"]}`+strings.Repeat(","+element, n)+`]}`, 1)
}

// Small bodies that would be large once they are read are refused by the injector's limits, before they are: what a hundred
// of them take in all is little more than their bytes.
func TestHostileReviewsTakeLittleMemory(t *testing.T) {
	bodies := map[string]struct {
		body    string
		allowed bool
		says    string
	}{
		"empty containers": {creation(withContainers("{}", 20_000)), false, "spec.containers: expected 200 at most in the whole pod, found 20001"},
		"empty names":      {creation(withContainers(`{"name":""}`, 250_000)), false, "spec.containers: expected 200 at most in the whole pod, found 250001"},
		"a user of many groups": {creation(pod(wanted), `"username":"scheduler"`, `"username":"scheduler","groups":[`+
			strings.TrimSuffix(strings.Repeat(`"",`, 1_000_000), ",")+`]`), true, ""},
	}
	for name, c := range bodies {
		a, _, _ := unserved(t, (&injector.Injector{FetcherImage: "fetcher:test"}).Decide)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := handle(t, a, c.body)
		runtime.ReadMemStats(&after)
		if r.Allowed != c.allowed || !strings.Contains(r.Result.Message, c.says) {
			t.Errorf("%s: answered %+v", name, r.Result)
		}
		if made, bound := int(after.TotalAlloc-before.TotalAlloc), 8*len(c.body)+1<<20; made > bound {
			t.Errorf("%s: %d KiB for %d KiB, expected %d at most", name, made>>10, len(c.body)>>10, bound>>10)
		}
	}
}

// However many reviews come at once and however small they are, few are decided at a time, and all are.
func TestFewReviewsAreDecidedAtATime(t *testing.T) {
	const clients = 10 * maxDeciding
	var now, most atomic.Int64
	enough := make(chan struct{})
	a, _, _ := unserved(t, func([]byte, string) injector.Decision {
		n := now.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		<-enough
		now.Add(-1)
		return injector.Decision{Code: contract.NotAnnotated}
	})
	var posts sync.WaitGroup
	for range clients {
		posts.Go(func() {
			if r := handle(t, a, creation(pod(""))); !r.Allowed {
				t.Errorf("answered %+v", r)
			}
		})
	}
	eventually(t, "reviews being decided", func() bool { return now.Load() >= maxDeciding })
	time.Sleep(50 * time.Millisecond) // time for one more to come, if it could
	close(enough)
	posts.Wait()
	if most.Load() != maxDeciding {
		t.Errorf("%d at a time, expected %d", most.Load(), maxDeciding)
	}
}

// A review whose turn does not come before its client has left is refused as our own trouble, with its id.
func TestReviewThatWaitsInVain(t *testing.T) {
	a, _, _ := unserved(t, nil)
	for range maxDeciding {
		a.deciding <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/mutate", strings.NewReader(creation(pod(wanted))))
	request.Header.Set("Content-Type", "application/json")
	a.ServeHTTP(w, request)
	if r := readAnswer(t, w.Result()); r.Result.Code != 500 || r.UID != "uid-1" || !strings.Contains(r.Result.Message, "try again") {
		t.Errorf("answered %+v", r)
	}
}

// Answers are bounded as reviews are: a large one needs a place, and a patch that no pod could hold is refused.
func TestAnswersAreBounded(t *testing.T) {
	var size int
	a, _, _ := unserved(t, func([]byte, string) injector.Decision {
		return injector.Decision{Code: contract.Injected, Operations: []jsonpatch.Operation{{Operation: "add", Path: "/x", Value: strings.Repeat("x", size)}}}
	})
	size = ordinaryReview
	for range 2 { // the first gives its place back
		if r := handle(t, a, creation(pod(wanted))); !r.Allowed {
			t.Errorf("with a place: %+v", r)
		}
	}
	for range maxLargeBodies {
		a.largeBodies <- struct{}{}
	}
	if r := handle(t, a, creation(pod(wanted))); r.Result.Code != 500 || !strings.Contains(r.Result.Message, "try again") || r.UID != "uid-1" {
		t.Errorf("without a place: %+v", r)
	}
	size = maxPatch
	if r := handle(t, a, creation(pod(wanted))); r.Result.Code != 422 || !strings.Contains(r.Result.Message, "the limit is 3145728") {
		t.Errorf("larger than a pod: %+v", r)
	}
}
