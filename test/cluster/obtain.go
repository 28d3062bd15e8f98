package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/airflow"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/binaries"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/kube"
	"github.com/airflow-secrets/airflow-secrets/test/helm"
)

// giveBack leaves the machine, or the cluster that was lent, as it was found; a lent one is left alone where it is kept.
type giveBack func(keep bool) error

// obtain gives the cluster of KUBECONFIG, or a new one. All that is missing is said before anything is started.
func obtain(ctx context.Context, out io.Writer, bare bool) (*e2e.Cluster, giveBack, error) {
	source, err := os.Getwd()
	if err != nil {
		return nil, nil, err
	}
	c := &e2e.Cluster{Source: source, Kubeconfig: os.Getenv("KUBECONFIG"), Path: os.Getenv("PATH"), LoadImage: strings.Fields(os.Getenv("LOAD_IMAGE"))}
	lent := c.Kubeconfig != ""
	var missing []string
	if !bare {
		missing = missingBinaries()
	}
	if lent {
		missing = append(missing, missingForLent(ctx, c)...)
	} else {
		missing = append(missing, kube.Missing()...)
	}
	if len(missing) > 0 {
		return nil, nil, lacking(missing)
	}
	if c.Logs, err = os.MkdirTemp("", "airflow-secrets-logs-"); err != nil {
		return nil, nil, err
	}
	if lent {
		return c, func(keep bool) error { return leave(c, keep) }, nil
	}
	return start(ctx, out, c)
}

// build fills the cache with all that takes long, with the programs' progress in log.
func build(ctx context.Context, log io.Writer) error {
	if missing := kube.Missing(); len(missing) > 0 {
		return lacking(missing)
	}
	if _, err := binaries.Get(ctx, log); err != nil {
		return err
	}
	for _, major := range helm.Majors() {
		if _, err := helm.Build(ctx, major); err != nil {
			return err
		}
	}
	source, err := os.Getwd()
	if err != nil {
		return err
	}
	return airflow.Build(ctx, source, log)
}

func lacking(missing []string) error {
	return fmt.Errorf("this machine lacks something:\n  %s", strings.Join(missing, "\n  "))
}

// start starts a cluster of our own.
func start(ctx context.Context, out io.Writer, c *e2e.Cluster) (*e2e.Cluster, giveBack, error) {
	log, err := os.Create(filepath.Join(c.Logs, "build.log"))
	if err != nil {
		return nil, nil, err
	}
	defer log.Close()
	fmt.Fprintf(out, "the cluster's programs, from the cache or built (some twelve minutes; see %s)\n", log.Name())
	programs, err := binaries.Get(ctx, log)
	if err != nil {
		return nil, nil, fmt.Errorf("%w; see %s", err, log.Name())
	}
	three, err := helm.Build(ctx, helm.Three)
	if err != nil {
		return nil, nil, err
	}
	c.Path = strings.Join([]string{programs, filepath.Dir(three.Binary), c.Path}, string(filepath.ListSeparator))
	node, err := kube.Start(ctx, kube.Options{Bin: programs, Logs: c.Logs, Report: func(format string, args ...any) {
		fmt.Fprintf(out, "  "+format+"\n", args...)
	}})
	if err != nil {
		return nil, nil, fmt.Errorf("%w\nlogs: %s", err, c.Logs)
	}
	c.Node, c.Kubeconfig = node, node.Kubeconfig
	if err := e2e.LoadPause(ctx, c); err != nil {
		return nil, nil, errors.Join(err, node.Stop())
	}
	return c, func(bool) error { return node.Stop() }, nil
}

func missingBinaries() []string {
	for _, name := range []string{"webhook", "fetcher"} {
		if _, err := os.Stat(filepath.Join("bin", name)); err != nil {
			return []string{"bin/" + name + ": make build, and run this in the repository's folder"}
		}
	}
	return nil
}
