package checks

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// rate is how many pods a second are created.
const rate = 20

// traffic creates annotated pods at a steady rate, whatever becomes of them. They are created with dryRun=All: the API
// server admits them as any other, our webhook included, and stores nothing, so no node has to run them.
type traffic struct {
	api  *e2e.API
	path string
	stop context.CancelFunc // of new creations; those under way are answered
	done sync.WaitGroup

	mu      sync.Mutex
	answers []answer
}

// answer is what became of one creation.
type answer struct {
	asked, answered time.Time
	injected        bool
	denied          string // why, where it was denied
}

// startTraffic creates pods in a namespace until end is called. What is to be judged comes after it has returned: by
// then a first pod has been answered.
func startTraffic(ctx context.Context, c *e2e.Cluster, namespace string) (*traffic, error) {
	api, err := c.Proxy(ctx)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	t := &traffic{api: api, path: "/api/v1/namespaces/" + namespace + "/pods?dryRun=All", stop: stop}
	if first := t.create(ctx); first.denied != "" || !first.injected {
		t.end()
		return nil, fmt.Errorf("creating the first pod: injected is %v, denied %q, expected a webhook at work", first.injected, first.denied)
	}
	t.done.Go(func() { t.run(ctx) })
	return t, nil
}

func (t *traffic) run(ctx context.Context) {
	tick := time.NewTicker(time.Second / rate)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			t.done.Go(func() {
				a := t.create(context.WithoutCancel(ctx)) // a review that hangs as the traffic stops counts, too
				t.mu.Lock()
				defer t.mu.Unlock()
				t.answers = append(t.answers, a)
			})
		}
	}
}

func (t *traffic) create(ctx context.Context) answer {
	a := answer{asked: time.Now()}
	status, body, err := t.api.Post(ctx, t.path, fmt.Appendf(nil, asker, annotated))
	a.answered = time.Now()
	var pod corev1.Pod
	switch {
	case err != nil:
		a.denied = err.Error()
	case status != http.StatusCreated:
		a.denied = fmt.Sprintf("status %d: %s", status, body)
	case json.Unmarshal(body, &pod) == nil:
		a.injected = isInjected(pod)
	}
	return a
}

// outcome is what became of all creations of a stretch of time.
type outcome struct {
	pods, denied, uninjected int
	window                   time.Duration // from the first denied one to the answer to the last
	reason                   string        // of the first denied one
	slowest                  time.Duration
}

// between tells of the creations that were asked for from then until before. It is called after end: an answer that is
// still to come would be missed, and the slow ones are those that matter.
func (t *traffic) between(then, before time.Time) outcome {
	answers := slices.DeleteFunc(slices.Clone(t.answers), func(a answer) bool { return a.asked.Before(then) || !a.asked.Before(before) })
	slices.SortFunc(answers, func(a, b answer) int { return cmp.Compare(a.asked.UnixNano(), b.asked.UnixNano()) })
	var o outcome
	var first time.Time
	for _, a := range answers {
		o.pods++
		o.slowest = max(o.slowest, a.answered.Sub(a.asked))
		switch {
		case a.denied != "":
			if o.denied++; o.denied == 1 {
				first, o.reason = a.asked, a.denied
			}
			o.window = max(o.window, a.answered.Sub(first))
		case !a.injected:
			o.uninjected++
		}
	}
	return o
}

// end stops the traffic, waits for the last answer, and only then closes the way to the API. It may be called again.
func (t *traffic) end() {
	t.stop()
	t.done.Wait()
	t.api.Close()
}

// String tells the outcome in a few words.
func (o outcome) String() string {
	text := fmt.Sprintf("%d pods, %d uninjected, %d denied", o.pods, o.uninjected, o.denied)
	if o.denied > 0 {
		text += fmt.Sprintf(" within %d ms", o.window.Milliseconds())
	}
	return fmt.Sprintf("%s, slowest %d ms", text, o.slowest.Milliseconds())
}

// judge wants no pod uninjected, and none denied for longer than that.
func (o outcome) judge(longest time.Duration) error {
	switch {
	case o.pods == 0:
		return fmt.Errorf("no pod was created")
	case o.uninjected > 0:
		return fmt.Errorf("%v, expected none uninjected", o)
	case o.denied > 0 && longest == 0:
		return fmt.Errorf("%v, expected none denied; the first: %s", o, o.reason)
	case o.window > longest:
		return fmt.Errorf("%v, expected %v at most; the first: %s", o, longest, o.reason)
	}
	return nil
}
