package webhook

import (
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector"
)

// Forty reviews of the largest size at once take the memory of four: the others are refused, having been read no further
// than an ordinary one.
func TestMemoryIsBoundedWhateverIsPosted(t *testing.T) {
	const clients = 10 * maxLargeBodies
	entered, leave := make(chan struct{}, clients), make(chan struct{})
	a, _, _ := unserved(t, func([]byte, string) injector.Decision {
		entered <- struct{}{}
		<-leave
		return injector.Decision{Code: "not-annotated"}
	})
	dir := t.TempDir()
	certificate := newCertificate(t, dir, 1)
	o := Options{Host: "127.0.0.1", Certificates: fromFiles(t, dir, slog.New(slog.DiscardHandler)), Log: slog.New(slog.DiscardHandler)}
	c := start("watching", o.Certificates.Run)
	defer func() { must(t, c.stop()) }()
	s, err := serveReviews(o, newTraffic(o.Certificates.Ready), a)
	must(t, err)
	defer func() { must(t, s.stop()) }()

	largest := creation(strings.Replace(pod(""), `"metadata"`, `"padding":"`+strings.Repeat("x", maxReview-4096)+`","metadata"`, 1))
	client := newClient(t, certificate)
	before := liveHeap()
	var refused atomic.Int64
	var posts sync.WaitGroup
	for range clients {
		posts.Go(func() {
			response, err := client.Post("https://"+s.address+"/mutate", "application/json", strings.NewReader(largest))
			if err != nil {
				refused.Add(1) // the server has answered and hung up while this was still sending
				return
			}
			defer response.Body.Close()
			if text, _ := io.ReadAll(response.Body); strings.Contains(string(text), "try again") {
				refused.Add(1)
			}
		})
	}
	for range maxLargeBodies {
		<-entered
	}
	eventually(t, "the others refused", func() bool { return refused.Load() == clients-maxLargeBodies })
	// A review is there as its text and as the object in it, and a buffer may be twice as large as what it holds.
	const bound = maxLargeBodies * 3 * maxReview
	if held := liveHeap() - before; held > bound {
		t.Errorf("%d MiB are held, expected %d at most", held>>20, bound>>20)
	}
	close(leave)
	posts.Wait()
	client.CloseIdleConnections()
}

// liveHeap is what the heap holds without garbage.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Whatever shape a large body has, it is one answer, and no more memory than its size explains.
func TestOddBodies(t *testing.T) {
	s := startServer(t, Options{})
	for name, c := range map[string]struct {
		body    string
		headers map[string]string
		code    int32
	}{
		"nested deeper than any pod":   {strings.Repeat(`{"a":`, 1<<20), nil, 400},
		"nested arrays":                {strings.Repeat(`[`, 5<<20), nil, 400},
		"a pod of nested arrays":       {creation(strings.Replace(pod(wanted), `"metadata"`, `"deep":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)+`,"metadata"`, 1)), nil, 400},
		"gzip, which nobody has asked": {"\x1f\x8b\x08\x00\x00\x00\x00\x00", map[string]string{"Content-Encoding": "gzip"}, 400},
		"many small keys":              {`{"request":{` + strings.Repeat(`"a":1,`, 1<<20) + `"b":1}}`, nil, 400},
	} {
		request, err := http.NewRequest(http.MethodPost, s.url+"/mutate", strings.NewReader(c.body))
		must(t, err)
		request.Header.Set("Content-Type", "application/json")
		for k, v := range c.headers {
			request.Header.Set(k, v)
		}
		response, err := s.client.Do(request)
		must(t, err)
		if r := readAnswer(t, response); r.Allowed || r.Result.Code != c.code {
			t.Errorf("%s: answered %+v", name, r.Result)
		}
	}
}
