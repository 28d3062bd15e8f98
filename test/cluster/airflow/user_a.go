package airflow

import (
	"context"
	"fmt"
	"strings"
	"time"

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
	want.More = map[string]task{"verify_env": {Annotations: map[string]string{"airflow-secrets/deliver": "env"}}}
	if err := p.putDAGs(ctx, want); err != nil {
		return "", err
	}
	api, err := p.startAirflow3(ctx, ownRole, map[string]string{"airflow-secrets/config": "sentry.sentry_dsn=sentry"})
	if err != nil {
		return "", err
	}
	defer api.close()
	files, err := api.trigger(ctx, "verify")
	if err != nil {
		return "", err
	}
	env, err := api.trigger(ctx, "verify_env")
	if err != nil {
		return "", err
	}
	fromFiles, err := p.verified(ctx, api, files, `["LocalFilesystemBackend",`)
	if err != nil {
		return "", err
	}
	fromEnv, err := p.verified(ctx, api, env, `["EnvironmentVariablesBackend"]`)
	if err != nil {
		return "", err
	}
	_, calls, err := p.calls(ctx)
	return fmt.Sprintf("Airflow %s: success %.1f s after the trigger with files, %.1f s with variables, passwords masked; AWS: %s",
		airflow3.release, fromFiles.Seconds(), fromEnv.Seconds(), calls), err
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

// verified waits for a run's end, which must be a success, and wants the log of its task's pod to name the secrets backends
// in a line of JSON and to have passwords masked.
func (p *place) verified(ctx context.Context, a *api, r run, backends string) (time.Duration, error) {
	took, err := a.finish(ctx, r, "success")
	if err != nil {
		return 0, err
	}
	pod, err := p.podOf(ctx, r.dag)
	if err != nil {
		return 0, err
	}
	log, err := p.log(ctx, pod, "base")
	if err != nil {
		return 0, err
	}
	for _, want := range []string{`"backend_classes":` + backends, "the password of warehouse is ***", "the password of lake is ***", "all look-ups are as expected"} {
		if !strings.Contains(log, want) {
			return 0, fmt.Errorf("the log of the task's pod %s has no %q:\n%s", pod, want, log)
		}
	}
	return took, nil
}
