package airflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
	"github.com/airflow-secrets/airflow-secrets/test/migration"
)

// userB has a Celery worker, as the community chart renders it, execute a DAG's task with connections of two accounts.
func (r *runner) userB(ctx context.Context, c *e2e.Cluster) (string, error) {
	if err := r.load(ctx, c, airflow2); err != nil {
		return "", err
	}
	const namespace = "e2e-user-b"
	page, err := migration.Read()
	if err != nil {
		return "", err
	}
	accounts, want, err := accountsOfB(page, namespace)
	if err != nil {
		return "", err
	}
	p, err := open(ctx, c, namespace, accounts)
	if err != nil {
		return "", err
	}
	if err := p.putDAGs(ctx, want); err != nil {
		return "", err
	}
	if err := p.applyFile(ctx, "stores.yaml", "IMAGE", airflow2.Reference); err != nil {
		return "", err
	}
	if _, err := p.Kubectl(ctx, "-n", namespace, "wait", "--for=condition=Ready", "pod/stores", "--timeout=120s"); err != nil {
		return "", err
	}
	if err := p.startCelery(ctx); err != nil {
		return "", err
	}
	took, err := p.executed(ctx)
	if err != nil {
		return "", err
	}
	if err := p.expectMasked(ctx); err != nil {
		return "", err
	}
	_, calls, err := p.calls(ctx)
	return fmt.Sprintf("Airflow %s: the worker's task succeeded %.0f s after its pod was made, the own account's secret wins; AWS: %s", airflow2.release, took.Seconds(), calls), err
}

// accountsOfB are those of the page once the plugin is gone, and what a DAG finds in them.
func accountsOfB(page *migration.Page, namespace string) (store, expected, error) {
	documents := map[string]string{}
	for _, name := range []string{"userB policy after", "userB shared role", "userB shared trust"} {
		text, err := page.Block(name)
		if err != nil {
			return store{}, expected{}, err
		}
		documents[name] = text
	}
	const key = "0987dcba-09fe-87dc-65ba-ab0987654321" // as the page has it
	const own, shared = "org/tenant/prod/airflow/", "org/core/airflow/"
	keyARN := "arn:aws:kms:" + region + ":" + sharedAccount + ":key/" + key
	orders, asOrders := uri("orders.internal")
	warehouse, asWarehouse := object("warehouse.internal")
	both, asBoth := uri("own.internal")
	hidden, _ := uri("shared.internal")
	once := "@once"
	return store{Accounts: map[string]*account{
			ownAccount: {
				Roles: []identity{serviceAccountRole("airflow", namespace, "af", documents["userB policy after"])},
				Regions: map[string][]secret{region: {
					{Name: own + "orders", String: orders},
					{Name: own + "both", String: both},
					{Name: own + "limits", String: e2e.Canary},
				}},
			},
			sharedAccount: {
				Roles: []identity{{Name: "airflow-secrets", TrustPolicy: json.RawMessage(documents["userB shared trust"]),
					Policies: []json.RawMessage{json.RawMessage(documents["userB shared role"])}}},
				KMSKeys: []kmsKey{{ID: key, Region: region}},
				Regions: map[string][]secret{region: {
					{Name: shared + "warehouse", String: warehouse, KMSKey: keyARN},
					{Name: shared + "both", String: hidden, KMSKey: keyARN},
				}},
			},
		}}, expected{
			Schedule:    &once,
			Connections: map[string]connection{"orders": asOrders, "warehouse": asWarehouse, "both": asBoth},
			Absent:      []string{"nowhere"},
			Variables:   map[string]string{"limits": digest(e2e.Canary)},
		}, nil
}

// startCelery makes the chart's Secret and its pods: one that migrates the database, the scheduler, the worker.
func (p *place) startCelery(ctx context.Context) error {
	var values migration.Community
	if err := p.page.Decode("userB after", &values); err != nil {
		return err
	}
	values.Airflow.ExtraPipPackages = nil // they were there for the plugin alone
	secret, err := values.ConfigSecret()
	if err != nil {
		return err
	}
	for name, value := range secret.Data { // a release in this namespace
		secret.Data[name] = []byte(strings.Replace(string(value), ".airflow.svc.", "."+p.namespace+".svc.", 1))
	}
	objects := []any{secret}
	for _, file := range []string{"community-deployment-af-db-migrations.json", "userB-deployment-af-scheduler.json", "userB-statefulset-af-worker.json"} {
		pod, err := values.Pod(file)
		if err != nil {
			return err
		}
		if err := p.connectPod(ctx, pod, secret); err != nil {
			return err
		}
		objects = append(objects, named(pod, "0"))
	}
	return p.apply(ctx, objects...)
}

// connectPod makes a pod of the chart's find what is not in this cluster.
func (p *place) connectPod(ctx context.Context, pod *corev1.Pod, secret *corev1.Secret) error {
	release(pod, airflow2)
	p.withRole(pod, ownRole)
	for service, variable := range map[string]string{"af-pgbouncer": "DATABASE_HOST", "af-redis-master": "REDIS_HOST"} {
		address, err := p.address(ctx, service)
		if err != nil {
			return err
		}
		withHost(pod, address, string(secret.Data[variable]))
	}
	withDAGs(pod)
	return nil
}

// executed waits for the run that the scheduler starts by itself, and gives the time since the worker's pod was made.
func (p *place) executed(ctx context.Context) (time.Duration, error) {
	var ended string
	err := command.Until(ctx, 5*time.Minute, func(ctx context.Context) error {
		state, err := p.Kubectl(ctx, "-n", p.namespace, "exec", "stores", "-c", "postgres", "--",
			"psql", "-h", "127.0.0.1", "-p", "6432", "-U", "postgres", "-d", "airflow", "-tAc", "select state from dag_run where dag_id = 'verify'")
		if ended = strings.TrimSpace(state); err == nil && ended != "success" && ended != "failed" {
			err = fmt.Errorf("the run of verify is %q, expected its end", ended)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	if ended == "failed" {
		log, err := p.taskLog(ctx)
		return 0, errors.Join(fmt.Errorf("the run of verify has failed, expected success; its log:\n%s", log), err)
	}
	created, err := p.Kubectl(ctx, "-n", p.namespace, "get", "pod/af-worker-0", "-o", "jsonpath={.metadata.creationTimestamp}")
	if err != nil {
		return 0, err
	}
	at, err := time.Parse(time.RFC3339, created)
	return time.Since(at), err
}

// taskLog is the log of the task, which a worker of Celery's keeps in a file.
func (p *place) taskLog(ctx context.Context) (string, error) {
	return p.Kubectl(ctx, "-n", p.namespace, "exec", "af-worker-0", "-c", "airflow-worker", "--", "bash", "-c", "cat /opt/airflow/logs/dag_id=verify/*/*/*.log")
}

// expectMasked wants the task's log to have no password.
func (p *place) expectMasked(ctx context.Context) error {
	log, err := p.taskLog(ctx)
	if err != nil {
		return err
	}
	for _, id := range []string{"orders", "warehouse", "both"} {
		if want := "the password of " + id + " is ***"; !strings.Contains(log, want) {
			return fmt.Errorf("the log of the task has no %q:\n%s", want, log)
		}
	}
	return nil
}
