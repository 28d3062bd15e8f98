package kube

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const prefix = "airflow-secrets-e2e-"

// claim locks a cluster's folder until the file that it gives is closed, at the latest by the end of this process.
func claim(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return lock, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// sweep removes what clusters have left whose process was killed: of those the kernel has ended the processes, but not
// removed folders and control groups.
func sweep() error {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range dirs {
		lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
		if err != nil {
			continue // not a cluster's, or it is just being made
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			errs = append(errs, remove(dir))
		}
		lock.Close()
	}
	return wrap("removing what a killed run has left", errors.Join(errs...))
}

// remove removes a cluster's folder and its control groups, which bear the same name.
func remove(dir string) error {
	return errors.Join(removeCgroups(filepath.Base(dir)), os.RemoveAll(dir))
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
