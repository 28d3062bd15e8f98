package migration

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/airflow-secrets/airflow-secrets/test/pods"
)

// Official are the values of Airflow's official chart that the page has.
type Official struct {
	AirflowPodAnnotations map[string]string            `json:"airflowPodAnnotations"`
	Config                map[string]map[string]string `json:"config"` // section → option → value
	Env                   []corev1.EnvVar              `json:"env"`
	Secret                []SecretEnv                  `json:"secret"`
	ExtraEnvFrom          string                       `json:"extraEnvFrom"` // a list as text, which the chart runs through tpl
}

// SecretEnv is a variable from a Secret, as the official chart has it.
type SecretEnv struct {
	EnvName    string `json:"envName"`
	SecretName string `json:"secretName"`
	SecretKey  string `json:"secretKey"`
}

// Pod does what the chart does with its values to a pod that it has made without them: file is that of a pod in
// test/pods/charts that the chart has made with the annotation of ours.
func (v Official) Pod(file string) (*corev1.Pod, error) {
	var pod corev1.Pod
	if err := readChart(file, &pod); err != nil {
		return nil, err
	}
	annotate(&pod, v.AirflowPodAnnotations)
	var from []corev1.EnvFromSource
	if err := yaml.UnmarshalStrict([]byte(v.ExtraEnvFrom), &from); err != nil {
		return nil, fmt.Errorf("reading extraEnvFrom: %w", err)
	}
	env := slices.Clone(v.Env)
	for _, s := range v.Secret {
		selector := &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: s.SecretName}, Key: s.SecretKey}
		env = append(env, corev1.EnvVar{Name: s.EnvName, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: selector}})
	}
	for c := range ContainersOf(&pod) {
		if mountsConfig(*c) { // the chart's own mark of what runs Airflow
			c.Env, c.EnvFrom = append(c.Env, env...), append(c.EnvFrom, from...)
		}
	}
	return &pod, nil
}

// annotate gives a pod these annotations of ours, and no others of ours.
func annotate(pod *corev1.Pod, annotations map[string]string) {
	maps.DeleteFunc(pod.Annotations, func(key, _ string) bool { return strings.HasPrefix(key, "airflow-secrets/") })
	maps.Copy(pod.Annotations, annotations)
}

// ContainersOf gives the init containers, then the others.
func ContainersOf(pod *corev1.Pod) func(yield func(*corev1.Container) bool) {
	return func(yield func(*corev1.Container) bool) {
		for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for i := range list {
				if !yield(&list[i]) {
					return
				}
			}
		}
	}
}

func mountsConfig(c corev1.Container) bool {
	return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/opt/airflow/airflow.cfg" })
}

// ConfigMap does what the chart does with its values to airflow.cfg: the ConfigMap that it has made for user A is taken
// apart, its section of a backend left out, and put together with the sections of the values.
func (v Official) ConfigMap() (*corev1.ConfigMap, error) {
	var found corev1.ConfigMap
	if err := readChart("userA-configmap-af-config.json", &found); err != nil {
		return nil, err
	}
	sections := map[string]string{} // name → lines
	for section := range strings.SplitSeq(found.Data["airflow.cfg"], "\n\n") {
		name, lines, _ := strings.Cut(strings.TrimPrefix(section, "["), "]\n")
		sections[name] = strings.TrimSuffix(lines, "\n")
	}
	delete(sections, "secrets")
	for name, options := range v.Config {
		var lines []string
		for _, option := range slices.Sorted(maps.Keys(options)) {
			lines = append(lines, option+" = "+options[option])
		}
		sections[name] = strings.Join(lines, "\n")
	}
	var text []string
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		text = append(text, fmt.Sprintf("[%s]\n%s", name, sections[name]))
	}
	found.Data["airflow.cfg"] = strings.Join(text, "\n\n")
	return &found, nil
}

func readChart(file string, into any) error {
	text, err := os.ReadFile(filepath.Join(pods.Dir(), "charts", file))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	return nil
}
