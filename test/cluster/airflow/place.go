package airflow

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
	"github.com/airflow-secrets/airflow-secrets/test/migration"
)

// place is a namespace with an AWS for its pods.
type place struct {
	*e2e.Cluster
	page      *migration.Page
	namespace string
	aws       string // the endpoint
}

// open makes the namespace, and an AWS with a store.
func open(ctx context.Context, c *e2e.Cluster, namespace string, s store) (*place, error) {
	page, err := migration.Read()
	if err != nil {
		return nil, err
	}
	text, err := s.yaml()
	if err != nil {
		return nil, err
	}
	if err := c.Namespace(ctx, namespace); err != nil {
		return nil, err
	}
	endpoint, err := c.AWS(ctx, namespace, text)
	return &place{c, page, namespace, endpoint}, err
}

//go:embed objects dags
var files embed.FS

// applyFile applies a manifest of objects/, in the namespace, with values in place of its capital words.
func (p *place) applyFile(ctx context.Context, name string, pairs ...string) error {
	text, err := files.ReadFile("objects/" + name)
	if err != nil {
		return err
	}
	return p.Apply(ctx, strings.NewReplacer(append(pairs, "NAMESPACE", p.namespace)...).Replace(string(text)))
}

// apply applies objects, in the namespace whatever they say.
func (p *place) apply(ctx context.Context, objects ...any) error {
	var documents []string
	for _, object := range objects {
		text, err := json.Marshal(object)
		if err != nil {
			return err
		}
		var fields map[string]any
		if err := json.Unmarshal(text, &fields); err != nil {
			return err
		}
		fields["metadata"].(map[string]any)["namespace"] = p.namespace
		if text, err = json.Marshal(fields); err != nil {
			return err
		}
		documents = append(documents, string(text))
	}
	return p.Apply(ctx, strings.Join(documents, "\n---\n"))
}

// putDAGs makes the ConfigMap dags: dags/verify.py with what it shall find, and other files of dags/.
func (p *place) putDAGs(ctx context.Context, want expected, others ...string) error {
	text, err := json.Marshal(want)
	if err != nil {
		return err
	}
	dags := corev1.ConfigMap{Data: map[string]string{"expected.json": string(text)}}
	dags.APIVersion, dags.Kind, dags.Name = "v1", "ConfigMap", "dags"
	for _, name := range append(others, "verify.py") {
		program, err := files.ReadFile("dags/" + name)
		if err != nil {
			return err
		}
		dags.Data[name] = string(program)
	}
	return p.apply(ctx, dags)
}

// calls counts the calls to AWS so far, by operation, and shows them in a line.
func (p *place) calls(ctx context.Context) (counts map[string]int, told string, err error) {
	log, err := p.Kubectl(ctx, "-n", p.namespace, "logs", "aws")
	if err != nil {
		return nil, "", err
	}
	counts = map[string]int{}
	for line := range strings.Lines(log) {
		if operation, _, _ := strings.Cut(line, " "); operation != "listening" {
			counts[operation]++
		}
	}
	var parts []string
	for operation, n := range counts {
		parts = append(parts, fmt.Sprintf("%s %d", operation, n))
	}
	slices.Sort(parts)
	return counts, strings.Join(parts, ", "), nil
}

// address is a Service's.
func (p *place) address(ctx context.Context, service string) (string, error) {
	return p.Kubectl(ctx, "-n", p.namespace, "get", "service/"+service, "-o", "jsonpath={.spec.clusterIP}")
}

// log is what a container has written.
func (p *place) log(ctx context.Context, pod, container string) (string, error) {
	return p.Kubectl(ctx, "-n", p.namespace, "logs", pod, "-c", container)
}

// await waits for a container's log to match, and gives the log.
func (p *place) await(ctx context.Context, limit time.Duration, pod, container string, pattern *regexp.Regexp) (log string, err error) {
	err = command.Until(ctx, limit, func(ctx context.Context) error {
		if log, err = p.log(ctx, pod, container); err == nil && !pattern.MatchString(log) {
			err = fmt.Errorf("the log of %s, container %s, has nothing like %q", pod, container, pattern)
		}
		return err
	})
	return log, err
}
