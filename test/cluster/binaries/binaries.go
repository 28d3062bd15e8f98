// Package binaries has the programs of a cluster, built from their Go modules once and kept in a cache outside the
// checkout: no release is downloaded but through the Go module proxy, checked by its checksum database.
package binaries

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/airflow-secrets/airflow-secrets/test/cache"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
)

// Versions of what is built. A changed one is another folder of the cache.
const (
	Kubernetes = "v1.36.3"
	etcd       = "v3.6.8" // Kubernetes 1.36 is released with it
)

// Get gives the folder of kube-apiserver, kubelet, kube-controller-manager, kube-scheduler, kube-proxy, kubectl and etcd.
// Where the cache has none, they are built, with the progress in log; it takes some twelve minutes of two cores.
func Get(ctx context.Context, log io.Writer) (string, error) {
	folder, err := cache.Folder(ctx, "kubernetes-"+Kubernetes, func(aside string) error { return buildKubernetes(ctx, aside, log) })
	return filepath.Join(folder, "bin"), err
}

// step is a step of a build in dir: polite, since it is long, and without what the caller's Go settings say about another
// module. Its work lies in dir, too, since go leaves that behind where a signal ends it.
func step(ctx context.Context, dir string, log io.Writer, program string, args ...string) *exec.Cmd {
	c := command.New(ctx, "nice", append([]string{program}, args...)...)
	c.Dir = dir
	c.Stdout, c.Stderr = log, log
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-p=2", "GOWORK=off", "GOTMPDIR="+dir)
	return c
}
