package main

import (
	"slices"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/airflow"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/checks"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// all is every check, in the order in which they run.
func all() []e2e.Check {
	return slices.Concat(checks.First(), airflow.Checks(), checks.Last())
}
