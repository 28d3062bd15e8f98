package kube

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const cgroups = "/sys/fs/cgroup"

// hierarchies are the roots of control groups: one of version 2, or one per controller of version 1.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(filepath.Join(cgroups, "cgroup.controllers")); err == nil {
		return []string{cgroups}, nil
	}
	found, err := filepath.Glob(filepath.Join(cgroups, "*", "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("looking for control groups: none are mounted under %s", cgroups)
	}
	for i := range found {
		found[i] = filepath.Dir(found[i])
	}
	return found, nil
}

// makeCgroups makes the folder that the kubelet wants to find, in each hierarchy; systemd has some of version 1 under several
// names. No other cgroup of the machine is touched. (In version 2, where this has never been tried, the kubelet and runc
// enable controllers at the root, for all cgroups below it, and they stay enabled.)
func makeCgroups(name string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("making the cluster's control group: %w", err)
		}
	}
	return nil
}

// removeCgroups removes it with all below it. A cgroup can be removed a moment after its last process has ended.
func removeCgroups(name string) error {
	roots, err := hierarchies()
	if err != nil {
		return nil // where there are none, none can have been made
	}
	for _, root := range roots {
		path := filepath.Join(root, name)
		for range 50 {
			if err = removeTree(path); err == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err != nil {
			return fmt.Errorf("removing the cluster's control groups: %w", err)
		}
	}
	return nil
}

// removeTree removes folders only, the deepest first: the files of a cgroup are the kernel's.
func removeTree(path string) error {
	var folders []string
	err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.IsDir() {
			folders = append(folders, name)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, folder := range slices.Backward(folders) {
		if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
