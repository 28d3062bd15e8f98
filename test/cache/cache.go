// Package cache keeps what is slow to make, such as a Kubernetes built from its modules, in the user's cache folder, so that
// another checkout does not make it again.
package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Folder gives a folder by its name, which has to change with all that goes into it: a version, or a hash. One that is not
// there is filled first: aside, and then renamed, so that half of one is never taken for the whole. Where two runs want it
// at once, the second waits for the first. What nobody asks for any more may be removed by hand.
func Folder(ctx context.Context, name string, fill func(aside string) error) (string, error) {
	home, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("looking for the cache folder: %w", err)
	}
	folder := filepath.Join(home, "airflow-secrets", name)
	if err := once(ctx, folder, fill); err != nil {
		return "", fmt.Errorf("making %s: %w", folder, err)
	}
	return folder, nil
}

func once(ctx context.Context, folder string, fill func(aside string) error) error {
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return err
	}
	unlock, err := lock(ctx, folder+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	aside := folder + ".making" // under the lock there is one of them at most; another's remains are in the way
	defer os.RemoveAll(aside)
	if err := errors.Join(os.RemoveAll(aside), os.Mkdir(aside, 0o755)); err != nil {
		return err
	}
	if err := fill(aside); err != nil {
		return err
	}
	return os.Rename(aside, folder)
}

// lock takes a lock that the kernel takes back when this process ends, however it ends.
func lock(ctx context.Context, path string) (unlock func() error, err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return file.Close, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), file.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("waiting for another run that holds %s: %w", path, context.Cause(ctx)), file.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
