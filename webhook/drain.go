package webhook

import (
	"net/http"
	"sync/atomic"
	"time"
)

// traffic knows whether reviews should still be sent to this server, and when the last one came.
type traffic struct {
	// open is true from when the server listens until draining.
	open atomic.Bool
	// certified says why reviews would not get through to an open server, or returns nil.
	certified func() error
	// began is the origin of lastReview, so that a clock that is set back or forth changes nothing.
	began      time.Time
	lastReview atomic.Int64 // nanoseconds since began
}

func newTraffic(certified func() error) *traffic {
	return &traffic{certified: certified, began: time.Now()}
}

// watched notes when each review comes. While draining it also has the connection closed after the answer: API servers
// keep theirs open, and would go on sending reviews here long after the endpoint has left the Service.
func (t *traffic) watched(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.lastReview.Store(int64(time.Since(t.began)))
		if !t.open.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// drain makes the server unready and returns when no review has come for the period since, after three periods at most.
//
// Reviews are answered all that time: it takes a moment until every node knows that the endpoint is gone. Those still
// being answered at the end are finished by the stop that follows.
func (t *traffic) drain(period time.Duration) {
	t.open.Store(false)
	draining := time.Since(t.began)
	limit := time.After(3 * period)
	for {
		quietSince := max(draining, time.Duration(t.lastReview.Load()))
		rest := quietSince + period - time.Since(t.began)
		if rest <= 0 {
			return
		}
		select {
		case <-time.After(rest):
		case <-limit:
			return
		}
	}
}
