// Package checks has the checks of the product itself on a real cluster: installed, safe, rotated, measured, removed.
package checks

import (
	"context"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// First is what runs before the scenarios with Airflow; the first two are what everything else stands on.
func First() []e2e.Check {
	return []e2e.Check{
		{Name: "images", Always: true, Run: images,
			Says: "the Dockerfile makes two images of one program each, without shell and root, that a node can run"},
		{Name: "install", Always: true, Run: install,
			Says: "the README's commands install the chart, and when they have ended an annotated pod is injected"},
		{Name: "restricted", Run: restricted,
			Says: "an annotated pod runs under Pod Security restricted with ResourceQuota and LimitRange"},
		{Name: "start", Run: start, OwnNode: true, Limit: 10 * time.Minute, // before Airflow is there to compete with
			Says: "how much longer a pod takes to start with ours than with an init container that does nothing"},
	}
}

// Last is what runs after them, and looks at what they left.
func Last() []e2e.Check {
	return []e2e.Check{
		{Name: "rotation", Run: rotation, Restore: reinstall, OwnNode: true, Limit: 10 * time.Minute,
			Says: "20 pods a second are all injected while certificates are replaced and replicas restarted"},
		{Name: "outage", Run: outage, Restore: reinstall, OwnNode: true,
			Says: "after SIGKILL, a wiped caBundle or a deleted Secret no pod is uninjected, and none denied for more than 2 s"},
		{Name: "own", Run: ownCertificate, Restore: reinstall, OwnNode: true,
			Says: "20 pods a second are all injected while one goes over to a certificate of one's own, renews it and goes back"},
		{Name: "values", Run: values,
			Says: "the API server takes whatever the chart renders, its CEL included"},
		{Name: "policy", Run: policy, Restore: reinstall,
			Says: "without a webhook the ValidatingAdmissionPolicy holds back pods that ask for secrets, and no others"},
		{Name: "rights", Run: rights,
			Says: "whatever roles the webhook's account has, it can write no more than caBundle and its Secret's data"},
		{Name: "canary", Run: canary,
			Says: "no value of a secret is in any object of the API, event, log of ours, nor in etcd"},
		{Name: "uninstall", Run: uninstall, Restore: func(ctx context.Context, c *e2e.Cluster) error { return c.Uninstall(ctx) },
			Says: "after the README's commands pods are created as if we had never been, and nothing of ours is left"},
		{Name: "ways", Run: ways,
			Says: "install.yaml without Helm, and Helm 4 with two upgrades and helm test, install and remove it as well"},
	}
}
