package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/kube"
)

// Images that are loaded before the first check.
const (
	BusyBoxImage = "localhost/busybox:1" // sh and all that busybox can
	FakeAWSImage = "localhost/fakeaws:1" // busybox and /bin/fakeaws
)

// Release is the name of the installation, and its namespace, as the README has them.
const Release = "airflow-secrets"

// Canary is in the value of every secret that a check stores in AWS, and nowhere else.
const Canary = "c4n4ry-5ecret-of-e2e"

// Label marks every namespace that the checks make.
const Label = "airflow-secrets-e2e"

// Cluster is what a check has in its hands.
type Cluster struct {
	Kubeconfig string
	Logs       string     // folder for what a check wants to leave for reading
	Source     string     // folder of the repository
	Node       *kube.Node // nil where KUBECONFIG brought the cluster
	Path       string     // PATH with kubectl and helm
	LoadImage  []string   // command that is given an archive, where KUBECONFIG brought the cluster

	made []string // namespaces of the check that runs
}

// Kubectl runs kubectl as a user would type it and gives what it printed.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	return command.Finish(c.Command(ctx, "kubectl", args...))
}

// Run runs another program, such as helm, in the same way.
func (c *Cluster) Run(ctx context.Context, program string, args ...string) (string, error) {
	return command.Finish(c.Command(ctx, program, args...))
}

// Command is a program with the cluster's KUBECONFIG and PATH, in the repository's folder.
func (c *Cluster) Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	path, err := c.lookUp(program)
	cmd := command.New(ctx, path, args...)
	cmd.Args[0], cmd.Err = program, err
	cmd.Dir = c.Source
	cmd.Env = os.Environ()
	if c.Node != nil {
		cmd.Env = c.Node.Environ()
	}
	cmd.Env = append(cmd.Env, "KUBECONFIG="+c.Kubeconfig, "PATH="+c.Path)
	return cmd
}

// lookUp finds a program on the cluster's PATH. exec looks on our own.
func (c *Cluster) lookUp(program string) (string, error) {
	for _, dir := range filepath.SplitList(c.Path) {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return program, &exec.Error{Name: program, Err: exec.ErrNotFound}
}

// Apply applies YAML documents.
func (c *Cluster) Apply(ctx context.Context, manifest string) error {
	_, err := c.feed(ctx, manifest, "kubectl", "apply", "-f", "-")
	return err
}

// Create creates the objects of YAML documents and gives what the API server made of them, as JSON. More arguments may
// be --dry-run=server.
func (c *Cluster) Create(ctx context.Context, manifest string, args ...string) (string, error) {
	return c.feed(ctx, manifest, "kubectl", append([]string{"create", "-o", "json", "-f", "-"}, args...)...)
}

// feed runs a program with a text as its standard input.
func (c *Cluster) feed(ctx context.Context, input, program string, args ...string) (string, error) {
	cmd := c.Command(ctx, program, args...)
	cmd.Stdin = strings.NewReader(input)
	return command.Finish(cmd)
}

// Namespace makes a namespace, with labels as name=value. If the check that makes it fails, its pods are explained.
func (c *Cluster) Namespace(ctx context.Context, name string, labels ...string) error {
	c.made = append(c.made, name)
	namespace := corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{Label: "true"}}, // from its first moment, or nobody would remove it
	}
	for _, label := range labels {
		key, value, _ := strings.Cut(label, "=")
		namespace.Labels[key] = value
	}
	text, err := json.Marshal(namespace)
	if err != nil {
		return err
	}
	if _, err := c.Create(ctx, string(text)); err != nil {
		return err
	}
	// A pod cannot be made before the controllers have filled the namespace.
	return command.Until(ctx, time.Minute, func(ctx context.Context) error {
		_, err := c.Kubectl(ctx, "-n", name, "get", "serviceaccount/default", "configmap/kube-root-ca.crt")
		return err
	})
}

// Load makes the image in a docker-archive known to the cluster.
func (c *Cluster) Load(ctx context.Context, archive string) error {
	var err error
	if c.Node != nil {
		_, err = command.Run(ctx, "ctr", "--address", c.Node.Containerd, "--namespace", "k8s.io", "images", "import", archive)
	} else {
		_, err = command.Run(ctx, c.LoadImage[0], append(c.LoadImage[1:], archive)...)
	}
	return err
}
