package airflow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/airflow-secrets/airflow-secrets/test/cache"
)

// packages are Debian's that Airflow needs, and two servers.
const packages = "python3,python3-distutils,dumb-init,ca-certificates,postgresql,redis-server"

// What is where in Debian 12: its Python, the folder in which that looks for what Debian has not installed, and the programs
// of PostgreSQL, which are on nobody's PATH.
const (
	python           = "3.11"
	sitePackages     = "usr/local/lib/python3.11/dist-packages"
	postgresPrograms = "/usr/lib/postgresql/15/bin"
)

// debian gives the root folder that all images start from, which the cache keeps.
func debian(ctx context.Context, log io.Writer) (string, error) {
	hash, err := hashOf("debian.go")
	if err != nil {
		return "", err
	}
	return cache.Folder(ctx, "debian-"+hash, func(aside string) error {
		if err := logged(log, debootstrap(ctx, aside)); err != nil {
			return fmt.Errorf("installing Debian: %w", err)
		}
		if err := strip(aside); err != nil {
			return fmt.Errorf("leaving out of Debian what no container needs: %w", err)
		}
		return nil
	})
}

// debootstrap installs Debian in namespaces of its own. However it ends, what it has mounted below root ends with it, and so
// do the installers of packages, before it counts as ended: nothing is in the way of removing root.
func debootstrap(ctx context.Context, root string) *exec.Cmd {
	c := exec.CommandContext(ctx, "debootstrap", "--variant=minbase", "--include="+packages, "bookworm", root)
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS, // which makes mounts private, other than Cloneflags
		Pdeathsig:    syscall.SIGKILL,
	}
	return c
}

// logged runs a program that says a lot.
func logged(log io.Writer, c *exec.Cmd) error {
	c.Stdout, c.Stderr = log, log
	if err := c.Run(); err != nil {
		return fmt.Errorf("running %s: %w", c.Args[0], err)
	}
	return nil
}

// strip removes documents, and the compiler that PostgreSQL would speed up long queries with.
func strip(root string) error {
	var all []error
	for _, pattern := range []string{
		"var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale",
		"usr/lib/*/libLLVM*", "usr/lib/postgresql/*/lib/llvmjit.so", "usr/lib/postgresql/*/lib/bitcode",
	} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		all = append(all, err)
		for _, path := range found {
			all = append(all, os.RemoveAll(path))
		}
	}
	return errors.Join(all...)
}
