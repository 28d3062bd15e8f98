package checks

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// sets are files with values of the chart, each a way to use it, whose rendered text other tests look at.
const sets = "test/manifests/testdata/*.yaml"

// elsewhere are the sets with what this cluster does not have, and what that is.
var elsewhere = map[string]string{
	"cert-manager":        "cert-manager's kinds",
	"cert-manager-issuer": "cert-manager's kinds",
	"monitored":           "the Prometheus operator's kinds",
	"dual-stack":          "addresses of IPv6",
}

// values has the API server look at all that the chart renders of each set, strictly and without storing it: its own
// defaults, checks and compilers of CEL read it, as they would in an installation.
func values(ctx context.Context, c *e2e.Cluster) (string, error) {
	const namespace = "e2e-values"
	if err := c.Namespace(ctx, namespace); err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(c.Source, sets))
	if err != nil {
		return "", err
	}
	seen := 0
	taken, ctx := errgroup.WithContext(ctx)
	taken.SetLimit(2)
	for _, file := range files {
		set := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if _, other := elsewhere[set]; other {
			continue
		}
		seen++
		taken.Go(func() error {
			if err := expectTaken(ctx, c, namespace, file); err != nil {
				return fmt.Errorf("with %s: %w", set, err)
			}
			return nil
		})
	}
	if err := taken.Wait(); err != nil {
		return "", err
	}
	if left := len(files) - seen; left != len(elsewhere) || seen == 0 {
		return "", fmt.Errorf("%s has %d sets, %d of them left out, expected %v to be there", sets, len(files), left, elsewhere)
	}
	return fmt.Sprintf("all that the chart renders of %d sets of values; left out: %s", seen, strings.Join(slices.Sorted(maps.Keys(elsewhere)), ", ")), nil
}

// expectTaken wants the API server to take what the chart renders of a file of values, as a release of a name of its own.
func expectTaken(ctx context.Context, c *e2e.Cluster, namespace, file string) error {
	rendered, err := c.Run(ctx, "helm", "template", namespace, "manifests/chart", "--namespace", namespace, "--kube-version", "1.30.0", "--no-hooks", "--values", file)
	if err != nil {
		return err
	}
	_, err = c.Create(ctx, rendered, "--dry-run=server", "--validate=strict", "--namespace", namespace)
	return err
}
