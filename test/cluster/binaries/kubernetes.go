package binaries

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const etcdServer = "go.etcd.io/etcd/server/v3"

// kubernetesPrograms are the packages that are built.
var kubernetesPrograms = []string{
	"k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kubelet", "k8s.io/kubernetes/cmd/kube-controller-manager",
	"k8s.io/kubernetes/cmd/kube-scheduler", "k8s.io/kubernetes/cmd/kube-proxy", "k8s.io/kubernetes/cmd/kubectl", etcdServer,
}

// buildKubernetes makes a module that needs Kubernetes as a library. go install cannot do it: it refuses a module that
// replaces others.
func buildKubernetes(ctx context.Context, dir string, log io.Writer) error {
	module := fmt.Sprintf("module e2e\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes %s\n\nrequire %s %s\n", Kubernetes, etcdServer, etcd)
	replaces, err := stagingModules(ctx, dir, log)
	if err != nil {
		return err
	}
	staging := "v0." + strings.TrimPrefix(Kubernetes, "v1.") // as which each of them is published, too
	for _, name := range replaces {
		module += fmt.Sprintf("\nreplace %s => %s %s\n", name, name, staging)
	}
	imports := "package e2e\n"
	for _, name := range kubernetesPrograms {
		imports += fmt.Sprintf("\nimport _ %q\n", name)
	}
	for name, text := range map[string]string{"go.mod": module, "programs.go": imports} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := step(ctx, dir, log, "go", "mod", "tidy").Run(); err != nil {
		return fmt.Errorf("resolving modules: %w", err)
	}
	if err := step(ctx, dir, log, "go", append([]string{"build", "-v", "-trimpath", "-ldflags", linkerFlags(), "-o", "bin/"}, kubernetesPrograms...)...).Run(); err != nil {
		return err
	}
	return os.Rename(filepath.Join(dir, "bin", "server"), filepath.Join(dir, "bin", "etcd"))
}

// stagingModules reads from Kubernetes' go.mod which modules lie in its repository.
func stagingModules(ctx context.Context, dir string, log io.Writer) ([]string, error) {
	var told struct{ GoMod string }
	if err := tell(ctx, dir, log, &told, "mod", "download", "-json", "k8s.io/kubernetes@"+Kubernetes); err != nil {
		return nil, err
	}
	var file struct {
		Replace []struct{ Old, New struct{ Path string } }
	}
	if err := tell(ctx, dir, log, &file, "mod", "edit", "-json", told.GoMod); err != nil {
		return nil, err
	}
	var names []string
	for _, replace := range file.Replace {
		if strings.HasPrefix(replace.New.Path, "./staging/") {
			names = append(names, replace.Old.Path)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s replaces no module by ./staging/..., expected some thirty", told.GoMod)
	}
	return names, nil
}

// tell reads what a go command says as JSON.
func tell(ctx context.Context, dir string, log io.Writer, into any, args ...string) error {
	var output bytes.Buffer
	c := step(ctx, dir, log, "go", args...)
	c.Stdout = &output
	if err := c.Run(); err != nil {
		return fmt.Errorf("running go %s: %w", strings.Join(args, " "), err)
	}
	return json.Unmarshal(output.Bytes(), into)
}

// linkerFlags stamp the version, which without them reads 0.0.0: clients and kubelet compare it.
func linkerFlags() string {
	const pkg = "k8s.io/component-base/version."
	parts := strings.Split(strings.TrimPrefix(Kubernetes, "v"), ".")
	return fmt.Sprintf("-s -w -X %sgitVersion=%s -X %sgitMajor=%s -X %sgitMinor=%s", pkg, Kubernetes, pkg, parts[0], pkg, parts[1])
}
