package checks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// decoy is stored in the API on purpose: a search that does not find it in its every form finds nothing.
const decoy = "d3coy-0f-the-c4nary"

// canary looks for the value of every secret wherever it must not be: in all objects of all kinds, events among them, in
// what every webhook and every init container of ours logged, and in etcd, with all that was ever written to it. What the
// checks before have left is there to be found, and one more pod.
func canary(ctx context.Context, c *e2e.Cluster) (string, error) {
	const namespace = "e2e-canary"
	if err := c.Namespace(ctx, namespace); err != nil {
		return "", err
	}
	if err := runWorker(ctx, c, namespace); err != nil {
		return "", err
	}
	if err := plantDecoy(ctx, c, namespace); err != nil {
		return "", err
	}
	api, err := c.Proxy(ctx)
	if err != nil {
		return "", err
	}
	defer api.Close()
	objects, logs, stored := map[string][]byte{}, map[string][]byte{}, map[string][]byte{}
	if err := errors.Join(everyObject(ctx, api, objects), injectedLogs(ctx, api, logs), keptLogs(c, logs), etcdFiles(c, stored)); err != nil {
		return "", err
	}
	etcd := "etcd left out, since the cluster is not ours"
	if c.Node != nil {
		etcd = fmt.Sprintf("%d files of etcd", len(stored))
	}
	return fmt.Sprintf("in none of %d kinds of objects, %d logs of ours, %s; a decoy was found in its %d forms", len(objects), len(logs), etcd, len(forms(decoy))),
		errors.Join(searchWithDecoy(objects), searchWithDecoy(stored), search(logs))
}

// plantDecoy stores the decoy in each form.
func plantDecoy(ctx context.Context, c *e2e.Cluster, namespace string) error {
	object, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]string{"name": "decoy", "namespace": namespace},
		"data":     map[string]string{"forms": strings.Join(forms(decoy), "\n")},
	})
	if err != nil {
		return err
	}
	return c.Apply(ctx, string(object))
}

// everyObject reads the list of every kind that can be listed.
func everyObject(ctx context.Context, api *e2e.API, places map[string][]byte) error {
	groups, err := groupVersions(ctx, api)
	if err != nil {
		return err
	}
	for _, group := range groups {
		var kindsOf struct {
			Resources []struct {
				Name  string
				Verbs []string
			}
		}
		if err := getJSON(ctx, api, group, &kindsOf); err != nil {
			return err
		}
		for _, resource := range kindsOf.Resources {
			if !slices.Contains(resource.Verbs, "list") {
				continue
			}
			path := group + "/" + resource.Name
			if places[path], err = api.Get(ctx, path); err != nil {
				return err
			}
		}
	}
	return nil
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

// injectedLogs reads the log of every container that the webhook has put into a pod.
func injectedLogs(ctx context.Context, api *e2e.API, places map[string][]byte) error {
	var pods corev1.PodList
	if err := getJSON(ctx, api, "/api/v1/pods", &pods); err != nil {
		return err
	}
	for _, pod := range pods.Items {
		for _, container := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			if !strings.HasPrefix(container.Name, "airflow-secrets") || container.State.Waiting != nil {
				continue
			}
			path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/log?container=%s", pod.Namespace, pod.Name, container.Name)
			var err error
			if places[path], err = api.Get(ctx, path); err != nil {
				return err
			}
		}
	}
	return nil
}

// keptLogs are those of all webhooks there have been, of the replicas that the checks have replaced and killed as well. They
// must tell of the first pod that was reviewed and of the last, or something is missing between.
func keptLogs(c *e2e.Cluster, places map[string][]byte) error {
	logs, err := c.KeptLogs()
	if err != nil {
		return err
	}
	for _, namespace := range []string{"e2e-install", "e2e-canary"} {
		reviewed := fmt.Appendf(nil, `"namespace":%q`, namespace)
		if !slices.ContainsFunc(slices.Collect(maps.Values(logs)), func(log []byte) bool { return bytes.Contains(log, reviewed) }) {
			return fmt.Errorf("no pod of %s is in any of the %d logs of the webhook that were kept", namespace, len(logs))
		}
	}
	maps.Copy(places, logs)
	return nil
}

// etcdFiles reads what etcd has on disk, where we can: data file and write-ahead log. Kubernetes stores protobuf, in
// which a text stands as it is.
func etcdFiles(c *e2e.Cluster, places map[string][]byte) error {
	if c.Node == nil {
		return nil
	}
	return filepath.WalkDir(c.Node.EtcdData, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		places[path], err = os.ReadFile(path)
		return err
	})
}
