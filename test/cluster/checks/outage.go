package checks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// longestDenied is how long annotated pods may be denied after a blow.
const longestDenied = 2 * time.Second

// recovery is how long is waited after a blow: whatever is to heal must have healed well before.
const recovery = 8 * time.Second

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
	var told []string
	var failed []error
	for _, blow := range []struct {
		says string
		deal func(context.Context, *e2e.Cluster, *e2e.API) error
	}{
		{"SIGKILL of a replica", killReplica},
		{"wiped caBundle", wipeBundle},
		{"deleted Secret", deleteSecret},
	} {
		began := time.Now()
		if err := blow.deal(ctx, c, t.api); err != nil {
			return "", fmt.Errorf("%s: %w", blow.says, err)
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(recovery):
		}
		if err := healed(ctx, c, t.api); err != nil {
			return "", fmt.Errorf("%s: %w", blow.says, err)
		}
		o := t.since(began)
		if err := o.judge(longestDenied); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", blow.says, err))
		}
		told = append(told, fmt.Sprintf("%s: %v", blow.says, o))
	}
	return strings.Join(told, "; "), errors.Join(failed...)
}

// killReplica ends the first process of a replica, as a node that runs out of memory would.
func killReplica(ctx context.Context, c *e2e.Cluster, _ *e2e.API) error {
	id, err := c.Kubectl(ctx, "-n", e2e.Release, "get", "pods", "-o", "jsonpath={.items[0].status.containerStatuses[0].containerID}")
	if err != nil {
		return err
	}
	_, err = command.Run(ctx, "ctr", "--address", c.Node.Containerd, "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", strings.TrimPrefix(id, "containerd://"))
	return err
}

// wipeBundle is what a GitOps tool does that applies the configuration as it was rendered.
func wipeBundle(ctx context.Context, c *e2e.Cluster, _ *e2e.API) error {
	_, err := c.Kubectl(ctx, "patch", "mutatingwebhookconfiguration", e2e.Release, "--type=json", `-p=[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]`)
	return err
}

// deleteSecret deletes the Secret that holds the authority.
func deleteSecret(ctx context.Context, c *e2e.Cluster, _ *e2e.API) error {
	name, err := authoritySecret(ctx, c)
	if err != nil {
		return err
	}
	_, err = c.Kubectl(ctx, "-n", e2e.Release, "delete", name)
	return err
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
