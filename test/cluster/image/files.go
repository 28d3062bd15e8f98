package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
)

// FromFiles makes an image that holds some of this machine's files and nothing else: path in the image → path here. It
// depends on what is in the files alone.
func FromFiles(archive, reference string, files map[string]string, config Config) error {
	return inFolder(func(root string) error {
		if err := copyPrograms(root, files); err != nil {
			return fmt.Errorf("filling the image %s: %w", reference, err)
		}
		return errors.Join(forgetTimes(root), Write(archive, reference, root, config))
	})
}

// BusyBox makes an image of a static busybox with all its commands, among them sh, and of more files.
func BusyBox(ctx context.Context, archive, reference, busybox string, more map[string]string) error {
	list, err := command.Run(ctx, busybox, "--list")
	if err != nil {
		return err
	}
	return inFolder(func(root string) error {
		files := map[string]string{"bin/busybox": busybox}
		maps.Copy(files, more)
		if err := copyPrograms(root, files); err != nil {
			return fmt.Errorf("filling the image %s: %w", reference, err)
		}
		for name := range strings.FieldsSeq(list) {
			if err := os.Symlink("busybox", filepath.Join(root, "bin", name)); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		}
		return errors.Join(forgetTimes(root), Write(archive, reference, root, Config{Env: []string{"PATH=/bin"}, Cmd: []string{"/bin/sh"}}))
	})
}

// inFolder gives make a folder of its own, which is gone afterwards.
func inFolder(make func(root string) error) error {
	root, err := os.MkdirTemp("", "airflow-secrets-image-")
	if err != nil {
		return err
	}
	return errors.Join(make(root), os.RemoveAll(root))
}

// copyPrograms copies files, path under root → path here, all of them executable.
func copyPrograms(root string, files map[string]string) error {
	for inside, here := range files {
		content, err := os.ReadFile(here)
		if err != nil {
			return err
		}
		path := filepath.Join(root, inside)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// forgetTimes makes a tree that was just written the same as one that is written tomorrow.
func forgetTimes(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err // a link's time cannot be set here; Write leaves it out
		}
		return os.Chtimes(path, time.Unix(0, 0), time.Unix(0, 0))
	})
}
