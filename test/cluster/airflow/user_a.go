package airflow

import (
	"context"
	"fmt"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
	"github.com/airflow-secrets/airflow-secrets/test/migration"
)

// The accounts of docs/migration.md.
const (
	ownAccount    = "111122223333"
	sharedAccount = "222222222222"
	ownRole       = "arn:aws:iam::" + ownAccount + ":role/airflow"
)

// userA has a DAG look its secrets up in a pod that Airflow 3 makes from an annotated template.
func (r *runner) userA(ctx context.Context, c *e2e.Cluster) (string, error) {
	if err := r.load(ctx, c, airflow3); err != nil {
		return "", err
	}
	secrets, want := secretsOfA()
	p, err := openForA(ctx, c, "e2e-user-a", secrets)
	if err != nil {
		return "", err
	}
	if err := p.putDAGs(ctx, want); err != nil {
		return "", err
	}
	api, err := p.startAirflow3(ctx, ownRole, map[string]string{"airflow-secrets/config": "sentry.sentry_dsn=sentry"})
	if err != nil {
		return "", err
	}
	run, err := api.trigger(ctx, "verify")
	if err != nil {
		return "", err
	}
	took, err := api.finish(ctx, run, "success")
	if err != nil {
		return "", err
	}
	if err := p.expectFiles(ctx, run); err != nil {
		return "", err
	}
	_, calls, err := p.calls(ctx)
	return fmt.Sprintf("Airflow %s: success %.1f s after the trigger, from LocalFilesystemBackend, passwords masked; AWS: %s", airflow3.release, took.Seconds(), calls), err
}

// openForA makes a namespace with the account of user A, whose role may do what the page says.
func openForA(ctx context.Context, c *e2e.Cluster, namespace string, secrets []secret) (*place, error) {
	page, err := migration.Read()
	if err != nil {
		return nil, err
	}
	policy, err := page.Block("userA policy")
	if err != nil {
		return nil, err
	}
	return open(ctx, c, namespace, store{Accounts: map[string]*account{ownAccount: {
		Roles:   []identity{serviceAccountRole("airflow", namespace, "af-airflow-worker", policy)},
		Regions: map[string][]secret{region: secrets},
	}}})
}

// secretsOfA are good ones of each kind, a bad one, and one that the policy does not let the role read.
func secretsOfA() ([]secret, expected) {
	warehouse, asWarehouse := uri("warehouse.internal")
	lake, asLake := object("lake.internal")
	return []secret{
			{Name: "airflow/connections/warehouse", String: warehouse},
			{Name: "airflow/connections/lake", String: lake},
			{Name: "airflow/connections/broken", String: "{" + e2e.Canary},
			{Name: "airflow/variables/token", String: " " + e2e.Canary + "\n"},
			{Name: "airflow/config/sentry", String: "https://" + e2e.Canary + "@sentry.internal/1"},
			{Name: "team-b/connections/other", String: warehouse},
		}, expected{
			Connections: map[string]connection{"warehouse": asWarehouse, "lake": asLake},
			Absent:      []string{"broken", "other", "nowhere"},
			Variables:   map[string]string{"token": digest(" " + e2e.Canary + "\n")},
			Options:     map[string]string{"sentry.sentry_dsn": digest("https://" + e2e.Canary + "@sentry.internal/1")},
		}
}

// expectFiles wants the log of a run's pod to name the backend that reads files, and to have passwords masked.
func (p *place) expectFiles(ctx context.Context, r run) error {
	pod, err := p.podOf(ctx, r.dag)
	if err != nil {
		return err
	}
	log, err := p.log(ctx, pod, "base")
	if err != nil {
		return err
	}
	for _, want := range []string{"LocalFilesystemBackend", "the password of warehouse is ***", "the password of lake is ***", "all look-ups are as expected"} {
		if !strings.Contains(log, want) {
			return fmt.Errorf("the log of the task's pod %s has no %q:\n%s", pod, want, log)
		}
	}
	return nil
}
