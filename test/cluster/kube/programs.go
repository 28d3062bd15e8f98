package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
)

const nodeName = "node"

func (n *Node) startEtcd(context.Context) error {
	return n.launch("etcd", n.bin("etcd"), "--data-dir", n.EtcdData, "--unsafe-no-fsync",
		"--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
		"--listen-peer-urls", "http://127.0.0.1:2380")
}

// startAPIServer starts it as installers do. It calls webhooks by the addresses of their pods: it is on the node, where
// kube-proxy would do as well, but a webhook must come up even before that. Nothing is compacted away: what was ever written
// to etcd can be looked for in it.
func (n *Node) startAPIServer(ctx context.Context) error {
	err := n.launch("kube-apiserver", n.bin("kube-apiserver"), "--etcd-servers=http://127.0.0.1:2379", "--etcd-compaction-interval=0",
		"--tls-cert-file="+n.path("apiserver.crt"), "--tls-private-key-file="+n.path("apiserver.key"), "--client-ca-file="+n.path("ca.crt"),
		"--service-account-key-file="+n.path("tokens.key"), "--service-account-signing-key-file="+n.path("tokens.key"),
		"--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--service-cluster-ip-range="+n.network.services(), "--advertise-address="+n.network.node(), "--allow-privileged=true",
		"--kubelet-client-certificate="+n.path("admin.crt"), "--kubelet-client-key="+n.path("admin.key"),
		"--kubelet-preferred-address-types=InternalIP", "--enable-aggregator-routing=true")
	if err != nil {
		return err
	}
	return command.Until(ctx, time.Minute, func(ctx context.Context) error { return n.kubectl(ctx, "get", "--raw", "/readyz") })
}

// startContainerd starts one of our own, with nothing in it.
func (n *Node) startContainerd(ctx context.Context) error {
	err := errors.Join(
		os.MkdirAll(n.path("cni"), 0o755),
		n.write("cni/10-pods.conflist", n.cni()),
		n.write("containerd.toml", n.containerd()))
	if err != nil {
		return err
	}
	if err := n.launch("containerd", "containerd", "--config", n.path("containerd.toml")); err != nil {
		return err
	}
	return command.Until(ctx, time.Minute, func(ctx context.Context) error {
		_, err := command.Run(ctx, "ctr", "--address", n.Containerd, "version")
		return err
	})
}

// startOthers starts what takes its work from the API server.
func (n *Node) startOthers(context.Context) error {
	if err := errors.Join(
		n.write("kubelet.yaml", n.kubelet()),
		n.write("resolv.conf", nil),
		makeCgroups(n.cgroup())); err != nil {
		return err
	}
	admin := "--kubeconfig=" + n.Kubeconfig
	return errors.Join(
		n.launch("kube-controller-manager", n.bin("kube-controller-manager"), admin, "--leader-elect=false",
			"--service-account-private-key-file="+n.path("tokens.key"), "--root-ca-file="+n.path("ca.crt")),
		n.launch("kube-scheduler", n.bin("kube-scheduler"), admin, "--leader-elect=false"),
		n.launch("kubelet", n.bin("kubelet"), "--config="+n.path("kubelet.yaml"), "--kubeconfig="+n.path("kubelet.kubeconfig"),
			"--hostname-override="+nodeName, "--node-ip="+n.network.node(), "--root-dir="+n.path("kubelet"), "--cert-dir="+n.path("kubelet/pki")),
		n.launch("kube-proxy", n.bin("kube-proxy"), admin, "--proxy-mode=nftables", "--cluster-cidr="+n.network.pods(),
			"--hostname-override="+nodeName, "--conntrack-max-per-core=0"))
}

// awaitReady waits for the node, and for what every pod needs from the controllers.
func (n *Node) awaitReady(ctx context.Context) error {
	return command.Until(ctx, 2*time.Minute, func(ctx context.Context) error {
		if err := n.kubectl(ctx, "wait", "--for=condition=Ready", "node/"+nodeName, "--timeout=1s"); err != nil {
			return err
		}
		return n.kubectl(ctx, "-n", "default", "get", "serviceaccount/default", "configmap/kube-root-ca.crt")
	})
}

// cgroup is the name of the folder of all its pods' control groups.
func (n *Node) cgroup() string { return filepath.Base(n.dir) }

func (n *Node) bin(program string) string { return filepath.Join(n.options.Bin, program) }

func (n *Node) kubectl(ctx context.Context, args ...string) error {
	c := command.New(ctx, n.bin("kubectl"), append([]string{"--kubeconfig", n.Kubeconfig}, args...)...)
	c.Env = n.Environ()
	_, err := command.Finish(c)
	return err
}

// launch starts a program of the cluster, with a log of its own. That one of them ends is noticed, whenever it does.
func (n *Node) launch(name, program string, args ...string) error {
	log, err := os.Create(filepath.Join(n.options.Logs, name+".log"))
	if err != nil {
		return fmt.Errorf("making a log: %w", err)
	}
	c := n.command(context.Background(), program, args...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		return errors.Join(fmt.Errorf("starting %s: %w", name, err), log.Close())
	}
	n.ended.Go(func() {
		defer log.Close()
		err := c.Wait()
		n.fall.Do(func() {
			n.fell = fmt.Errorf("%s ended (%v); the end of %s:\n%s", name, err, log.Name(), lastLines(log.Name(), 5))
			close(n.fallen)
		})
	})
	return nil
}

// lastLines is the end of a file, as far as it can be read.
func lastLines(file string, count int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}
