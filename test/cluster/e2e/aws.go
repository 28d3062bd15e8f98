package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
)

// awsManifest is a pod that waits for its store before it serves, and its Service. It fits into any namespace: Pod
// Security restricted, requests and limits.
const awsManifest = `
apiVersion: v1
kind: Service
metadata: {name: aws, namespace: NAMESPACE}
spec:
  selector: {app: aws}
  ports: [{port: 4566}]
---
apiVersion: v1
kind: Pod
metadata: {name: aws, namespace: NAMESPACE, labels: {app: aws}}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: aws
    image: ` + FakeAWSImage + `
    command: [sh, -c, "until [ -e /store/store.yaml ]; do sleep 0.1; done; exec fakeaws --listen :4566 --store /store/store.yaml"]
    readinessProbe: {tcpSocket: {port: 4566}, periodSeconds: 1}
    resources: {requests: {cpu: 50m, memory: 32Mi}, limits: {cpu: "1", memory: 128Mi}}
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: store, mountPath: /store}]
  volumes: [{name: store, emptyDir: {medium: Memory, sizeLimit: 8Mi}}]
`

// AWS puts a fake AWS into a namespace, with a store in the form that test/fakeaws/README.md tells, and gives its
// endpoint. The store goes to it by kubectl exec: no object of the API has a value of it.
func (c *Cluster) AWS(ctx context.Context, namespace, store string) (endpoint string, err error) {
	if err := c.Apply(ctx, strings.ReplaceAll(awsManifest, "NAMESPACE", namespace)); err != nil {
		return "", err
	}
	err = command.Until(ctx, time.Minute, func(ctx context.Context) error {
		_, err := c.feed(ctx, store, "kubectl", "-n", namespace, "exec", "-i", "aws", "--", "sh", "-c", "cat > /store/part && mv /store/part /store/store.yaml")
		return err
	})
	if err != nil {
		return "", fmt.Errorf("giving the fake AWS its store: %w", err)
	}
	if _, err := c.Kubectl(ctx, "-n", namespace, "wait", "--for=condition=Ready", "pod/aws", "--timeout=60s"); err != nil {
		return "", fmt.Errorf("starting the fake AWS: %w", err)
	}
	address, err := c.Kubectl(ctx, "-n", namespace, "get", "service/aws", "-o", "jsonpath={.spec.clusterIP}")
	return "http://" + address + ":4566", err
}
