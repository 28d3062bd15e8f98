package airflow

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/kubelet"
	"github.com/airflow-secrets/airflow-secrets/test/migration"
)

// addSecret puts the Secret that the chart makes of the values into a namespace.
func addSecret(t *testing.T, v migration.Community, objects *kubelet.Objects) {
	t.Helper()
	text, err := json.Marshal(must(v.ConfigSecret())(t))
	if err == nil {
		err = objects.Add(text)
	}
	if err != nil {
		t.Fatal(err)
	}
}

const communitySecret = "userB-secret-af-config-envs.json"

// TestCommunityPage holds the page's section of user B to what it promises: the backend and its kwargs stay, the plugin
// goes, and two annotations come. And it holds what becomes of its values here to what the chart itself has made.
func TestCommunityPage(t *testing.T) {
	page := readPage(t)
	before, after := page.community(t, "userB before"), page.community(t, "userB after")
	if !maps.Equal(before.Airflow.Config, after.Airflow.Config) {
		t.Error("the values of userB after have another config than those before")
	}
	isPlugin := func(requirement string) bool { return strings.HasPrefix(requirement, "airflow-aws-shared-secrets==") }
	if left := slices.DeleteFunc(slices.Clone(before.Airflow.ExtraPipPackages), isPlugin); !slices.Equal(left, after.Airflow.ExtraPipPackages) {
		t.Errorf("the values of userB after install %q, expected %q", after.Airflow.ExtraPipPackages, left)
	}
	if added := slices.Sorted(maps.Keys(after.Airflow.PodAnnotations)); !slices.Equal(added, []string{"airflow-secrets/inject", "airflow-secrets/shared-role-arn"}) || len(before.Airflow.PodAnnotations) > 0 {
		t.Errorf("the values of userB after have the annotations %q, expected two more than before", added)
	}
	rendered := before
	rendered.Airflow.PodAnnotations = map[string]string{"airflow-secrets/inject": "true"}
	for _, file := range []string{"userB-statefulset-af-worker.json", "userB-deployment-af-scheduler.json"} {
		var pod corev1.Pod
		readChart(t, file, &pod)
		if !equalJSON(t, must(rendered.Pod(file))(t), pod) {
			t.Errorf("%s is another pod with the values of docs/migration.md", file)
		}
	}
	var secret corev1.Secret
	readChart(t, communitySecret, &secret)
	if !equalJSON(t, must(before.ConfigSecret())(t), secret) {
		t.Errorf("%s is another Secret with the values of docs/migration.md", communitySecret)
	}
}
