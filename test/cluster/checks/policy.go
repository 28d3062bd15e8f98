package checks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// refusedByPolicy is what the API server says of a pod that the ValidatingAdmissionPolicy holds back.
const refusedByPolicy = "ValidatingAdmissionPolicy 'airflow-secrets'"

// policyCases are pods by their annotations, and whether the policy holds them back while no webhook answers.
var policyCases = []struct {
	annotations string
	refused     bool
}{
	{annotated, true},
	{`"airflow-secrets/inject": "yes"`, true},
	{`"airflow-secrets/region": "eu-central-1"`, true},
	{`"airflow-secrets/inject": "true", "airflow-secrets/status": "injected"`, true},
	{`"airflow-secrets/inject": "true", "airflow-secrets/status": "side-containers-only"`, false},
	{`"airflow-secrets/inject": "false", "airflow-secrets/region": "eu-central-1"`, false},
	{`"airflow-secrets/status": "injected"`, false},
	{`"team": "data"`, false},
	{``, false},
}

// policy takes all replicas away, with failurePolicy Ignore, and asks for pods of which the ValidatingAdmissionPolicy alone
// can hold back any. Before, with the webhook there, it wants it to be in nobody's way.
func policy(ctx context.Context, c *e2e.Cluster) (string, error) {
	const namespace = "e2e-policy"
	if err := c.Namespace(ctx, namespace); err != nil {
		return "", err
	}
	values := []string{"--set", "validatingAdmissionPolicy.enabled=true", "--set", "webhook.failurePolicy=Ignore"}
	if err := helmUpgrade(ctx, c, values...); err != nil {
		return "", err
	}
	if err := expectInjected(ctx, c, namespace); err != nil {
		return "", err
	}
	if err := helmUpgrade(ctx, c, append(values, "--set", "replicas=0")...); err != nil {
		return "", err
	}
	if err := noneStops(ctx, c); err != nil {
		return "", err
	}
	if err := expectRefused(ctx, c, namespace); err != nil {
		return "", err
	}
	return fmt.Sprintf("of %d pods without a webhook, those that ask for secrets are refused by the policy and the others are created", len(policyCases)),
		upgrade(ctx, c)
}

// expectRefused asks for each of the pods. The API server takes a moment to learn of a policy, so the first is asked again.
func expectRefused(ctx context.Context, c *e2e.Cluster, namespace string) error {
	err := command.Until(ctx, time.Minute, func(ctx context.Context) error {
		if _, err := ask(ctx, c, namespace, annotated); err == nil {
			return errors.New("an annotated pod is created, expected the policy to refuse it")
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range policyCases {
		_, err := ask(ctx, c, namespace, p.annotations)
		switch {
		case p.refused && (err == nil || !strings.Contains(err.Error(), refusedByPolicy)):
			return fmt.Errorf("a pod with the annotations %s: %v, expected %s to refuse it", p.annotations, err, refusedByPolicy)
		case !p.refused && err != nil:
			return fmt.Errorf("a pod with the annotations %s: %w, expected it to be created", p.annotations, err)
		}
	}
	return nil
}
