package airflow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

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
		if err := logged(ctx, log, "debootstrap", "--variant=minbase", "--include="+packages, "bookworm", aside); err != nil {
			return fmt.Errorf("installing Debian: %w", err)
		}
		if err := strip(aside); err != nil {
			return fmt.Errorf("leaving out of Debian what no container needs: %w", err)
		}
		return nil
	})
}

// logged runs a program that says a lot.
func logged(ctx context.Context, log io.Writer, program string, args ...string) error {
	c := exec.CommandContext(ctx, program, args...)
	c.Stdout, c.Stderr = log, log
	if err := c.Run(); err != nil {
		return fmt.Errorf("running %s: %w", program, err)
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
