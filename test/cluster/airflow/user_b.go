package airflow

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
	"github.com/airflow-secrets/airflow-secrets/test/migration"
)

// userB has a Celery worker, as the community chart renders it, execute a DAG's task with connections of two accounts.
func (r *runner) userB(ctx context.Context, c *e2e.Cluster) (string, error) {
	p, err := r.prepareCelery(ctx, c, "e2e-user-b", accountsOfB)
	if err != nil {
		return "", err
	}
	pod, err := p.startCelery(ctx, nil)
	if err != nil {
		return "", err
	}
	took, err := p.executed(ctx, workerOf(pod, "verify"))
	if err != nil {
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
