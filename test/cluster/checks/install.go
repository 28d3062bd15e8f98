package checks

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// install follows the README to the letter, and then wants what it promises: once its commands have ended, a pod that is
// annotated is injected.
func install(ctx context.Context, c *e2e.Cluster) (string, error) {
	told, err := runPage(ctx, c, readme, "install")
	if err != nil {
		return "", err
	}
	ready, err := c.Kubectl(ctx, "-n", e2e.Release, "get", "deployment/"+e2e.Release, "-o", "jsonpath={.status.readyReplicas}")
	if err != nil {
		return "", err
	}
	if err := c.Namespace(ctx, "e2e-install"); err != nil {
		return "", err
	}
	if err := expectInjected(ctx, c, "e2e-install"); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s; then %s replicas are ready and an annotated pod is injected at once", told, ready), nil
}

// reinstall gives the checks that follow an installation as the README makes it, from whatever state: what a check that was
// cut off has left may be an upgrade that Helm believes to be under way, or a Deployment that waits for a Secret.
func reinstall(ctx context.Context, c *e2e.Cluster) error {
	if err := c.Uninstall(ctx); err != nil {
		return err
	}
	_, err := runPage(ctx, c, readme, "install")
	return err
}

// The pages whose commands are run.
const (
	readme       = "README.md"
	installation = "docs/install.md"
)

// runPage runs the commands of a page (commandsOf), each in a shell of its own and with more at its end, and tells them.
func runPage(ctx context.Context, c *e2e.Cluster, page, name string, more ...string) (told string, err error) {
	commands, err := commandsOf(c.Source, page, name)
	if err != nil {
		return "", err
	}
	for _, line := range commands {
		if _, err := c.Run(ctx, "sh", "-ec", strings.Join(append([]string{line}, more...), " ")); err != nil {
			return "", err
		}
	}
	return strings.Join(commands, " && "), nil
}

// commandsOf are the lines of a page's shell block that is marked by a comment: <!-- make e2e runs this: NAME -->.
func commandsOf(source, page, name string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(source, page))
	if err != nil {
		return nil, err
	}
	block := regexp.MustCompile("(?s)<!-- make e2e runs this: " + name + " -->\n```sh\n(.*?)\n```").FindSubmatch(text)
	if block == nil {
		return nil, fmt.Errorf("looking for the commands of %s: no shell block follows <!-- make e2e runs this: %s -->", page, name)
	}
	var commands []string
	for line := range strings.Lines(string(block[1])) {
		line, _, _ = strings.Cut(line, " #")
		if line = strings.TrimSpace(line); line != "" {
			commands = append(commands, line)
		}
	}
	return commands, nil
}

// asker is a pod that nobody runs, with room for annotations.
const asker = `{"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "asked-", "annotations": {%s}},
  "spec": {"automountServiceAccountToken": false, "containers": [{"name": "base", "image": "` + e2e.BusyBoxImage + `",
    "env": [{"name": "AIRFLOW__CORE__EXECUTOR", "value": "LocalExecutor"}]}]}}`

// annotated asks for injection.
const annotated = `"airflow-secrets/inject": "true", "airflow-secrets/region": "eu-central-1"`

// ask has the API server say what would become of a pod with these annotations (--dry-run=server: admission is asked, and
// nothing is stored).
func ask(ctx context.Context, c *e2e.Cluster, namespace, annotations string) (corev1.Pod, error) {
	created, err := c.Create(ctx, fmt.Sprintf(asker, annotations), "-n", namespace, "--dry-run=server")
	if err != nil {
		return corev1.Pod{}, err
	}
	var pod corev1.Pod
	return pod, json.Unmarshal([]byte(created), &pod)
}

// expectInjected wants an annotated pod to get our init container.
func expectInjected(ctx context.Context, c *e2e.Cluster, namespace string) error {
	pod, err := ask(ctx, c, namespace, annotated)
	if err == nil && !isInjected(pod) {
		err = fmt.Errorf("an annotated pod has the init containers %v, expected airflow-secrets among them", pod.Spec.InitContainers)
	}
	return err
}

// expectUntouched wants an annotated pod to be created as one without annotations is.
func expectUntouched(ctx context.Context, c *e2e.Cluster, namespace string) error {
	pod, err := ask(ctx, c, namespace, annotated)
	if err != nil {
		return err
	}
	twin, err := ask(ctx, c, namespace, "")
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(pod.Spec, twin.Spec) || len(pod.Annotations) != 2 {
		return fmt.Errorf("an annotated pod has the annotations %v and becomes %v, expected it as it was given", pod.Annotations, pod.Spec)
	}
	return nil
}

// isInjected says whether a pod has our init container.
func isInjected(pod corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == "airflow-secrets" })
}
