package airflow

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// Checks are the users of docs/migration.md, and what people see who make a mistake. All of them are in one run of the
// command: an image is loaded once.
func Checks() []e2e.Check {
	r := &runner{loaded: map[string]bool{}}
	const limit = 15 * time.Minute // the first that needs an image makes it
	return []e2e.Check{
		{Name: "user-a", Limit: limit, Run: r.userA,
			Says: "Airflow 3, KubernetesExecutor, kwargs in airflow.cfg: a DAG has its connections, a variable and an option, from files and from variables"},
		{Name: "user-b", Limit: limit, Run: r.userB,
			Says: "Airflow 2.8, CeleryExecutor, kwargs in a Secret: a DAG has connections of its own account and of a shared one"},
		{Name: "env", Limit: limit, Run: r.env,
			Says: "deliver: env: each chart's Celery worker starts with its own command line, and works"},
		{Name: "user-c", Limit: limit, Run: r.userC,
			Says: "keys in a Secret, look-up patterns: a DAG has what matches them, by a few calls"},
		{Name: "mistakes", Limit: limit, Run: r.mistakes,
			Says: "a wrong annotation and a missing secret fail a task at once, and say why where people look"},
	}
}

// Build makes the images, as far as the cache lacks them, with the programs' progress in log. source is the repository's folder.
func Build(ctx context.Context, source string, log io.Writer) error {
	for _, i := range []Image{airflow3, airflow2} {
		if _, err := i.Archive(ctx, source, log); err != nil {
			return err
		}
	}
	return nil
}

// runner is what the checks have in common.
type runner struct {
	loaded map[string]bool // references of images
}

// load makes an image known to the cluster, made if need be.
func (r *runner) load(ctx context.Context, c *e2e.Cluster, i Image) error {
	if r.loaded[i.Reference] {
		return nil
	}
	log, err := os.OpenFile(filepath.Join(c.Logs, "airflow-images.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	archive, err := i.Archive(ctx, c.Source, log)
	if err != nil {
		return err
	}
	if err := c.Load(ctx, archive); err != nil {
		return err
	}
	r.loaded[i.Reference] = true
	return nil
}
