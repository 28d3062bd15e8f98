package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/kube"
)

// missingForLent says what this machine and the cluster of KUBECONFIG lack for the checks.
func missingForLent(ctx context.Context, c *e2e.Cluster) []string {
	var missing []string
	for _, name := range []string{"kubectl", "helm", "buildah"} {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name+": on the PATH, as KUBECONFIG is set")
		}
	}
	if _, err := os.Stat(kube.BusyBox); err != nil {
		missing = append(missing, kube.BusyBox+": apt-get install -y busybox-static")
	}
	if len(c.LoadImage) == 0 {
		missing = append(missing, `LOAD_IMAGE: a command that makes an image archive known to the cluster of KUBECONFIG, such as LOAD_IMAGE="kind load image-archive"`)
	}
	if _, err := exec.LookPath("kubectl"); err == nil {
		if err := expectUnused(ctx, c); err != nil {
			missing = append(missing, "the cluster of KUBECONFIG: "+err.Error())
		}
	}
	return missing
}

// expectUnused wants the cluster to answer and to be without an installation, so that what is there in the end is ours to
// remove.
func expectUnused(ctx context.Context, c *e2e.Cluster) error {
	if _, err := c.Kubectl(ctx, "version", "--request-timeout=10s"); err != nil {
		return err
	}
	found, err := c.Installed(ctx)
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("it has %s already, which the checks would remove; uninstall that first, or lend another", strings.Join(found, ", "))
	}
	return err
}

// leave removes from a cluster that was lent what the checks made there: the installation, in whatever state it is, and
// their namespaces.
func leave(c *e2e.Cluster, keep bool) error {
	if keep {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	uninstalled := c.Uninstall(ctx)
	if _, err := c.Kubectl(ctx, "delete", "namespace", "--selector", e2e.Label, "--timeout", "2m"); err != nil {
		return errors.Join(uninstalled, fmt.Errorf("removing the namespaces of the checks: %w", err))
	}
	return uninstalled
}
