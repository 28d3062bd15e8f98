package checks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// install follows the README to the letter, and then wants what it promises: once its commands have ended, a pod that is
// annotated is injected.
func install(ctx context.Context, c *e2e.Cluster) (string, error) {
	commands, err := readmeCommands(c.Source, "install")
	if err != nil {
		return "", err
	}
	if err := runAll(ctx, c, commands); err != nil {
		return "", err
	}
	ready, err := c.Kubectl(ctx, "-n", e2e.Release, "get", "deployment/"+e2e.Release, "-o", "jsonpath={.status.readyReplicas}")
	if err != nil {
		return "", err
	}
	if err := c.Namespace(ctx, "e2e-install"); err != nil {
		return "", err
	}
	if err := expectInjection(ctx, c, "e2e-install", true); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s; then %s replicas are ready and an annotated pod is injected at once", strings.Join(commands, " && "), ready), nil
}

// readmeCommands are the lines of the README's shell block that is marked by a comment: <!-- make e2e runs this: NAME -->.
func readmeCommands(source, name string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(source, "README.md"))
	if err != nil {
		return nil, err
	}
	block := regexp.MustCompile("(?s)<!-- make e2e runs this: " + name + " -->\n```sh\n(.*?)\n```").FindSubmatch(text)
	if block == nil {
		return nil, fmt.Errorf("looking for the README's commands: no shell block follows <!-- make e2e runs this: %s -->", name)
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

// runAll runs each line in a shell of its own.
func runAll(ctx context.Context, c *e2e.Cluster, commands []string) error {
	for _, line := range commands {
		if _, err := c.Run(ctx, "sh", "-ec", line); err != nil {
			return err
		}
	}
	return nil
}

// annotatedPod is what expectInjection asks about. Nobody runs it.
const annotatedPod = `{"apiVersion": "v1", "kind": "Pod",
  "metadata": {"generateName": "asked-", "annotations": {"airflow-secrets/inject": "true", "airflow-secrets/region": "eu-central-1"}},
  "spec": {"containers": [{"name": "base", "image": "localhost/busybox:1", "env": [{"name": "AIRFLOW__CORE__EXECUTOR", "value": "LocalExecutor"}]}]}}`

// expectInjection has the API server say what would become of an annotated pod (--dry-run=server: admission is asked, and
// nothing is stored).
func expectInjection(ctx context.Context, c *e2e.Cluster, namespace string, wanted bool) error {
	created, err := c.Create(ctx, annotatedPod, "-n", namespace, "--dry-run=server")
	if err != nil {
		return err
	}
	switch injected := isInjected([]byte(created)); {
	case injected && !wanted:
		return errors.New("an annotated pod is injected, expected it as it was given")
	case !injected && wanted:
		return fmt.Errorf("an annotated pod is not injected: %s", created)
	}
	return nil
}
