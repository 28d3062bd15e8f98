package e2e

import (
	"context"
	"os"
	"path/filepath"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/image"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/kube"
)

// LoadPause loads what our own node needs for any pod.
func LoadPause(ctx context.Context, c *Cluster) error {
	return c.loadMade(ctx, func(archive string) error {
		return image.FromFiles(archive, kube.PauseImage, map[string]string{"bin/busybox": kube.BusyBox},
			image.Config{Entrypoint: []string{"/bin/busybox", "sleep", "1000000"}})
	})
}

// LoadHelpers loads the images that checks use beside ours.
func (c *Cluster) LoadHelpers(ctx context.Context) error {
	err := c.loadMade(ctx, func(archive string) error { return image.BusyBox(ctx, archive, BusyBoxImage, kube.BusyBox, nil) })
	if err != nil {
		return err
	}
	return c.loadMade(ctx, func(archive string) error {
		program := filepath.Join(filepath.Dir(archive), "fakeaws")
		build := c.Command(ctx, "go", "build", "-o", program, "./test/fakeaws/cmd/fakeaws")
		build.Env = append(build.Env, "CGO_ENABLED=0")
		if _, err := command.Finish(build); err != nil {
			return err
		}
		return image.BusyBox(ctx, archive, FakeAWSImage, kube.BusyBox, map[string]string{"bin/fakeaws": program})
	})
}

// loadMade loads an image that make writes to an archive.
func (c *Cluster) loadMade(ctx context.Context, make func(archive string) error) error {
	dir, err := os.MkdirTemp("", "airflow-secrets-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	archive := filepath.Join(dir, "image.tar")
	if err := make(archive); err != nil {
		return err
	}
	return c.Load(ctx, archive)
}
