package checks

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// rounds is how often each of the two pods is started, in turn.
const rounds = 30

// mostAdded is how much longer a pod of ours may take to start than one with an init container that does nothing.
const mostAdded = 150 * time.Millisecond

// starter is a pod whose only container says when it came to run, by the node's clock.
const starter = `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": %q, "annotations": {%s}}, "spec": {
  "restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false, "initContainers": [%s],
  "containers": [{"name": "base", "image": "` + e2e.BusyBoxImage + `", "command": ["sh", "-c", "echo $EPOCHREALTIME"], "env": [
    {"name": "AIRFLOW__CORE__EXECUTOR", "value": "KubernetesExecutor"},
    {"name": "AWS_ACCESS_KEY_ID", "value": "AKIAIOSFODNN7EXAMPLE"}, {"name": "AWS_SECRET_ACCESS_KEY", "value": "any"}]}]}}`

// start measures pods from the request that creates one to the start of its container: the whole of what injection
// costs, the review included. The fake AWS answers at once, so AWS's own time is left out.
func start(ctx context.Context, c *e2e.Cluster) (string, error) {
	const namespace = "e2e-start"
	if err := c.Namespace(ctx, namespace); err != nil {
		return "", err
	}
	endpoint, err := c.AWS(ctx, namespace, store)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	api, err := c.Proxy(ctx)
	if err != nil {
		return "", err
	}
	s := stopwatch{api: api, pods: "/api/v1/namespaces/" + namespace + "/pods"}
	asked := fmt.Sprintf(`"airflow-secrets/inject": "true", "airflow-secrets/region": "eu-central-1", "airflow-secrets/endpoint-url": %q`, endpoint)
	nothing := `{"name": "nothing", "image": "` + e2e.BusyBoxImage + `", "command": ["true"]}`
	var ours, noop, inside []time.Duration
	for round := range rounds + 1 {
		o, err := s.time(ctx, fmt.Sprintf("ours-%d", round), asked, "")
		if err != nil {
			return "", err
		}
		n, err := s.time(ctx, fmt.Sprintf("noop-%d", round), "", nothing)
		if err != nil {
			return "", err
		}
		if round > 0 { // the first pair warms up
			ours, noop, inside = append(ours, o.total), append(noop, n.total), append(inside, o.fetcher)
		}
	}
	added := median(ours) - median(noop)
	told := fmt.Sprintf("median of %d: %d ms, with an init container that does nothing %d ms: %d ms more (the fetcher itself ran %d ms)",
		rounds, median(ours).Milliseconds(), median(noop).Milliseconds(), added.Milliseconds(), median(inside).Milliseconds())
	if added > mostAdded {
		return "", fmt.Errorf("%s, expected %v at most", told, mostAdded)
	}
	return told, nil
}

// stopwatch times pods of a namespace.
type stopwatch struct {
	api  *e2e.API
	pods string // path of the namespace's pods
}

// lap is one pod's start.
type lap struct {
	total   time.Duration // from the request to the container
	fetcher time.Duration // as the fetcher has it in its log; 0 where there is none
}

// time starts one pod and removes it again.
func (s stopwatch) time(ctx context.Context, name, annotations, initContainer string) (lap, error) {
	asked := time.Now()
	status, answer, err := s.api.Post(ctx, s.pods, fmt.Appendf(nil, starter, name, annotations, initContainer))
	if err != nil {
		return lap{}, err
	}
	var pod corev1.Pod
	if err := json.Unmarshal(answer, &pod); err != nil || status/100 != 2 || isInjected(pod) != (annotations != "") {
		return lap{}, fmt.Errorf("creating the pod %s: status %d, injected is %v: %s", name, status, isInjected(pod), answer)
	}
	if err := s.await(ctx, name); err != nil {
		return lap{}, err
	}
	var l lap
	if annotations != "" {
		if l.fetcher, err = s.fetcherTook(ctx, name); err != nil {
			return lap{}, err
		}
	}
	said, err := s.api.Get(ctx, s.pods+"/"+name+"/log?container=base")
	if err != nil {
		return lap{}, err
	}
	ran, err := clock(strings.TrimSpace(string(said)))
	l.total = ran.Sub(asked)
	if err != nil {
		return lap{}, err
	}
	return l, s.api.Delete(ctx, s.pods+"/"+name)
}

// clock reads seconds since 1970 with microseconds.
func clock(text string) (time.Time, error) {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the container's clock: it says %q, expected seconds since 1970", text)
	}
	return time.UnixMicro(int64(seconds * 1e6)), nil
}

func (s stopwatch) await(ctx context.Context, name string) error {
	return command.Until(ctx, time.Minute, func(ctx context.Context) error {
		var pod struct{ Status struct{ Phase string } }
		answer, err := s.api.Get(ctx, s.pods+"/"+name)
		if err == nil {
			err = json.Unmarshal(answer, &pod)
		}
		if err == nil && pod.Status.Phase != "Succeeded" {
			err = fmt.Errorf("the pod %s is %s, expected Succeeded", name, pod.Status.Phase)
		}
		return err
	})
}

// fetcherTook is what the last line of the fetcher's log says of its duration.
func (s stopwatch) fetcherTook(ctx context.Context, name string) (time.Duration, error) {
	log, err := s.api.Get(ctx, s.pods+"/"+name+"/log?container=airflow-secrets")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(log)) {
		var last struct{ Duration string }
		if json.Unmarshal([]byte(line), &last) == nil && last.Duration != "" {
			return time.ParseDuration(last.Duration)
		}
	}
	return 0, fmt.Errorf("reading how long the fetcher of %s took: no line of its log has a duration: %s", name, log)
}

func median(durations []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[len(sorted)/2]
}
