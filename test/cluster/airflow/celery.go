package airflow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
	"github.com/airflow-secrets/airflow-secrets/test/migration"
)

// prepareCelery makes a place for Airflow 2: its image, the accounts of AWS, and DAGs that expect what is in them.
func (r *runner) prepareCelery(ctx context.Context, c *e2e.Cluster, namespace string,
	accountsOf func(page *migration.Page, namespace string) (store, expected, error)) (*place, error) {
	if err := r.load(ctx, c, airflow2); err != nil {
		return nil, err
	}
	page, err := migration.Read()
	if err != nil {
		return nil, err
	}
	accounts, want, err := accountsOf(page, namespace)
	if err != nil {
		return nil, err
	}
	p, err := open(ctx, c, namespace, accounts)
	if err != nil {
		return nil, err
	}
	return p, p.putDAGs(ctx, want)
}

// startCelery starts the release of user B, with more annotations: a database and a broker, the chart's Secret and its pods,
// one that migrates the database, the scheduler, the worker. The worker's is given as it was before admission.
func (p *place) startCelery(ctx context.Context, annotations map[string]string) (worker *corev1.Pod, err error) {
	if err := p.applyFile(ctx, "stores.yaml", "IMAGE", airflow2.Reference); err != nil {
		return nil, err
	}
	if _, err := p.Kubectl(ctx, "-n", p.namespace, "wait", "--for=condition=Ready", "pod/stores", "--timeout=120s"); err != nil {
		return nil, err
	}
	var values migration.Community
	if err := p.page.Decode("userB after", &values); err != nil {
		return nil, err
	}
	values.Airflow.ExtraPipPackages = nil                              // they were there for the plugin alone
	values.Airflow.Config["AIRFLOW__CELERY__OPERATION_TIMEOUT"] = "30" // seconds to send a task; two cores do all at once here
	maps.Copy(values.Airflow.PodAnnotations, annotations)
	secret, err := values.ConfigSecret()
	if err != nil {
		return nil, err
	}
	for name, value := range secret.Data { // a release in this namespace
		secret.Data[name] = []byte(strings.Replace(string(value), ".airflow.svc.", "."+p.namespace+".svc.", 1))
	}
	objects := []any{secret}
	for _, file := range []string{"community-deployment-af-db-migrations.json", "userB-deployment-af-scheduler.json", "userB-statefulset-af-worker.json"} {
		if worker, err = values.Pod(file); err != nil {
			return nil, err
		}
		if err := p.connectPod(ctx, worker); err != nil {
			return nil, err
		}
		objects = append(objects, named(worker, "0"))
	}
	return worker, p.apply(ctx, objects...)
}

// connectPod makes a pod of the chart's find what is not in this cluster.
func (p *place) connectPod(ctx context.Context, pod *corev1.Pod) error {
	release(pod, airflow2)
	p.withRole(pod, ownRole)
	withDAGs(pod)
	return p.withStores(ctx, pod)
}

// The Services of database and broker, as the community chart names them.
const (
	databaseService = "af-pgbouncer"
	brokerService   = "af-redis-master"
)

// hostOf is the name that a Service has for those in other namespaces, too.
func hostOf(service, namespace string) string {
	return service + "." + namespace + ".svc.cluster.local"
}

// withStores names the addresses of database and broker.
func (p *place) withStores(ctx context.Context, pod *corev1.Pod) error {
	for _, service := range []string{databaseService, brokerService} {
		address, err := p.address(ctx, service)
		if err != nil {
			return err
		}
		withHost(pod, address, hostOf(service, p.namespace))
	}
	return nil
}

// worker is a Celery worker's pod, and the DAG whose task it executes.
type worker struct {
	dag, pod, container string
	command             []string // that the container runs without us
	probe               []string
}

// imageEntrypoint is what Airflow's image runs where a pod names no command.
var imageEntrypoint = []string{"/usr/bin/dumb-init", "--", "/entrypoint"}

// workerOf reads a chart's pod, which has the worker first.
func workerOf(pod *corev1.Pod, dag string) worker {
	c := pod.Spec.Containers[0]
	command := c.Command
	if len(command) == 0 {
		command = imageEntrypoint
	}
	return worker{dag, pod.Name, c.Name, slices.Concat(command, c.Args), c.LivenessProbe.Exec.Command}
}

// exec runs a command beside the worker, as probes do.
func (p *place) exec(ctx context.Context, w worker, command ...string) (string, error) {
	return p.Kubectl(ctx, append([]string{"-n", p.namespace, "exec", w.pod, "-c", w.container, "--"}, command...)...)
}

// executed waits for the run that the scheduler starts by itself, which must succeed and have no password in its task's
// log. It gives the time since the worker's pod was made.
func (p *place) executed(ctx context.Context, w worker) (time.Duration, error) {
	state, err := p.ended(ctx, w.dag)
	if err != nil {
		return 0, err
	}
	seen := time.Now()
	log, err := p.exec(ctx, w, "bash", "-c", "cat /opt/airflow/logs/dag_id="+w.dag+"/*/*/*.log") // a worker of Celery's keeps it in a file
	if state != "success" {
		return 0, errors.Join(fmt.Errorf("the run of %s is %s, expected success; its log:\n%s", w.dag, state, log), err)
	}
	if err != nil {
		return 0, err
	}
	for _, id := range []string{"orders", "warehouse", "both"} {
		if want := "the password of " + id + " is ***"; !strings.Contains(log, want) {
			return 0, fmt.Errorf("the log of the task has no %q:\n%s", want, log)
		}
	}
	at, err := p.Kubectl(ctx, "-n", p.namespace, "get", "pod/"+w.pod, "-o", "jsonpath={.metadata.creationTimestamp}")
	if err != nil {
		return 0, err
	}
	created, err := time.Parse(time.RFC3339, at)
	return seen.Sub(created), err
}

// ended waits for the end of a DAG's run, and gives its state.
func (p *place) ended(ctx context.Context, dag string) (state string, err error) {
	err = command.Until(ctx, 5*time.Minute, func(ctx context.Context) error {
		found, err := p.Kubectl(ctx, "-n", p.namespace, "exec", "stores", "-c", "postgres", "--",
			"psql", "-h", "127.0.0.1", "-p", "6432", "-U", "postgres", "-d", "airflow", "-tAc", "select state from dag_run where dag_id = '"+dag+"'")
		if state = strings.TrimSpace(found); err == nil && state != "success" && state != "failed" {
			err = fmt.Errorf("the run of %s is %q, expected its end", dag, state)
		}
		return err
	})
	return state, err
}
