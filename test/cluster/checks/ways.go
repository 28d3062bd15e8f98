package checks

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
	"github.com/airflow-secrets/airflow-secrets/test/helm"
)

// ways goes the other ways to install, each from the pages and each from nothing to nothing: the file without Helm, and
// Helm 4, which applies on the server's side and so notices whether two write the same field.
func ways(ctx context.Context, c *e2e.Cluster) (string, error) {
	const namespace = "e2e-ways"
	if err := c.Namespace(ctx, namespace); err != nil {
		return "", err
	}
	if err := withoutHelm(ctx, c, namespace); err != nil {
		return "", fmt.Errorf("without Helm: %w", err)
	}
	if err := withHelm4(ctx, c, namespace); err != nil {
		return "", fmt.Errorf("with %s: %w", helm.Four, err)
	}
	return "kubectl apply and delete -f manifests/install.yaml; Helm 4: install, upgrade twice, test, uninstall; nothing is left of either", nil
}

func withoutHelm(ctx context.Context, c *e2e.Cluster, namespace string) error {
	if _, err := runPage(ctx, c, installation, "apply"); err != nil {
		return err
	}
	if err := expectInjected(ctx, c, namespace); err != nil {
		return err
	}
	if _, err := c.Kubectl(ctx, "delete", "-f", "manifests/install.yaml"); err != nil {
		return err
	}
	return expectGone(ctx, c, namespace)
}

func withHelm4(ctx context.Context, c *e2e.Cluster, namespace string) error {
	four, err := helm.Build(ctx, helm.Four)
	if err != nil {
		return err
	}
	with := *c // the same cluster, for whoever has Helm 4
	with.Path = filepath.Dir(four.Binary) + string(filepath.ListSeparator) + c.Path
	if _, err := runPage(ctx, &with, readme, "install"); err != nil {
		return err
	}
	// The first upgrade changes nothing, the second the pods.
	for _, values := range []string{"", "--set test.image=" + e2e.BusyBoxImage + " --set podLabels.upgraded=twice"} {
		if _, err := runPage(ctx, &with, installation, "upgrade", values); err != nil {
			return err
		}
		if err := expectInjected(ctx, c, namespace); err != nil {
			return err
		}
	}
	if _, err := runPage(ctx, &with, installation, "test"); err != nil {
		return err
	}
	if _, err := c.Kubectl(ctx, "--namespace", "default", "delete", "pod", "airflow-secrets-test"); err != nil {
		return err
	}
	if _, err := runPage(ctx, &with, readme, "uninstall"); err != nil {
		return err
	}
	return expectGone(ctx, c, namespace)
}
