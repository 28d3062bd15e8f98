// Package checks has the checks of the product itself on a real cluster: installed, safe, rotated, measured, removed.
package checks

import "github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"

// First is what runs before the scenarios with Airflow; the first two are what everything else stands on.
func First() []e2e.Check {
	return []e2e.Check{
		{Name: "images", Always: true, Run: images,
			Says: "the Dockerfile makes two images of one program each, without shell and root, that a node can run"},
		{Name: "install", Always: true, Run: install,
			Says: "the README's commands install the chart, and when they have ended an annotated pod is injected"},
		{Name: "restricted", Run: restricted,
			Says: "an annotated pod runs under Pod Security restricted with ResourceQuota and LimitRange"},
	}
}

// Last is what runs after them, and looks at what they left.
func Last() []e2e.Check {
	return nil
}
