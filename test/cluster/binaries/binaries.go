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
)

// Get gives the folder of kube-apiserver, kubelet, kube-controller-manager, kube-scheduler, kube-proxy, kubectl and etcd.
// Where the cache has none, they are built, with the progress in log; it takes some twelve minutes of two cores.
func Get(ctx context.Context, log io.Writer) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	name := "kubernetes-" + Kubernetes
	dir := filepath.Join(cache, "airflow-secrets", name)
	if err := once(dir, func(aside string) error { return buildKubernetes(ctx, aside, log) }); err != nil {
		return "", fmt.Errorf("building %s: %w", name, err)
	}
	return filepath.Join(dir, "bin"), nil
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
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-p=2", "GOWORK=off")
	return c
}
