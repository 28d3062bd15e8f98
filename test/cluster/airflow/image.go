// Package airflow is the real Airflow in a cluster: its images, and the users of docs/migration.md with pods as the charts
// render them.
package airflow

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/airflow-secrets/airflow-secrets/test/cache"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/image"
)

// Image is one of Airflow's images, made without a registry: Debian, and a release of Airflow from PyPI, shaped like
// Airflow's own (user, entrypoint, folders). What a pod with a broker and a database needs is in it, too.
type Image struct {
	// Reference is what pods ask for. It is the real image's, whose place this one takes.
	Reference string
	release   string // requirements/RELEASE.txt
	before    string // the day that all packages date from, so that a release has the dependencies that it was made for
}

// The releases: the newest, and the one of user B. The Python in the second's name is 3.10; Debian's is 3.11.
var (
	airflow3 = Image{"docker.io/apache/airflow:3.3.2", "3.3.2", "2026-11-15"}
	airflow2 = Image{"docker.io/apache/airflow:2.8.1-python3.10", "2.8.1", "2024-02-15"}
)

//go:embed entrypoint.sh image.go debian.go requirements
var inputs embed.FS

// Archive gives the image as a docker-archive, which the cache keeps. One that is not there is made, with the programs'
// progress in log; the first takes about two minutes. source is the repository's folder.
func (i Image) Archive(ctx context.Context, source string, log io.Writer) (string, error) {
	hash, err := hashOf("image.go", "debian.go", "entrypoint.sh", "requirements/"+i.release+".txt")
	if err != nil {
		return "", err
	}
	const archive = "image.tar"
	folder, err := cache.Folder(ctx, "airflow-"+i.release+"-"+hash, func(aside string) error {
		base, err := debian(ctx, log)
		if err != nil {
			return err
		}
		return i.build(ctx, filepath.Join(aside, archive), base, source, log)
	})
	return filepath.Join(folder, archive), err
}

// hashOf changes with everything that goes into what is kept.
func hashOf(names ...string) (string, error) {
	digest := sha256.New()
	for _, name := range names {
		text, err := inputs.ReadFile(name)
		if err != nil {
			return "", err
		}
		digest.Write(text)
	}
	return hex.EncodeToString(digest.Sum(nil)[:8]), nil
}

// build puts the release into a copy of the base.
func (i Image) build(ctx context.Context, archive, base, source string, log io.Writer) error {
	site, err := i.install(ctx, source)
	if err != nil {
		return err
	}
	root := archive + ".root"
	defer os.RemoveAll(root)
	if err := logged(log, command.New(ctx, "cp", "--archive", "--no-target-directory", base, root)); err != nil {
		return err
	}
	if err := logged(log, command.New(ctx, "cp", "--archive", "--no-target-directory", site, filepath.Join(root, sitePackages))); err != nil {
		return err
	}
	if err := shape(root); err != nil {
		return fmt.Errorf("shaping it like Airflow's own: %w", err)
	}
	return image.Write(archive, i.Reference, root, image.Config{
		User: airflowUser, WorkingDir: home, Entrypoint: []string{"/usr/bin/dumb-init", "--", "/entrypoint"},
		Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin:" + postgresPrograms, "AIRFLOW_HOME=" + home, "LANG=C.UTF-8"},
	})
}

// install gives a folder with the release and all that it needs, compiled, as test/python.sh makes one for any test.
func (i Image) install(ctx context.Context, source string) (folder string, err error) {
	requirements := filepath.Join(source, "test/cluster/airflow/requirements", i.release+".txt")
	executable, err := command.Run(ctx, filepath.Join(source, "test/python.sh"), "--python", python, "airflow-image-"+i.release,
		requirements, "--exclude-newer", i.before, "--compile-bytecode")
	if err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(executable), "../lib/python"+python, "site-packages"), nil
}

// What is fixed in Airflow's own image: its user, whose group is root's, and its folder.
const (
	airflowUser = "50000"
	airflowUID  = 50000
	home        = "/opt/airflow"
)

// shape adds what the real image has beside Debian and Python: the user, its folders, the entrypoint and the commands.
func shape(root string) error {
	entrypoint, err := inputs.ReadFile("entrypoint.sh")
	if err != nil {
		return err
	}
	users, err := os.OpenFile(filepath.Join(root, "etc/passwd"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(users, "airflow:x:%s:0::/home/airflow:/bin/bash\n", airflowUser)
	err = errors.Join(err, users.Close(),
		os.Symlink("python3", filepath.Join(root, "usr/bin/python")), // as which executors start it
		os.WriteFile(filepath.Join(root, "usr/local/bin/airflow"), []byte("#!/bin/sh\nexec python3 -m airflow \"$@\"\n"), 0o755),
		os.WriteFile(filepath.Join(root, "entrypoint"), entrypoint, 0o755))
	for _, folder := range []string{home, home + "/dags", home + "/logs", "/home/airflow"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(root, folder), 0o775), os.Chown(filepath.Join(root, folder), airflowUID, 0), os.Chmod(filepath.Join(root, folder), 0o775))
	}
	return err
}
