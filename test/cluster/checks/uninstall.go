package checks

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// uninstall follows the README again. Afterwards annotated pods are created as if we had never been, and nothing of ours
// is left in the API.
func uninstall(ctx context.Context, c *e2e.Cluster) (string, error) {
	const namespace = "e2e-uninstall"
	if err := c.Namespace(ctx, namespace); err != nil {
		return "", err
	}
	if err := expectInjected(ctx, c, namespace); err != nil {
		return "", err
	}
	told, err := runPage(ctx, c, readme, "uninstall")
	if err != nil {
		return "", err
	}
	if err := expectGone(ctx, c, namespace); err != nil {
		return "", err
	}
	return told + "; then annotated pods are created as they are given, and no object of any kind bears our name", nil
}

// expectGone wants annotated pods to be created as if we had never been, and nothing of ours to be left in the API.
func expectGone(ctx context.Context, c *e2e.Cluster, namespace string) error {
	if err := expectUntouched(ctx, c, namespace); err != nil {
		return err
	}
	api, err := c.Proxy(ctx)
	if err != nil {
		return err
	}
	defer api.Close()
	// What belongs to a deleted object, such as pods and endpoint slices, goes a moment later.
	return command.Until(ctx, 2*time.Minute, func(ctx context.Context) error {
		left, err := leftOver(ctx, api)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("left in the API: %s", strings.Join(left, ", "))
		}
		return err
	})
}

// leftOver is each object that bears our name: its own, that of its namespace, or in a label, an owner or a reference.
// Pods of the checks were asked for by their authors and are not ours; events tell of the past.
func leftOver(ctx context.Context, api *e2e.API) ([]string, error) {
	lists := map[string][]byte{}
	if err := everyObject(ctx, api, lists); err != nil {
		return nil, err
	}
	var left []string
	for path, list := range lists {
		if strings.HasSuffix(path, "/events") {
			continue
		}
		var read struct{ Items []json.RawMessage }
		if err := json.Unmarshal(list, &read); err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		for _, item := range read.Items {
			if name, ours := isOurs(item); ours {
				left = append(left, path+"/"+name)
			}
		}
	}
	slices.Sort(left)
	return left, nil
}

// isOurs looks at all of an object but its status: a node's lists the images that it still has.
func isOurs(item []byte) (name string, ours bool) {
	var object struct {
		Metadata struct{ Namespace, Name string }
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(item, &object) != nil || json.Unmarshal(item, &fields) != nil {
		return "", false
	}
	if strings.HasPrefix(object.Metadata.Namespace, "e2e-") || strings.HasPrefix(object.Metadata.Name, "e2e-") {
		return "", false
	}
	delete(fields, "status")
	rest, err := json.Marshal(fields)
	return object.Metadata.Namespace + "/" + object.Metadata.Name, err == nil && bytes.Contains(rest, []byte(e2e.Release))
}
