package airflow

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
	"github.com/airflow-secrets/airflow-secrets/test/migration"
)

// userC has a DAG look up what matches the pattern, in a pod with an IAM user's keys.
func (r *runner) userC(ctx context.Context, c *e2e.Cluster) (string, error) {
	if err := r.load(ctx, c, airflow2); err != nil {
		return "", err
	}
	page, err := migration.Read()
	if err != nil {
		return "", err
	}
	policy, err := page.Block("userC policy")
	if err != nil {
		return "", err
	}
	secrets, want := secretsOfC()
	p, err := open(ctx, c, "e2e-user-c", store{Accounts: map[string]*account{ownAccount: {
		Keys:    []identity{{ID: "AKIAIOSFODNN7EXAMPLE", Policies: []json.RawMessage{json.RawMessage(policy)}}},
		Regions: map[string][]secret{region: secrets},
	}}})
	if err != nil {
		return "", err
	}
	if err := p.putDAGs(ctx, want); err != nil {
		return "", err
	}
	if err := p.runOfficial(ctx); err != nil {
		return "", err
	}
	counts, calls, err := p.calls(ctx)
	if err != nil {
		return "", err
	}
	if want := len(want.Connections) + len(want.Variables); counts["GetSecretValue"] != want || counts["BatchGetSecretValue"] > 1 {
		return "", fmt.Errorf("AWS was asked: %s; expected %d reads, one for each secret that matches, and one refused batch at most", calls, want)
	}
	return fmt.Sprintf("Airflow %s: what matches ^aws_ is there and the rest is not; AWS: %s, none of them from Airflow", airflow2.release, calls), nil
}

func secretsOfC() ([]secret, expected) {
	warehouse, asWarehouse := uri("warehouse.internal")
	lake, asLake := object("lake.internal")
	return []secret{
			{Name: "airflow/connections/aws_warehouse", String: warehouse},
			{Name: "airflow/connections/AWS_lake", String: lake},
			{Name: "airflow/connections/my_aws_db", String: warehouse},
			{Name: "airflow/variables/aws_token", String: e2e.Canary},
			{Name: "airflow/variables/token", String: e2e.Canary},
		}, expected{
			Connections: map[string]connection{"aws_warehouse": asWarehouse, "AWS_lake": asLake},
			Absent:      []string{"my_aws_db", "aws_nowhere"},
			Variables:   map[string]string{"aws_token": digest(e2e.Canary)},
		}
}

// runOfficial runs the DAG in a pod of the official chart's template, which has its database to itself.
func (p *place) runOfficial(ctx context.Context) error {
	var values migration.Official
	if err := p.page.Decode("userC after", &values); err != nil {
		return err
	}
	config, err := values.ConfigMap()
	if err != nil {
		return err
	}
	pod, err := values.Pod("official-podtemplate-af-config.json")
	if err != nil {
		return err
	}
	release(pod, airflow2)
	fromConfigMap(pod)
	p.withEndpoint(pod)
	pod.Spec.Containers[0].Args = []string{"bash", "-ec", "airflow db migrate && airflow tasks test verify look_up 2024-01-01"} // executors set it
	if err := p.applyFile(ctx, "official.yaml", "DATABASE", "sqlite:////opt/airflow/airflow.db"); err != nil {
		return err
	}
	var backend corev1.Secret
	if err := p.page.Decode("userC objects", &backend); err != nil {
		return err
	}
	if err := p.apply(ctx, backend, config, named(pod, "verify")); err != nil {
		return err
	}
	log, err := p.await(ctx, 4*time.Minute, "af-config-verify", "base", regexp.MustCompile("all look-ups are as expected"))
	if err != nil {
		return err
	}
	for _, want := range []string{"the password of aws_warehouse is ***", "the password of AWS_lake is ***"} {
		if !strings.Contains(log, want) {
			return fmt.Errorf("the log of the pod has no %q:\n%s", want, log)
		}
	}
	return nil
}
