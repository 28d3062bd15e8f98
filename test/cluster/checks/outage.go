package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// longestDenied is how long annotated pods may be denied after a blow.
const longestDenied = 2 * time.Second

// recovery is how long is waited after a blow: whatever is to heal must have healed well before.
const recovery = 8 * time.Second

// blows are what befalls the installation, in turn.
var blows = []struct {
	says string
	deal func(context.Context, *e2e.Cluster) (struck, error)
}{
	{"SIGKILL of a replica", killReplica},
	{"wiped caBundle", wipeBundle},
	{"deleted Secret", deleteSecret},
}

// outage deals blows to the installation while pods are created at a steady rate.
func outage(ctx context.Context, c *e2e.Cluster) (string, error) {
	const namespace = "e2e-outage"
	if err := c.Namespace(ctx, namespace); err != nil {
		return "", err
	}
	t, err := startTraffic(ctx, c, namespace)
	if err != nil {
		return "", err
	}
	defer t.end()
	var began []time.Time
	for _, blow := range blows {
		began = append(began, time.Now())
		took, err := blow.deal(ctx, c)
		if err != nil {
			return "", fmt.Errorf("%s: %w", blow.says, err)
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(recovery):
		}
		if err := errors.Join(took(ctx), healed(ctx, c, t.api)); err != nil {
			return "", fmt.Errorf("%s: %w", blow.says, err)
		}
	}
	t.end()
	return judgeBlows(t, append(began, time.Now()))
}

// judgeBlows judges what came between each blow and the next.
func judgeBlows(t *traffic, began []time.Time) (string, error) {
	var told []string
	var failed []error
	for i, blow := range blows {
		o := t.between(began[i], began[i+1])
		if err := o.judge(longestDenied); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", blow.says, err))
		}
		told = append(told, fmt.Sprintf("%s: %v", blow.says, o))
	}
	return strings.Join(told, "; "), errors.Join(failed...)
}

// struck says, a while after a blow, whether it has hit anything: an error if nothing is other than before.
type struck func(context.Context) error

// changes reads a field of an object now. What it gives is satisfied once the field is another.
func changes(ctx context.Context, c *e2e.Cluster, object, field string) (struck, error) {
	read := func(ctx context.Context) (string, error) {
		return c.Kubectl(ctx, "-n", e2e.Release, "get", object, "-o", "jsonpath={"+field+"}")
	}
	before, err := read(ctx)
	if err == nil && before == "" {
		err = fmt.Errorf("%s has no %s", object, field)
	}
	return func(ctx context.Context) error {
		return command.Until(ctx, time.Minute, func(ctx context.Context) error {
			after, err := read(ctx)
			if err == nil && after == before {
				err = fmt.Errorf("%s of %s is still %q: the blow has hit nothing", field, object, before)
			}
			return err
		})
	}, err
}

// killReplica ends the first process of a replica that serves, as a node that runs out of memory would.
func killReplica(ctx context.Context, c *e2e.Cluster) (struck, error) {
	pods, err := replicas(ctx, c)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(pods, serves)
	if i < 0 {
		return nil, errors.New("looking for a replica to kill: none is ready")
	}
	took, err := changes(ctx, c, "pod/"+pods[i].Name, ".status.containerStatuses[0].restartCount")
	if err != nil {
		return nil, err
	}
	_, id, _ := strings.Cut(pods[i].Status.ContainerStatuses[0].ContainerID, "://")
	_, err = command.Run(ctx, "ctr", "--address", c.Node.Containerd, "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", id)
	return took, err
}

// serves says whether a pod is ready.
func serves(pod corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// wipeBundle is what a GitOps tool does that applies the configuration as it was rendered.
func wipeBundle(ctx context.Context, c *e2e.Cluster) (struck, error) {
	took, err := changes(ctx, c, "mutatingwebhookconfiguration/"+e2e.Release, ".metadata.resourceVersion")
	if err != nil {
		return nil, err
	}
	_, err = c.Kubectl(ctx, "patch", "mutatingwebhookconfiguration", e2e.Release, "--type=json", `-p=[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]`)
	return took, err
}

// deleteSecret deletes the Secret that holds the authority. The one in its place has another UID.
func deleteSecret(ctx context.Context, c *e2e.Cluster) (struck, error) {
	name, err := authoritySecret(ctx, c)
	if err != nil {
		return nil, err
	}
	took, err := changes(ctx, c, name, ".metadata.uid")
	if err != nil {
		return nil, err
	}
	_, err = c.Kubectl(ctx, "-n", e2e.Release, "delete", name)
	return took, err
}

// ourPods are the webhook's, those that stop included.
func ourPods(ctx context.Context, c *e2e.Cluster) ([]corev1.Pod, error) {
	list, err := c.Kubectl(ctx, "-n", e2e.Release, "get", "pods", "-o", "json")
	if err != nil {
		return nil, err
	}
	var pods corev1.PodList
	err = json.Unmarshal([]byte(list), &pods)
	return pods.Items, err
}

// replicas are the webhook's pods that are to stay.
func replicas(ctx context.Context, c *e2e.Cluster) ([]corev1.Pod, error) {
	pods, err := ourPods(ctx, c)
	return slices.DeleteFunc(pods, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil }), err
}

// authoritySecret is the name of the only Secret of the installation but those of Helm's releases.
func authoritySecret(ctx context.Context, c *e2e.Cluster) (string, error) {
	names, err := c.Kubectl(ctx, "-n", e2e.Release, "get", "secrets", "--field-selector=type!=helm.sh/release.v1", "-o", "name")
	if err != nil {
		return "", err
	}
	if found := strings.Fields(names); len(found) != 1 {
		return "", fmt.Errorf("looking for the Secret of the authority: there are %q, expected one", found)
	}
	return strings.TrimSpace(names), nil
}

// healed wants all as it was before: both replicas ready, a Secret with an authority, and a caBundle.
func healed(ctx context.Context, c *e2e.Cluster, api *e2e.API) error {
	if err := rolledOut(ctx, c); err != nil {
		return err
	}
	name, err := authoritySecret(ctx, c)
	if err != nil {
		return err
	}
	data, err := c.Kubectl(ctx, "-n", e2e.Release, "get", name, "-o", "jsonpath={.data}")
	if err != nil {
		return err
	}
	bundle, err := caBundle(ctx, api)
	if err != nil {
		return err
	}
	if data == "" || len(bundle) == 0 {
		return fmt.Errorf("the Secret holds %d bytes and caBundle %d, expected both filled again", len(data), len(bundle))
	}
	return nil
}
