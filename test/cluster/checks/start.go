package checks

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// rounds is how often each of the two kinds of pods is started.
const rounds = 30

// goal is how much longer a pod of ours may take to start than one with an init container that does nothing, and mostAdded
// what fails the check. A machine that is busy with other things delays both, so that nothing finer can be demanded.
const (
	goal      = 150 * time.Millisecond
	mostAdded = time.Second
)

// starter is a pod whose only container says when it came to run, by the node's clock. Like Airflow's it has the token of
// its service account, in a volume: the kubelet looks every 300 ms whether volumes are there, and only where a pod has one.
const starter = `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": %q, "annotations": {%s}}, "spec": {
  "restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "initContainers": [%s],
  "containers": [{"name": "base", "image": "` + e2e.BusyBoxImage + `", "command": ["sh", "-c", "echo $EPOCHREALTIME"], "env": [
    {"name": "AIRFLOW__CORE__EXECUTOR", "value": "KubernetesExecutor"},
    {"name": "AWS_ACCESS_KEY_ID", "value": "AKIAIOSFODNN7EXAMPLE"}, {"name": "AWS_SECRET_ACCESS_KEY", "value": "any"}]}]}}`

// start measures pods from the request that creates one to the last word of its init container, which is what injection
// adds to, the review included, and to the start of Airflow's. The fake AWS answers at once, so AWS's own time is left
// out.
//
// Between the two the kubelet has to notice that the init container has ended, and it looks once a second. Whoever starts a
// pod as soon as the one before is done is in step with that, and measures either nothing or a whole second; so each pod is
// created at a moment of its own.
func start(ctx context.Context, c *e2e.Cluster) (string, error) {
	const namespace = "e2e-start"
	if err := c.Namespace(ctx, namespace); err != nil {
		return "", err
	}
	endpoint, err := c.AWS(ctx, namespace, store)
	if err != nil {
		return "", err
	}
	api, err := c.Proxy(ctx)
	if err != nil {
		return "", err
	}
	defer api.Close()
	s := stopwatch{api: api, pods: "/api/v1/namespaces/" + namespace + "/pods"}
	ours := kind{name: "ours", container: "airflow-secrets", lastWord: fetcherEnded,
		annotations: fmt.Sprintf(`"airflow-secrets/inject": "true", "airflow-secrets/region": "eu-central-1", "airflow-secrets/endpoint-url": %q`, endpoint)}
	noop := kind{name: "noop", container: "nothing", lastWord: clock,
		initContainer: `{"name": "nothing", "image": "` + e2e.BusyBoxImage + `", "command": ["sh", "-c", "echo $EPOCHREALTIME"]}`}
	var oursTimed, noopTimed []lap
	both, ctx := errgroup.WithContext(ctx) // side by side, so that whatever else the machine does delays both alike
	both.Go(func() (err error) { oursTimed, err = s.timeAll(ctx, ours); return err })
	both.Go(func() (err error) { noopTimed, err = s.timeAll(ctx, noop); return err })
	if err := both.Wait(); err != nil {
		return "", err
	}
	return compare(oursTimed, noopTimed)
}

// compare tells the medians.
func compare(ours, noop []lap) (string, error) {
	initOf := func(l lap) time.Duration { return l.init }
	totalOf := func(l lap) time.Duration { return l.total }
	added := median(ours, initOf) - median(noop, initOf)
	told := fmt.Sprintf("medians of %d: to the end of the init container %d ms, of one that does nothing %d ms: %d ms more (goal %d); to Airflow's container %d and %d ms",
		len(ours), median(ours, initOf).Milliseconds(), median(noop, initOf).Milliseconds(), added.Milliseconds(), goal.Milliseconds(),
		median(ours, totalOf).Milliseconds(), median(noop, totalOf).Milliseconds())
	if added > mostAdded {
		return "", fmt.Errorf("%s, expected less than %v", told, mostAdded)
	}
	return told, nil
}

// stopwatch times pods of a namespace.
type stopwatch struct {
	api  *e2e.API
	pods string // path of the namespace's pods
}

// kind is one of the two kinds of pods.
type kind struct {
	name                       string
	annotations, initContainer string // JSON, of which one is empty
	container                  string // the init container
	lastWord                   func(log string) (time.Time, error)
}

// lap is one pod's start, from the request that creates it.
type lap struct {
	init  time.Duration // to the last word of the init container
	total time.Duration // to the first of the other one
}

// timeAll starts pods of a kind one after the other. The first one warms up.
func (s stopwatch) timeAll(ctx context.Context, k kind) (laps []lap, err error) {
	for round := range rounds + 1 {
		l, err := s.time(ctx, k, round)
		if err != nil {
			return nil, fmt.Errorf("starting %s-%d: %w", k.name, round, err)
		}
		laps = append(laps, l)
	}
	return laps[1:], nil
}

// time starts one pod and removes it again.
func (s stopwatch) time(ctx context.Context, k kind, round int) (lap, error) {
	time.Sleep(rand.N(time.Second))
	path := fmt.Sprintf("%s/%s-%d", s.pods, k.name, round)
	asked := time.Now()
	status, answer, err := s.api.Post(ctx, s.pods, fmt.Appendf(nil, starter, fmt.Sprintf("%s-%d", k.name, round), k.annotations, k.initContainer))
	if err != nil {
		return lap{}, err
	}
	var pod corev1.Pod
	if err := json.Unmarshal(answer, &pod); err != nil || status/100 != 2 || isInjected(pod) != (k.annotations != "") {
		return lap{}, fmt.Errorf("creating the pod: status %d, injected is %v: %s", status, isInjected(pod), answer)
	}
	ran, err := s.said(ctx, path+"/log?container=base", clock)
	if err != nil {
		return lap{}, err
	}
	ended, err := s.said(ctx, path+"/log?container="+k.container, k.lastWord)
	if err != nil {
		return lap{}, err
	}
	return lap{init: ended.Sub(asked), total: ran.Sub(asked)}, s.api.Delete(ctx, path)
}

// said waits for a log that tells a time.
func (s stopwatch) said(ctx context.Context, path string, read func(string) (time.Time, error)) (at time.Time, err error) {
	err = command.Until(ctx, time.Minute, func(ctx context.Context) error {
		log, err := s.api.Get(ctx, path) // an error while the container waits
		if err != nil {
			return err
		}
		at, err = read(string(log))
		return err
	})
	return at, err
}

// clock reads seconds since 1970 with microseconds.
func clock(text string) (time.Time, error) {
	seconds, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the container's clock: it says %q, expected seconds since 1970", text)
	}
	return time.UnixMicro(int64(seconds * 1e6)), nil
}

// fetcherEnded is the time of the line with which the fetcher ends its log.
func fetcherEnded(log string) (time.Time, error) {
	for line := range strings.Lines(log) {
		var last struct {
			Time     time.Time
			Duration string
		}
		if json.Unmarshal([]byte(line), &last) == nil && last.Duration != "" {
			return last.Time, nil
		}
	}
	return time.Time{}, fmt.Errorf("reading when the fetcher ended: no line of its log has a duration: %s", log)
}

func median(laps []lap, of func(lap) time.Duration) time.Duration {
	var sorted []time.Duration
	for _, l := range laps {
		sorted = append(sorted, of(l))
	}
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}
