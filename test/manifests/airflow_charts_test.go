package manifests

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/airflow-secrets/airflow-secrets/test/helm"
)

// renderAnew has one of Airflow's charts make pods of the example, and keeps them with -update.
func (e example) renderAnew(t *testing.T) {
	t.Helper()
	family, _, _ := strings.Cut(e.name, "-")
	chart, version := withoutDependencies(t, filepath.Join(*airflowCharts, family))
	text, err := runHelm(t, helm.Four, "template", "af", chart, "--namespace", "airflow", "--kube-version", "1.31.0", "--values", e.values())
	if err != nil {
		t.Fatal(err)
	}
	kept := rendered{Values: e.checksum(t), Chart: family + " " + version, Roles: map[string]string{}, Pods: map[string]corev1.Pod{}}
	for _, m := range documents(t, text) {
		addPods(t, m, kept.Pods)
		if role := m.Metadata.Annotations["eks.amazonaws.com/role-arn"]; m.Kind == "ServiceAccount" && role != "" {
			kept.Roles[m.Metadata.Name] = role
		}
	}
	for name, pod := range kept.Pods {
		kept.Pods[name] = reduced(pod)
	}
	should, err := json.MarshalIndent(kept, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	hold(t, e.kept(), append(should, '\n'))
}

// withoutDependencies copies a chart without the charts that it depends on, which are databases, and gives its version.
func withoutDependencies(t *testing.T, chart string) (dir, version string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	var about map[string]any
	if err := sigsyaml.Unmarshal([]byte(read(t, dir+"/Chart.yaml")), &about); err != nil {
		t.Fatal(err)
	}
	delete(about, "dependencies")
	text, err := sigsyaml.Marshal(about)
	if err == nil {
		err = os.WriteFile(dir+"/Chart.yaml", text, 0o644)
	}
	for _, spare := range []string{"charts", "Chart.lock"} {
		if err == nil {
			err = os.RemoveAll(filepath.Join(dir, spare))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir, about["version"].(string)
}

// addPods adds the pods that an object makes: by a template, or by the file of one for KubernetesExecutor.
func addPods(t *testing.T, m manifest, pods map[string]corev1.Pod) {
	t.Helper()
	name := strings.ToLower(m.Kind) + "-" + m.Metadata.Name
	switch m.Kind {
	case "Deployment":
		pods[name] = podOf(decoded[appsv1.Deployment](t, m).Spec.Template)
	case "StatefulSet":
		pods[name] = podOf(decoded[appsv1.StatefulSet](t, m).Spec.Template)
	case "Job":
		pods[name] = podOf(decoded[batchv1.Job](t, m).Spec.Template)
	case "CronJob":
		pods[name] = podOf(decoded[batchv1.CronJob](t, m).Spec.JobTemplate.Spec.Template)
	case "ConfigMap", "Secret":
		for file, text := range texts(t, m) {
			if pod := (corev1.Pod{}); strings.HasPrefix(file, "pod_template") && sigsyaml.Unmarshal([]byte(text), &pod) == nil && pod.Kind == "Pod" {
				pods["podtemplate-"+m.Metadata.Name] = pod
			}
		}
	}
}

func decoded[T any](t *testing.T, m manifest) (object T) {
	t.Helper()
	if err := sigsyaml.Unmarshal(m.text, &object); err != nil {
		t.Fatalf("%s: %v", m.key(), err)
	}
	return object
}

func podOf(template corev1.PodTemplateSpec) corev1.Pod {
	return corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: template.ObjectMeta, Spec: template.Spec}
}

// texts are the files in a ConfigMap or a Secret.
func texts(t *testing.T, m manifest) map[string]string {
	t.Helper()
	object := decoded[struct {
		Data       map[string]string `json:"data"`
		StringData map[string]string `json:"stringData"`
	}](t, m)
	for file, text := range object.Data {
		if plain, err := base64.StdEncoding.DecodeString(text); m.Kind == "Secret" && err == nil {
			object.Data[file] = string(plain)
		}
	}
	for file, text := range object.StringData {
		if object.Data == nil {
			object.Data = map[string]string{}
		}
		object.Data[file] = text
	}
	return object.Data
}

// reduced leaves of a pod what tells what it is and where its settings come from. Of the charts' scripts nothing is kept.
func reduced(pod corev1.Pod) corev1.Pod {
	pod.ObjectMeta = metav1.ObjectMeta{Labels: pod.Labels, Annotations: pod.Annotations}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i, c := range list {
			list[i] = corev1.Container{Name: c.Name, Image: c.Image, Env: c.Env, EnvFrom: c.EnvFrom, VolumeMounts: c.VolumeMounts,
				Resources: c.Resources, SecurityContext: c.SecurityContext, RestartPolicy: c.RestartPolicy, Ports: c.Ports}
		}
	}
	pod.Spec = corev1.PodSpec{InitContainers: pod.Spec.InitContainers, Containers: pod.Spec.Containers, Volumes: pod.Spec.Volumes,
		ServiceAccountName: pod.Spec.ServiceAccountName, SecurityContext: pod.Spec.SecurityContext, RestartPolicy: pod.Spec.RestartPolicy}
	return pod
}
