package manifests

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The two majors of Helm that people have. They differ in how they render, validate and apply.
const (
	helm3 = "helm.sh/helm/v3/cmd/helm@v3.22.0"
	helm4 = "helm.sh/helm/v4/cmd/helm@v4.3.1"
)

func majors() []string { return []string{helm3, helm4} }

// helm is a Helm of one version. It has a home of its own, so the settings of whoever runs it change nothing.
type helm struct {
	binary string
	home   string
}

// newHelm builds a Helm from its Go module, once per version, into .cache of the checkout at root.
func newHelm(ctx context.Context, root, module string) (helm, error) {
	_, version, _ := strings.Cut(module, "@")
	folder := filepath.Join(root, ".cache", "helm", version)
	h := helm{binary: filepath.Join(folder, "helm"), home: filepath.Join(folder, "home")}
	if _, err := os.Stat(h.binary); err == nil {
		return h, nil
	}
	command := exec.CommandContext(ctx, "go", "install", "-ldflags", "-s -w", module)
	command.Dir = os.TempDir() // outside the module, whose go.mod has nothing to do with it
	command.Env = append(os.Environ(), "GOBIN="+folder, "CGO_ENABLED=0", "GOFLAGS=", "GOOS=", "GOARCH=")
	if output, err := command.CombinedOutput(); err != nil {
		return h, fmt.Errorf("building %s: %w\n%s", module, err, output)
	}
	return h, nil
}

// run gives what Helm prints to standard output. What it prints to standard error is in the error, if there is one.
func (h helm) run(ctx context.Context, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, h.binary, args...)
	command.Stdout, command.Stderr = &stdout, &stderr
	command.Env = []string{"HOME=" + h.home, "PATH=" + os.Getenv("PATH"), "KUBECONFIG=" + os.DevNull}
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("helm %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}
