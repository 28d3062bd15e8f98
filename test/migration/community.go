package migration

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Community are the values of the community chart, all below airflow, that the page has.
type Community struct {
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

// Pod does what the chart does with its values to a pod in test/pods/charts that it has made with others. Without packages
// there is nothing of pip in it.
func (v Community) Pod(file string) (*corev1.Pod, error) {
	var pod corev1.Pod
	if err := readChart(file, &pod); err != nil {
		return nil, err
	}
	annotate(&pod, v.Airflow.PodAnnotations)
	if len(v.Airflow.ExtraPipPackages) == 0 {
		removePip(&pod)
		return &pod, nil
	}
	var lines strings.Builder
	for _, requirement := range v.Airflow.ExtraPipPackages {
		lines.WriteString("echo '" + requirement + "' >> requested-packages.txt\n")
	}
	pip := &pod.Spec.InitContainers[slices.IndexFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == pipContainer })]
	script := &pip.Args[len(pip.Args)-1]
	*script = pipLines.ReplaceAllLiteralString(*script, lines.String())
	return &pod, nil
}

func removePip(pod *corev1.Pod) {
	pod.Spec.InitContainers = slices.DeleteFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == pipContainer })
	pod.Spec.Volumes = slices.DeleteFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == pipVolume })
	for c := range ContainersOf(pod) {
		c.VolumeMounts = slices.DeleteFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == pipVolume })
	}
}

// ConfigSecret does what the chart does with airflow.config: the Secret that it has made for user B is taken, its backend
// left out, and the variables of the values put into it.
func (v Community) ConfigSecret() (*corev1.Secret, error) {
	var found corev1.Secret
	if err := readChart("userB-secret-af-config-envs.json", &found); err != nil {
		return nil, err
	}
	maps.DeleteFunc(found.Data, func(name string, _ []byte) bool { return strings.HasPrefix(name, "AIRFLOW__SECRETS__") })
	for name, value := range v.Airflow.Config {
		found.Data[name] = []byte(value)
	}
	return &found, nil
}
