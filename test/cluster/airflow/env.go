package airflow

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
	"github.com/airflow-secrets/airflow-secrets/test/migration"
)

// deliverEnv asks for variables instead of files, and for two options: one that Airflow takes from a command, so that a
// probe sees it, too, and one that it does not.
var deliverEnv = map[string]string{
	"airflow-secrets/deliver": "env",
	"airflow-secrets/config":  "celery.broker_url=broker,smtp.smtp_user=mailer",
}

// The official chart's worker beside that of user B: its queue, its role and the DAG that it executes.
const (
	officialQueue = "official"
	officialRole  = "official"
	officialDAG   = "verify_official"
)

// env has a Celery worker of each chart, with its secrets in the environment, execute a task. The release is user B's; the
// official chart's worker takes what is in a queue of its own.
func (r *runner) env(ctx context.Context, c *e2e.Cluster) (string, error) {
	p, err := r.prepareCelery(ctx, c, "e2e-env", accountsOfEnv)
	if err != nil {
		return "", err
	}
	community, err := p.startCelery(ctx, deliverEnv)
	if err != nil {
		return "", err
	}
	official, err := p.startOfficial(ctx)
	if err != nil {
		return "", err
	}
	first, err := p.works(ctx, workerOf(community, "verify"))
	if err != nil {
		return "", err
	}
	second, err := p.works(ctx, workerOf(official, officialDAG))
	return fmt.Sprintf("Airflow %s: the community chart's worker has succeeded %.0f s after its pod was made, the official one's %.0f s; process 1 is the pod's own command, the liveness probe passes",
		airflow2.release, first.Seconds(), second.Seconds()), err
}

// works wants a worker to execute its DAG's task, to run its own command, and its liveness probe to pass: that sees the
// container's environment, which has the broker by a command alone.
func (p *place) works(ctx context.Context, w worker) (time.Duration, error) {
	took, err := p.executed(ctx, w)
	if err != nil {
		return 0, err
	}
	if err := p.expectOwnCommand(ctx, w); err != nil {
		return 0, err
	}
	if _, err := p.exec(ctx, w, w.probe...); err != nil {
		return 0, fmt.Errorf("the liveness probe of %s fails: %w", w.pod, err)
	}
	return took, nil
}

// accountsOfEnv are those of user B with the options, and all of it once more as the official chart's worker finds it, under
// the prefixes of the page's user A.
func accountsOfEnv(page *migration.Page, namespace string) (store, expected, error) {
	s, want, err := accountsOfB(page, namespace)
	if err != nil {
		return s, want, err
	}
	policy, err := page.Block("userA policy")
	if err != nil {
		return s, want, err
	}
	broker := "redis://worker:" + e2e.Canary + "@" + hostOf(brokerService, namespace) + ":6379/1" // any password is right
	mailer := e2e.Canary + "@mail.internal"
	orders, _ := uri("orders.internal")
	warehouse, _ := object("warehouse.internal")
	both, _ := uri("own.internal")
	const own, official = "org/tenant/prod/airflow/", "airflow/"
	a := s.Accounts[ownAccount]
	a.Roles = append(a.Roles, serviceAccountRole(officialRole, namespace, "af-airflow-worker", policy))
	a.Regions[region] = append(a.Regions[region],
		secret{Name: own + "broker", String: broker}, // the plugin has one prefix for everything
		secret{Name: own + "mailer", String: mailer},
		secret{Name: official + "config/broker", String: broker},
		secret{Name: official + "config/mailer", String: mailer},
		secret{Name: official + "connections/orders", String: orders},
		secret{Name: official + "connections/warehouse", String: warehouse},
		secret{Name: official + "connections/both", String: both},
		secret{Name: official + "variables/limits", String: e2e.Canary})
	want.Options = map[string]string{"celery.broker_url": digest(broker), "smtp.smtp_user": digest(mailer)}
	want.More = map[string]task{officialDAG: {Queue: officialQueue}}
	return s, want, nil
}

// startOfficial starts the official chart's worker, with the database and the broker that are there. Its pod is given as it
// was before admission. What the chart has in the Secret af-broker-url comes from AWS: there is no such Secret.
func (p *place) startOfficial(ctx context.Context) (*corev1.Pod, error) {
	values := migration.Official{
		AirflowPodAnnotations: map[string]string{"airflow-secrets/inject": "true"},
		Env:                   []corev1.EnvVar{{Name: "AIRFLOW__OPERATORS__DEFAULT_QUEUE", Value: officialQueue}},
	}
	maps.Copy(values.AirflowPodAnnotations, deliverEnv)
	config, err := values.ConfigMap()
	if err != nil {
		return nil, err
	}
	config.Data["airflow.cfg"] = regexp.MustCompile(`(?m)^executor = .*$`).ReplaceAllLiteralString(config.Data["airflow.cfg"], "executor = CeleryExecutor")
	pod, err := values.Pod("official-statefulset-af-worker.json")
	if err != nil {
		return nil, err
	}
	pod.GenerateName = "official-worker-"
	release(pod, airflow2)
	fromConfigMap(pod)
	idle(pod, "git-sync", "worker-log-groomer")
	withClaim(pod, "logs")
	p.withRole(pod, "arn:aws:iam::"+ownAccount+":role/"+officialRole)
	if err := p.withStores(ctx, pod); err != nil {
		return nil, err
	}
	if err := p.applyFile(ctx, "official.yaml", "DATABASE", "postgresql://postgres@"+hostOf(databaseService, p.namespace)+":6432/airflow"); err != nil {
		return nil, err
	}
	return pod, p.apply(ctx, config, named(pod, "0"))
}

// expectOwnCommand wants the pod to have the program before the worker's own command, and the worker not to show it: process 1
// is that command and nothing else, and no process is the program.
func (p *place) expectOwnCommand(ctx context.Context, w worker) error {
	text, err := p.Kubectl(ctx, "-n", p.namespace, "get", "pod/"+w.pod, "-o", "json")
	if err != nil {
		return err
	}
	var pod corev1.Pod
	if err := json.Unmarshal([]byte(text), &pod); err != nil {
		return err
	}
	c := pod.Spec.Containers[0]
	if got, want := slices.Concat(c.Command, c.Args), contract.Exec(w.command); !slices.Equal(got, want) {
		return fmt.Errorf("the command of %s is %q, expected %q", w.pod, got, want)
	}
	first, err := p.exec(ctx, w, "cat", "/proc/1/cmdline")
	if err != nil {
		return err
	}
	if got := strings.Split(strings.TrimSuffix(first, "\x00"), "\x00"); !slices.Equal(got, w.command) {
		return fmt.Errorf("process 1 of %s is %q, expected %q", w.pod, got, w.command)
	}
	programs, err := p.exec(ctx, w, "bash", "-c", "readlink /proc/[0-9]*/exe")
	if err != nil {
		return err
	}
	if !strings.Contains(programs, "dumb-init") || !strings.Contains(programs, "python3") || strings.Contains(programs, contract.ExecDirectory) {
		return fmt.Errorf("the processes of %s run\n%sexpected dumb-init, python3 and nothing in %s", w.pod, programs, contract.ExecDirectory)
	}
	return nil
}
