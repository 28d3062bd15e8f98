package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
)

// Build builds a target of the Dockerfile in the folder source, by buildah, as a docker-archive. Nothing of it stays on
// the machine but the archive.
func Build(ctx context.Context, archive, reference, source, target string) error {
	work, err := os.MkdirTemp("", "airflow-secrets-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	// vfs needs no overlay mounts, chroot no namespaces: they work in a container, too.
	storage := []string{"--root", filepath.Join(work, "root"), "--runroot", filepath.Join(work, "run"), "--storage-driver", "vfs"}
	build := append(storage, "build", "--isolation", "chroot", "--target", target, "--tag", reference, source)
	if _, err := command.Run(ctx, "buildah", build...); err != nil {
		return fmt.Errorf("building %s: %w", reference, err)
	}
	push := append(storage, "push", reference, "docker-archive:"+archive+":"+reference)
	if _, err := command.Run(ctx, "buildah", push...); err != nil {
		return fmt.Errorf("exporting %s: %w", reference, err)
	}
	return nil
}
