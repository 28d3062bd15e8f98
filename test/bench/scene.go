package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/airflow-secrets/airflow-secrets/test/airflow/worker"
)

// scene is one release of Airflow and all that it meets.
type scene struct {
	release  worker.Release
	python   string
	stores   []*store
	ways     []way
	measured []measurement // as in ways
}

type scenes []*scene

func (all scenes) close() {
	for _, scene := range all {
		for _, store := range scene.stores {
			store.close()
		}
	}
}

// newScenes makes a scene for each release, one after the other, so that nothing else runs while the fetcher does. What
// was made before an error is given beside it.
func newScenes(ctx context.Context, s settings, folder string) (scenes, error) {
	program, err := worker.BuildFetcher(ctx, folder)
	if err != nil {
		return nil, err
	}
	var all scenes
	for _, release := range s.releases {
		one := &scene{release: release}
		all = append(all, one)
		if one.python, err = release.Install(ctx); err != nil {
			return all, err
		}
		if err := one.fill(ctx, s, program, filepath.Join(folder, release.Name)); err != nil {
			return all, fmt.Errorf("setting the scene for Airflow %s: %w", release, err)
		}
	}
	return all, nil
}

// fill makes a store of each size, has the fetcher fetch it, and lays the ways out to them.
func (one *scene) fill(ctx context.Context, s settings, program, folder string) error {
	for _, size := range s.sizes {
		store, err := newStore(size, s.latency)
		if err != nil {
			return err
		}
		one.stores = append(one.stores, store)
		if err := store.fetch(ctx, program, filepath.Join(folder, fmt.Sprint(size))); err != nil {
			return err
		}
	}
	var err error
	one.ways, err = ways(one.stores[0].Store, filepath.Join(folder, "mount"))
	one.measured = make([]measurement, len(one.ways))
	return err
}

// way is one way by which connections reach Airflow.
type way struct {
	name    string
	backend string   // the class that Airflow asks first
	mount   string   // where Airflow finds the files; empty: there are none
	environ []string // of Airflow
	// more is what the environment has for one store beside that.
	more func(*store) map[string]string
	// calls AWS at every look-up, exactly once.
	calls bool
}

// ways are those that are compared; the last one is the baseline. The environments are made for the first store; what
// another one needs, more says.
func ways(first worker.Store, mount string) ([]way, error) {
	pod, err := worker.Inject(first)
	if err != nil {
		return nil, err
	}
	native, err := first.NativeEnviron()
	if err != nil {
		return nil, err
	}
	return []way{
		{name: "files", backend: "LocalFilesystemBackend", mount: mount, environ: pod.Environ(mount), more: nothing},
		{name: "env: AIRFLOW_CONN_", backend: "EnvironmentVariablesBackend", more: variables},
		{name: "SecretsManagerBackend", backend: "SecretsManagerBackend", environ: native, more: endpoint, calls: true},
	}, nil
}

func nothing(*store) map[string]string { return map[string]string{} }

func endpoint(s *store) map[string]string { return map[string]string{"AWS_ENDPOINT_URL": s.URL} }

// variables are those that our fetcher has written.
func variables(s *store) map[string]string {
	all := map[string]string{}
	for _, v := range s.variables {
		all[v.Name] = v.Value
	}
	return all
}
