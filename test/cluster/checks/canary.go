package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// decoy is stored in the API on purpose: a search that does not find it in its every form finds nothing.
const decoy = "d3coy-0f-the-c4nary"

// canary looks for the value of every secret wherever it must not be: in all objects of all kinds, events among them, in
// what the webhook and every init container of ours logged, and in etcd, with all that was ever written to it.
func canary(ctx context.Context, c *e2e.Cluster) (string, error) {
	if err := plantDecoy(ctx, c); err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	api, err := c.Proxy(ctx)
	if err != nil {
		return "", err
	}
	places := map[string][]byte{}
	kinds, err := everyObject(ctx, api, places)
	if err != nil {
		return "", err
	}
	logs, err := ourLogs(ctx, api, places)
	if err != nil {
		return "", err
	}
	stored, err := etcdFiles(c, places)
	if err != nil {
		return "", err
	}
	decoys, err := search(places)
	if err != nil {
		return "", err
	}
	if want := len(forms(decoy)); len(decoys) != want {
		return "", fmt.Errorf("the search finds the decoy in %d of its %d forms only (%q): it would not find the canary either", len(decoys), want, decoys)
	}
	if logs == 0 {
		return "", errors.New("there is no log of ours, expected those of the checks before")
	}
	etcd := "etcd left out, since the cluster is not ours"
	if c.Node != nil {
		etcd = fmt.Sprintf("%.0f MB of etcd", float64(stored)/1e6)
	}
	return fmt.Sprintf("in none of %d kinds of objects, %d logs of ours, %s; a decoy was found in its %d forms", kinds, logs, etcd, len(decoys)), nil
}

// plantDecoy stores the decoy in each form.
func plantDecoy(ctx context.Context, c *e2e.Cluster) error {
	if err := c.Namespace(ctx, "e2e-canary"); err != nil {
		return err
	}
	object, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]string{"name": "decoy", "namespace": "e2e-canary"},
		"data":     map[string]string{"forms": strings.Join(forms(decoy), "\n")},
	})
	if err != nil {
		return err
	}
	return c.Apply(ctx, string(object))
}

// everyObject reads the list of every kind that can be listed.
func everyObject(ctx context.Context, api *e2e.API, places map[string][]byte) (kinds int, err error) {
	groups, err := groupVersions(ctx, api)
	if err != nil {
		return 0, err
	}
	for _, group := range groups {
		var kindsOf struct {
			Resources []struct {
				Name  string
				Verbs []string
			}
		}
		if err := getJSON(ctx, api, group, &kindsOf); err != nil {
			return 0, err
		}
		for _, resource := range kindsOf.Resources {
			if !slices.Contains(resource.Verbs, "list") {
				continue
			}
			path := group + "/" + resource.Name
			if places[path], err = api.Get(ctx, path); err != nil {
				return 0, err
			}
			kinds++
		}
	}
	return kinds, nil
}

// groupVersions are the paths under which kinds lie.
func groupVersions(ctx context.Context, api *e2e.API) ([]string, error) {
	var named struct {
		Groups []struct {
			Versions []struct{ GroupVersion string }
		}
	}
	if err := getJSON(ctx, api, "/apis", &named); err != nil {
		return nil, err
	}
	paths := []string{"/api/v1"}
	for _, group := range named.Groups {
		for _, version := range group.Versions {
			paths = append(paths, "/apis/"+version.GroupVersion)
		}
	}
	return paths, nil
}

func getJSON(ctx context.Context, api *e2e.API, path string, into any) error {
	answer, err := api.Get(ctx, path)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// ourLogs reads the log of every container of ours, injected or installed.
func ourLogs(ctx context.Context, api *e2e.API, places map[string][]byte) (count int, err error) {
	var pods struct {
		Items []struct {
			Metadata struct{ Name, Namespace string }
			Status   struct{ InitContainerStatuses, ContainerStatuses []struct{ Name string } }
		}
	}
	if err := getJSON(ctx, api, "/api/v1/pods", &pods); err != nil {
		return 0, err
	}
	for _, pod := range pods.Items {
		for _, container := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			if pod.Metadata.Namespace != e2e.Release && !strings.HasPrefix(container.Name, "airflow-secrets") {
				continue
			}
			path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/log?container=%s", pod.Metadata.Namespace, pod.Metadata.Name, container.Name)
			if places[path], err = api.Get(ctx, path); err != nil {
				return 0, err
			}
			count++
		}
	}
	return count, nil
}

// etcdFiles reads what etcd has on disk, where we can: data file and write-ahead log. Kubernetes stores protobuf, in
// which a text stands as it is.
func etcdFiles(c *e2e.Cluster, places map[string][]byte) (size int, err error) {
	if c.Node == nil {
		return 0, nil
	}
	err = filepath.WalkDir(c.Node.EtcdData, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		places[path], err = os.ReadFile(path)
		size += len(places[path])
		return err
	})
	return size, err
}
