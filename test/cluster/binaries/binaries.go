// Package binaries has the programs of a cluster, built from their Go modules once and kept in a cache outside the
// checkout: no release is downloaded but through the Go module proxy, checked by its checksum database.
package binaries

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Versions of what is built. A changed one is another folder of the cache.
const (
	Kubernetes = "v1.36.3"
	etcd       = "v3.6.8" // Kubernetes 1.36 is released with it
	Helm3      = "v3.22.0"
	Helm4      = "v4.3.1"
)

// Set is the folders of the programs.
type Set struct {
	Kubernetes string // kube-apiserver, kubelet, kube-controller-manager, kube-scheduler, kube-proxy, kubectl, etcd
	Helm3      string // helm
	Helm4      string // helm
}

// Get gives all programs; what the cache lacks is built, with its progress in log. It takes some twelve minutes of two
// cores where there is nothing.
func Get(ctx context.Context, log io.Writer) (Set, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return Set{}, err
	}
	cache = filepath.Join(cache, "airflow-secrets")
	var set Set
	for _, want := range []struct {
		into  *string
		name  string
		build func(ctx context.Context, dir string, log io.Writer) error
	}{
		{&set.Kubernetes, "kubernetes-" + Kubernetes, buildKubernetes},
		{&set.Helm3, "helm-" + Helm3, installer("helm.sh/helm/v3/cmd/helm@" + Helm3)},
		{&set.Helm4, "helm-" + Helm4, installer("helm.sh/helm/v4/cmd/helm@" + Helm4)},
	} {
		dir := filepath.Join(cache, want.name)
		if err := once(dir, func(aside string) error { return want.build(ctx, aside, log) }); err != nil {
			return Set{}, fmt.Errorf("building %s: %w", want.name, err)
		}
		*want.into = filepath.Join(dir, "bin")
	}
	return set, nil
}

// once makes a folder unless it is there. It is made aside and then renamed, so that half of one is never taken for the
// whole; where two runs want it at once, the second waits for the first.
func once(dir string, build func(aside string) error) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("locking %s: %w", lock.Name(), err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	aside := dir + ".building" // under the lock there is one of them at most; another's remains are in the way
	defer os.RemoveAll(aside)
	if err := errors.Join(os.RemoveAll(aside), os.MkdirAll(filepath.Join(aside, "bin"), 0o755)); err != nil {
		return err
	}
	if err := build(aside); err != nil {
		return err
	}
	return os.Rename(aside, dir)
}

// command is a step of a build in dir: polite, since it is long, and without what the caller's Go settings say about
// another module.
func command(ctx context.Context, dir string, log io.Writer, program string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "nice", append([]string{program}, args...)...)
	c.Dir = dir
	c.Stdout, c.Stderr = log, log
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-p=2", "GOWORK=off", "GOBIN="+filepath.Join(dir, "bin"))
	return c
}

// installer builds a program whose module can be built by itself.
func installer(pkg string) func(ctx context.Context, dir string, log io.Writer) error {
	return func(ctx context.Context, dir string, log io.Writer) error {
		return command(ctx, dir, log, "go", "install", "-trimpath", "-ldflags", "-s -w", pkg).Run()
	}
}
