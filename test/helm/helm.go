// Package helm builds the Helm of either major from its Go module, so that tests render and install the chart as its users
// do, with nothing but Go on the machine.
package helm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/test/cache"
)

// The two majors of Helm that people have. They differ in how they render, validate and apply.
const (
	Three = "helm.sh/helm/v3/cmd/helm@v3.22.0"
	Four  = "helm.sh/helm/v4/cmd/helm@v4.3.1"
)

// Majors lists both, the older one first.
func Majors() []string { return []string{Three, Four} }

// Helm is a Helm of one version. It has a home of its own, so the settings of whoever runs it change nothing.
type Helm struct {
	Binary  string // an absolute path
	version string
	home    string
}

// Build gives the Helm of a module such as Four. It is built once per version, which takes minutes and loads modules from
// the proxy.
func Build(ctx context.Context, module string) (Helm, error) {
	_, version, _ := strings.Cut(module, "@")
	folder, err := cache.Folder(ctx, "helm-"+version, func(aside string) error {
		command := exec.CommandContext(ctx, "go", "install", "-ldflags", "-s -w", module)
		command.Dir = os.TempDir() // outside our module, whose go.mod has nothing to do with it
		// GOTMPDIR: go leaves its work where a signal ends it, and there it is removed.
		command.Env = append(os.Environ(), "GOBIN="+aside, "GOTMPDIR="+aside, "CGO_ENABLED=0", "GOFLAGS=", "GOOS=", "GOARCH=")
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", module, err, output)
		}
		return nil
	})
	return Helm{Binary: filepath.Join(folder, "helm"), version: version, home: filepath.Join(folder, "home")}, err
}

// Run gives what Helm prints to standard output, also where it fails: helm lint has its findings there. What it prints to
// standard error is in the error, if there is one. It reaches no cluster unless an argument names a kubeconfig.
func (h Helm) Run(ctx context.Context, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, h.Binary, args...)
	command.Stdout, command.Stderr = &stdout, &stderr
	command.Env = []string{"HOME=" + h.home, "PATH=" + os.Getenv("PATH"), "KUBECONFIG=" + os.DevNull}
	if err := command.Run(); err != nil {
		return stdout.Bytes(), fmt.Errorf("helm %s of %s: %w: %s", strings.Join(args, " "), h.version, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}
