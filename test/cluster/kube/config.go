package kube

import (
	"fmt"
	"path/filepath"
)

// cni gives each pod a link of its own with the node as its router. (On a bridge, an answer from one pod of the node to
// another would pass kube-proxy by, where bridged packets are not filtered.)
func (n *Node) cni() []byte {
	return fmt.Appendf(nil, `{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local", "dataDir": %q,
    "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "loopback"}]}
`, n.path("addresses"), n.network.pods())
}

// PauseImage is what holds the namespaces of each pod; it must be loaded before the first pod.
const PauseImage = "localhost/pause:1"

// containerd keeps all in the cluster's folder. Machines without CAP_SYS_RESOURCE cannot lower an OOM score, and a pod of
// tests needs none.
func (n *Node) containerd() []byte {
	return fmt.Appendf(nil, `version = 2
root = %q
state = %q
[grpc]
  address = %q
[plugins."io.containerd.internal.v1.opt"]
  path = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = %q
`, n.path("containerd"), n.path("containerd-state"), n.Containerd, n.path("opt"), PauseImage, n.path("cni"))
}

// kubelet has no cluster DNS: what runs here finds Services by the variables that Kubernetes gives each container. An
// empty resolv.conf makes a look-up fail at once.
func (n *Node) kubelet() []byte {
	return fmt.Appendf(nil, `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, x509: {clientCAFile: %q}, webhook: {enabled: true}}
authorization: {mode: Webhook}
containerRuntimeEndpoint: %q
cgroupDriver: cgroupfs
cgroupRoot: %q
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
resolvConf: %q
podLogsDir: %q
volumePluginDir: %q
evictionHard: {memory.available: 100Mi, nodefs.available: 1%%, imagefs.available: 1%%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
`, n.path("ca.crt"), "unix://"+n.Containerd, "/"+n.cgroup(), n.path("resolv.conf"), filepath.Join(n.options.Logs, "pods"), n.path("volumeplugins"))
}
