package airflow

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// mistakes has Airflow 3 run tasks whose annotations are wrong, and looks where their authors look.
func (r *runner) mistakes(ctx context.Context, c *e2e.Cluster) (string, error) {
	if err := r.load(ctx, c, airflow3); err != nil {
		return "", err
	}
	secrets, want := secretsOfA()
	p, err := openForA(ctx, c, "e2e-mistakes", secrets)
	if err != nil {
		return "", err
	}
	if err := p.putDAGs(ctx, want, "mistaken.py"); err != nil {
		return "", err
	}
	api, err := p.startAirflow3(ctx, ownRole, nil)
	if err != nil {
		return "", err
	}
	defer api.close()
	misspelled, err := p.expectDenial(ctx, api)
	if err != nil {
		return "", err
	}
	missing, err := p.expectInitFailure(ctx, api)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("a wrong annotation: failed after %.1f s, the sentence is in Airflow's audit log; a missing secret: failed after %.1f s, the sentence is in the scheduler's log and the pod's",
		misspelled.Seconds(), missing.Seconds()), nil
}

// expectDenial runs a task with a misspelled annotation: no pod is made, and Airflow's audit log says why.
func (p *place) expectDenial(ctx context.Context, a *api) (time.Duration, error) {
	run, took, err := a.fail(ctx, "misspelled")
	if err != nil {
		return 0, err
	}
	const sentence = "airflow-secrets/conections-prefix is no known annotation: did you mean airflow-secrets/connections-prefix?"
	said, err := a.audit(ctx, run, "state mismatch")
	if err != nil {
		return 0, err
	}
	if !strings.Contains(said, sentence) {
		return 0, fmt.Errorf("the event \"state mismatch\" in Airflow's audit log says %q, expected %q in it", said, sentence)
	}
	pod, err := p.podOf(ctx, "misspelled")
	if err == nil && pod != "" {
		err = fmt.Errorf("the task has the pod %s, expected none", pod)
	}
	return took, err
}

// expectInitFailure runs a task whose secret is not there: the init container fails, its pod is not tried again, and the
// sentence is in the scheduler's log, which is all that Airflow does with it.
func (p *place) expectInitFailure(ctx context.Context, a *api) (time.Duration, error) {
	_, took, err := a.fail(ctx, "missing")
	if err != nil {
		return 0, err
	}
	pod, err := p.podOf(ctx, "missing")
	if err != nil {
		return 0, err
	}
	own, err := p.log(ctx, pod, contract.ContainerName)
	if err != nil {
		return 0, err
	}
	const sentence = string(contract.IDsMissing) + ": "
	for line := range strings.Lines(own) {
		if !strings.HasPrefix(line, sentence) {
			continue
		}
		_, err := p.await(ctx, 30*time.Second, "airflow", "scheduler", regexp.MustCompile(regexp.QuoteMeta(strings.TrimSpace(line))))
		return took, err
	}
	return 0, fmt.Errorf("the log of %s has no line that starts with %q:\n%s", contract.ContainerName, sentence, own)
}

// fail runs a DAG that must fail.
func (a *api) fail(ctx context.Context, dag string) (run, time.Duration, error) {
	r, err := a.trigger(ctx, dag)
	if err != nil {
		return r, 0, err
	}
	took, err := a.finish(ctx, r, "failed")
	return r, took, err
}

// podOf is the name of the pod of a DAG's task.
func (p *place) podOf(ctx context.Context, dag string) (string, error) {
	return p.Kubectl(ctx, "-n", p.namespace, "get", "pods", "-l", "dag_id="+dag, "-o", "jsonpath={.items[*].metadata.name}")
}
