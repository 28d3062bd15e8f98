// Package kube runs a real Kubernetes of one node on this machine, in namespaces of its own: what it mounts, starts and
// routes is gone when it ends, however it ends.
//
// There is an etcd, an API server, a controller manager, a scheduler, a kubelet with containerd, and kube-proxy: the real
// programs. They live in one process namespace, whose first process we are the parent of; the kernel ends them all with
// it. The node has a network of its own with no way out, so nothing in the cluster can ask the real AWS or a registry.
// This machine reaches pods and Services by their addresses.
package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Options say where a node lives.
type Options struct {
	Bin    string // folder with kube-apiserver, kubelet, etcd and the rest
	Logs   string // folder, there already, for a log per program; it stays
	Report func(format string, args ...any)
}

// Node is a running cluster of one node.
type Node struct {
	Kubeconfig string // path of an administrator's
	Containerd string // path of containerd's socket, for ctr --address
	EtcdData   string // path of etcd's data folder

	options Options
	dir     string // all that is written, but for the logs
	lock    *os.File
	space   *space
	network network

	fall   sync.Once
	fell   error // which program ended by itself, first; written before fallen is closed
	fallen chan struct{}
	ended  sync.WaitGroup
}

// Start starts a cluster and returns once its node is ready. Whatever was started is stopped again if it cannot be. The
// caller stops a node that was started.
func Start(ctx context.Context, o Options) (*Node, error) {
	if err := sweep(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return nil, fmt.Errorf("making the folder of the cluster: %w", err)
	}
	lock, err := claim(dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("claiming the folder of the cluster: %w", err), os.RemoveAll(dir))
	}
	n := &Node{
		Kubeconfig: filepath.Join(dir, "admin.kubeconfig"),
		Containerd: filepath.Join(dir, "containerd.sock"),
		EtcdData:   filepath.Join(dir, "etcd"),
		options:    o, dir: dir, lock: lock, fallen: make(chan struct{}),
	}
	if err := n.start(ctx); err != nil {
		return nil, errors.Join(err, n.Stop())
	}
	return n, nil
}

func (n *Node) start(ctx context.Context) error {
	ctx, cancel := n.WhileUp(ctx)
	defer cancel()
	for _, step := range []struct {
		says string
		do   func(context.Context) error
	}{
		{"namespaces and network", n.openSpace},
		{"certificates", n.writeCertificates},
		{"etcd", n.startEtcd},
		{"kube-apiserver", n.startAPIServer},
		{"containerd", n.startContainerd},
		{"kubelet and controllers", n.startOthers},
		{"the node is ready", n.awaitReady},
	} {
		started := time.Now()
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("starting the cluster: %s: %w", step.says, err)
		}
		n.options.Report("%-24s %5.1f s", step.says, time.Since(started).Seconds())
	}
	return nil
}

// WhileUp is a context that ends, too, when one of the cluster's programs does; its cause then says which, and the end of
// what that logged.
func (n *Node) WhileUp(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-n.fallen:
			cancel(n.fell)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// Stop ends every process of the cluster, waits until they are gone, and removes what it wrote but the logs.
func (n *Node) Stop() error {
	if n.space != nil {
		ended := make(chan struct{})
		go func() {
			n.space.end()
			n.ended.Wait()
			close(ended)
		}()
		select {
		case <-ended:
		case <-time.After(time.Minute): // a moment is enough, but for what hangs in the kernel
			return fmt.Errorf("ending the cluster: after a minute not all its processes have ended, of which the first is %d; the next run removes what it wrote, %s",
				n.space.first.Process.Pid, n.dir)
		}
	}
	return wrap("removing what the cluster wrote", errors.Join(n.lock.Close(), remove(n.dir)))
}
