package airflow

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/kubelet"
)

// communityValues are those of the community chart, all below airflow, that the page has.
type communityValues struct {
	Airflow struct {
		Config           map[string]string `json:"config"` // variable → value
		ExtraPipPackages []string          `json:"extraPipPackages"`
		PodAnnotations   map[string]string `json:"podAnnotations"`
	} `json:"airflow"`
}

// The container that runs pip, and the volume in which the others find what it has installed.
const (
	pipContainer = "install-pip-packages"
	pipVolume    = "home-airflow-local"
)

var pipLines = regexp.MustCompile(`(?m)(^echo '.*' >> requested-packages\.txt\n)+`)

// pod does what the chart does with its values to a pod that it has made with others. Without packages there is nothing of
// pip in it.
func (v communityValues) pod(t *testing.T, file string) *corev1.Pod {
	t.Helper()
	var pod corev1.Pod
	readChart(t, file, &pod)
	maps.DeleteFunc(pod.Annotations, func(key, _ string) bool { return strings.HasPrefix(key, "airflow-secrets/") })
	maps.Copy(pod.Annotations, v.Airflow.PodAnnotations)
	if len(v.Airflow.ExtraPipPackages) == 0 {
		removePip(&pod)
		return &pod
	}
	var lines strings.Builder
	for _, requirement := range v.Airflow.ExtraPipPackages {
		lines.WriteString("echo '" + requirement + "' >> requested-packages.txt\n")
	}
	pip := &pod.Spec.InitContainers[slices.IndexFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == pipContainer })]
	script := &pip.Args[len(pip.Args)-1]
	*script = pipLines.ReplaceAllLiteralString(*script, lines.String())
	return &pod
}

func removePip(pod *corev1.Pod) {
	pod.Spec.InitContainers = slices.DeleteFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == pipContainer })
	pod.Spec.Volumes = slices.DeleteFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == pipVolume })
	for c := range containersOf(pod) {
		c.VolumeMounts = slices.DeleteFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == pipVolume })
	}
}

const communitySecret = "userB-secret-af-config-envs.json"

// secret does what the chart does with airflow.config: the Secret that it has made for user B is taken, its backend left
// out, and the variables of the values put into it.
func (v communityValues) secret(t *testing.T) corev1.Secret {
	t.Helper()
	var found corev1.Secret
	readChart(t, communitySecret, &found)
	maps.DeleteFunc(found.Data, func(name string, _ []byte) bool { return strings.HasPrefix(name, "AIRFLOW__SECRETS__") })
	for name, value := range v.Airflow.Config {
		found.Data[name] = []byte(value)
	}
	return found
}

// addTo puts the Secret into a namespace.
func (v communityValues) addTo(t *testing.T, objects *kubelet.Objects) {
	t.Helper()
	text, err := json.Marshal(v.secret(t))
	if err == nil {
		err = objects.Add(text)
	}
	if err != nil {
		t.Fatal(err)
	}
}

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
		if !equalJSON(t, rendered.pod(t, file), pod) {
			t.Errorf("%s is another pod with the values of docs/migration.md", file)
		}
	}
	var secret corev1.Secret
	readChart(t, communitySecret, &secret)
	if !equalJSON(t, before.secret(t), secret) {
		t.Errorf("%s is another Secret with the values of docs/migration.md", communitySecret)
	}
}
