package kube

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/pki"
)

func TestNetworkIsOneThatNobodyHas(t *testing.T) {
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip(err)
	}
	for addresses, want := range map[string]bool{"127.0.0.0/8": true, "127.0.0.1/32": true, "203.0.113.0/24": false} {
		if got, err := inUse(t.Context(), addresses); got != want || err != nil {
			t.Errorf("%s is in use: %v, %v, expected %v", addresses, got, err, want)
		}
	}
}

func TestNoProxyLiesBetween(t *testing.T) {
	const ours = "10.200.0.0/16,.svc"
	for name, c := range map[string]struct{ upper, lower, want string }{
		"none set":        {"", "", ours},
		"set":             {"corp.example", "", "corp.example," + ours},
		"set lower case":  {"", "corp.example", "corp.example," + ours},
		"set as Go reads": {"corp.example", "other.example", "corp.example," + ours},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NO_PROXY", c.upper)
			t.Setenv("no_proxy", c.lower)
			command := exec.Command("sh", "-c", `echo "$NO_PROXY $no_proxy"`)
			command.Env = (&Node{network: network{200}}).Environ()
			output, err := command.Output()
			if want := c.want + " " + c.want + "\n"; string(output) != want || err != nil {
				t.Errorf("%q, %v, expected %q", output, err, want)
			}
		})
	}
}

func TestNetworkHoldsTogether(t *testing.T) {
	w := network{200}
	_, both, err := net.ParseCIDR(w.both())
	if err != nil {
		t.Fatal(err)
	}
	for _, inside := range []string{w.pods(), w.services()} {
		address, _, err := net.ParseCIDR(inside)
		if err != nil || !both.Contains(address) {
			t.Errorf("%s, %v, expected it within %s, to which there is a route", inside, err, both)
		}
	}
	_, services, _ := net.ParseCIDR(w.services())
	if !services.Contains(net.ParseIP(w.apiServer())) {
		t.Errorf("the API server's %s is no Service address", w.apiServer())
	}
	for _, outside := range []string{w.node(), w.machine()} {
		if both.Contains(net.ParseIP(outside)) {
			t.Errorf("%s is an address of the link and of a pod or Service, too", outside)
		}
	}
	if len(w.link()) > 15 {
		t.Errorf("%q is longer than the name of a link may be", w.link())
	}
}

// TestConfigurations reads what is written for other programs, with a folder that would break careless quoting.
func TestConfigurations(t *testing.T) {
	n := &Node{dir: `/tmp/a "b"`, options: Options{Logs: "/tmp/logs"}, network: network{200}, Containerd: "/tmp/c.sock"}
	var kubelet struct {
		CgroupRoot string `json:"cgroupRoot"`
		ResolvConf string `json:"resolvConf"`
	}
	if err := yaml.Unmarshal(n.kubelet(), &kubelet); err != nil || kubelet.CgroupRoot != `/a "b"` || kubelet.ResolvConf != `/tmp/a "b"/resolv.conf` {
		t.Errorf("kubelet.yaml: %v, %+v", err, kubelet)
	}
	var cni struct{ Plugins []struct{ Type string } }
	if err := json.Unmarshal(n.cni(), &cni); err != nil || len(cni.Plugins) != 2 {
		t.Errorf("the network configuration: %v, %+v", err, cni)
	}
	ca, err := pki.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	var kubeconfig struct{ Clusters []any }
	if err := yaml.Unmarshal(n.kubeconfig(ca, pki.Pair{Certificate: []byte("c"), Key: []byte("k")}), &kubeconfig); err != nil || len(kubeconfig.Clusters) != 1 {
		t.Errorf("the kubeconfig: %v, %+v", err, kubeconfig)
	}
}

func TestRemoveTree(t *testing.T) {
	root := filepath.Join(t.TempDir(), "group")
	if err := os.MkdirAll(filepath.Join(root, "kubepods", "pod1", "container"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := removeTree(root); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(root); !os.IsNotExist(err) {
		t.Errorf("%s: %v, expected it gone", root, err)
	}
	if err := removeTree(root); err != nil {
		t.Errorf("what is not there cannot be removed: %v", err)
	}
}

func TestMissingSaysAllAtOnce(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	missing := strings.Join(Missing(), "\n")
	for _, want := range []string{"containerd, ctr, runc, nft, conntrack, ip, nsenter, buildah", "apt-get install -y containerd runc nftables conntrack iproute2 util-linux buildah"} {
		if !strings.Contains(missing, want) {
			t.Errorf("%q does not say %q", missing, want)
		}
	}
}

func TestMissingSaysWhatTheClusterCannotSee(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/run", link); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ cache, temp, want string }{
		"elsewhere":         {"/var/cache/ci", "/var/tmp", ""},
		"alike":             {"/var/library", "/runs", ""},
		"a home in it":      {"/var/lib/jenkins/.cache", "/var/tmp", "XDG_CACHE_HOME: /var/lib/jenkins/.cache lies in /var/lib,"},
		"reached by a link": {"/var/cache/ci", link, "TMPDIR: /run lies in /run,"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("XDG_CACHE_HOME", c.cache)
			t.Setenv("TMPDIR", c.temp)
			missing := strings.Join(Missing(), "\n")
			if !strings.Contains(missing, c.want) || strings.Contains(missing, "lies in") != (c.want != "") {
				t.Errorf("%q, expected it to say %q", missing, c.want)
			}
		})
	}
}

func TestSweepLeavesTheLiving(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	living, err := os.MkdirTemp("", prefix)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := claim(living)
	if err != nil {
		t.Fatal(err)
	}
	dead, err := os.MkdirTemp("", prefix)
	if err != nil {
		t.Fatal(err)
	}
	left, err := claim(dead)
	if err != nil {
		t.Fatal(err)
	}
	left.Close() // as the end of its process does
	young, err := os.MkdirTemp("", prefix)
	if err != nil {
		t.Fatal(err)
	}
	if err := sweep(); err != nil {
		t.Error(err)
	}
	for dir, want := range map[string]bool{living: true, dead: false, young: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s: %v, expected it to be there: %v", dir, err, want)
		}
	}
	lock.Close()
}
