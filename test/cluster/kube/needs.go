package kube

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// programs of the machine, and the Debian package of each.
var programs = []struct{ name, pack string }{
	{"containerd", "containerd"},
	{"ctr", "containerd"},
	{"runc", "runc"},
	{"nft", "nftables"},
	{"conntrack", "conntrack"},
	{"ip", "iproute2"},
	{"nsenter", "util-linux"},
	{"buildah", "buildah"},
	{"debootstrap", "debootstrap"},
}

// BusyBox is the static program that our helper images hold.
const BusyBox = "/bin/busybox"

// files of the machine that are found by their path.
var files = []struct{ path, pack string }{
	{"/usr/lib/cni/ptp", "containernetworking-plugins"},
	{"/usr/lib/cni/host-local", "containernetworking-plugins"},
	{BusyBox, "busybox-static"},
}

// Missing says what this machine lacks for a cluster, each with its remedy; nothing where it has all.
func Missing() []string {
	var lacks, packages []string
	for _, p := range programs {
		if _, err := exec.LookPath(p.name); err != nil {
			lacks, packages = append(lacks, p.name), append(packages, p.pack)
		}
	}
	for _, f := range files {
		if _, err := os.Stat(f.path); err != nil {
			lacks, packages = append(lacks, f.path), append(packages, f.pack)
		}
	}
	var missing []string
	if len(lacks) > 0 {
		missing = append(missing, fmt.Sprintf("%s: apt-get install -y %s", strings.Join(lacks, ", "), strings.Join(unique(packages), " ")))
	}
	if os.Geteuid() != 0 {
		missing = append(missing, "root: run it as root, or with sudo -E; a kubelet cannot do with less")
	}
	if _, err := hierarchies(); err != nil {
		missing = append(missing, "control groups: mount -t cgroup2 none /sys/fs/cgroup; in a container, start it with --privileged")
	}
	return append(missing, outOfSight()...)
}

// outOfSight says which of the folders that hold the cluster's programs and files it would not see, as may be where a home is
// below /var/lib.
func outOfSight() []string {
	cache, _ := os.UserCacheDir() // where there is none, that is said when it is looked for
	var found []string
	for _, place := range []struct{ variable, folder string }{{"XDG_CACHE_HOME", cache}, {"TMPDIR", os.TempDir()}} {
		folder := place.folder
		if real, err := filepath.EvalSymlinks(folder); err == nil {
			folder = real
		}
		for _, own := range hidden {
			if strings.HasPrefix(folder+"/", own+"/") {
				found = append(found, fmt.Sprintf("%s: %s lies in %s, of which the cluster has its own; set it to a folder elsewhere", place.variable, folder, own))
			}
		}
	}
	return found
}

func unique(names []string) []string {
	var found []string
	seen := map[string]bool{}
	for _, name := range names {
		if !seen[name] {
			found = append(found, name)
		}
		seen[name] = true
	}
	return found
}
