package checks

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// store is what checks have in AWS: a connection and a variable, with the canary in each.
const store = `
accounts:
  "111122223333":
    keys: [AKIAIOSFODNN7EXAMPLE]
    regions:
      eu-central-1:
      - {name: airflow/connections/warehouse, string: "postgres://airflow:` + e2e.Canary + `@db.internal/dwh"}
      - {name: airflow/variables/token, string: "` + e2e.Canary + `"}
      - {name: airflow/connections/broken, string: "{` + e2e.Canary + `"}
`

// limits are those of an administrator who wants everything said: what has no requests and limits is refused, and so is
// what asks for more than a little.
const limits = `
apiVersion: v1
kind: ResourceQuota
metadata: {name: all, namespace: <NAMESPACE>}
spec: {hard: {pods: "4", requests.cpu: "1", requests.memory: 256Mi, limits.cpu: "3", limits.memory: 512Mi}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: all, namespace: <NAMESPACE>}
spec: {limits: [{type: Container, min: {cpu: 10m, memory: 16Mi}, max: {cpu: "1", memory: 128Mi}}]}
`

// worker is a pod as the charts make them. Where Airflow would run, it counts in which files the values are, without
// telling them.
const worker = `
apiVersion: v1
kind: Pod
metadata:
  name: worker
  namespace: <NAMESPACE>
  annotations:
    airflow-secrets/inject: "true"
    airflow-secrets/region: eu-central-1
    airflow-secrets/endpoint-url: <ENDPOINT>
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 50000, fsGroup: 0, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: base
    image: ` + e2e.BusyBoxImage + `
    command: [sh, -ec]
    args: ["cd /var/run/secrets/airflow && grep -c <PATTERN> connections.json variables.json && grep -c malformed report.json"]
    env:
    - {name: AIRFLOW__CORE__EXECUTOR, value: KubernetesExecutor}
    - {name: AWS_ACCESS_KEY_ID, value: AKIAIOSFODNN7EXAMPLE}
    - {name: AWS_SECRET_ACCESS_KEY, value: any}
    resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 100m, memory: 32Mi}}
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
`

// restricted runs an annotated pod where as little as possible is allowed.
func restricted(ctx context.Context, c *e2e.Cluster) (string, error) {
	const namespace = "e2e-restricted"
	if err := c.Namespace(ctx, namespace, "pod-security.kubernetes.io/enforce=restricted"); err != nil {
		return "", err
	}
	if err := c.Apply(ctx, fill(limits, "<NAMESPACE>", namespace)); err != nil {
		return "", err
	}
	if _, err := c.Create(ctx, `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare"}, "spec": {"containers": [{"name": "base", "image": "x"}]}}`,
		"-n", namespace); err == nil {
		return "", fmt.Errorf("a pod with nothing said is accepted in %s, expected Pod Security to refuse it", namespace)
	}
	return "Pod Security restricted, a quota of everything, a LimitRange: the worker ran and had its connection and variable", runWorker(ctx, c, namespace)
}

// runWorker runs an annotated pod that finds the canary in its files, and ends.
func runWorker(ctx context.Context, c *e2e.Cluster, namespace string) error {
	endpoint, err := c.AWS(ctx, namespace, store)
	if err != nil {
		return err
	}
	// A pod is an object of the API, too: it has a pattern that matches the canary, and not the canary.
	if err := c.Apply(ctx, fill(worker, "<NAMESPACE>", namespace, "<ENDPOINT>", endpoint, "<PATTERN>", strings.ReplaceAll(e2e.Canary, "-", "."))); err != nil {
		return err
	}
	said, err := finished(ctx, c, namespace, "worker")
	if err != nil {
		return err
	}
	if want := "connections.json:1\nvariables.json:1\n1\n"; said != want {
		return fmt.Errorf("the worker counts %q in its files, expected %q", said, want)
	}
	return nil
}

// finished waits until a pod has succeeded and gives the log of its container base.
func finished(ctx context.Context, c *e2e.Cluster, namespace, pod string) (string, error) {
	err := command.Until(ctx, 2*time.Minute, func(ctx context.Context) error {
		phase, err := c.Kubectl(ctx, "-n", namespace, "get", "pod", pod, "-o", "jsonpath={.status.phase}")
		if err == nil && phase != "Succeeded" {
			err = fmt.Errorf("the pod %s is %s, expected Succeeded", pod, phase)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return c.Kubectl(ctx, "-n", namespace, "logs", pod, "-c", "base")
}

// fill puts values in place of the <WORDS> of a manifest.
func fill(manifest string, pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(manifest)
}
