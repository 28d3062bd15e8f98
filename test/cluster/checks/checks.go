// Package checks has the checks of the product itself on a real cluster: installed, safe, rotated, measured, removed.
package checks

import "github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"

// First is what runs before the scenarios with Airflow.
func First() []e2e.Check {
	return nil
}

// Last is what runs after them, and looks at what they left.
func Last() []e2e.Check {
	return nil
}
