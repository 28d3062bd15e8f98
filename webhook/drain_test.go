package webhook

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// In a bubble of synctest time stands still but for waiting, so these durations are exact.
func TestDrainWaitsForQuiet(t *testing.T) {
	const period = 10 * time.Second
	cases := map[string]struct {
		reviews []time.Duration // when they come, from the start of draining
		takes   time.Duration
	}{
		"quiet already":           {nil, period},
		"one comes":               {[]time.Duration{4 * time.Second}, 14 * time.Second},
		"they stop":               {[]time.Duration{9 * time.Second, 18 * time.Second}, 28 * time.Second},
		"they never stop":         {[]time.Duration{9 * time.Second, 18 * time.Second, 27 * time.Second, 36 * time.Second}, 3 * period},
		"one after the quiet end": {[]time.Duration{11 * time.Second}, period},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				traffic := newTraffic(func() error { return nil })
				traffic.open.Store(true)
				handler := traffic.watched(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
				time.Sleep(time.Hour) // a server that has run for a while
				began := time.Now()
				for _, at := range c.reviews {
					time.AfterFunc(at, func() {
						handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/mutate", nil))
					})
				}
				traffic.drain(period)
				if took := time.Since(began); took != c.takes {
					t.Errorf("drained in %v, expected %v", took, c.takes)
				}
				if traffic.open.Load() {
					t.Error("open after draining")
				}
				time.Sleep(time.Hour) // until every review has come
			})
		})
	}
}

func TestDrainClosesConnections(t *testing.T) {
	traffic := newTraffic(func() error { return nil })
	traffic.open.Store(true)
	handler := traffic.watched(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	connection := func() string {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/mutate", nil))
		return w.Header().Get("Connection")
	}
	if header := connection(); header != "" {
		t.Errorf("serving: Connection is %q", header)
	}
	traffic.drain(0)
	if header := connection(); header != "close" {
		t.Errorf("draining: Connection is %q", header)
	}
}
