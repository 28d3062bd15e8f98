package airflow

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
	"github.com/airflow-secrets/airflow-secrets/test/migration"
)

// What follows is all in which a pod here differs from the one that a chart renders. The rest is left to admission.

// release is what another Airflow among the chart's values changes (defaultAirflowTag, airflow.image.tag).
func release(pod *corev1.Pod, i Image) {
	for c := range migration.ContainersOf(pod) {
		if strings.HasPrefix(c.Image, "apache/airflow:") {
			c.Image = strings.TrimPrefix(i.Reference, "docker.io/")
		}
	}
}

// withRole is what the identity webhook of EKS adds where the service account has a role. The endpoint makes the fake AWS
// the one that is asked.
func (p *place) withRole(pod *corev1.Pod, arn string) {
	migration.AdmitRole(pod, arn, region)
	p.withEndpoint(pod)
}

func (p *place) withEndpoint(pod *corev1.Pod) {
	for c := range migration.ContainersOf(pod) {
		c.Env = append(c.Env, corev1.EnvVar{Name: "AWS_ENDPOINT_URL", Value: p.aws})
	}
}

// withHost names a Service's address, since a cluster of ours has no DNS.
func withHost(pod *corev1.Pod, address, name string) {
	pod.Spec.HostAliases = append(pod.Spec.HostAliases, corev1.HostAlias{IP: address, Hostnames: []string{name}})
}

// fromConfigMap has the container git-sync-init bring the DAGs from the ConfigMap dags: there is no git here, nor its image.
func fromConfigMap(pod *corev1.Pod) {
	sync := slices.IndexFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == "git-sync-init" })
	c := &pod.Spec.InitContainers[sync]
	c.Image, c.Command = e2e.BusyBoxImage, []string{"sh", "-ec", "mkdir -p /git/repo/tests/dags && cp -L /source/* /git/repo/tests/dags"}
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "source", MountPath: "/source"})
	source := corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "dags"}}
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "source", VolumeSource: corev1.VolumeSource{ConfigMap: &source}})
}

// idle has side containers wait for their end: their images, or the files that they run, are not there.
func idle(pod *corev1.Pod, names ...string) {
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; slices.Contains(names, c.Name) {
			c.Image, c.Command, c.Args = e2e.BusyBoxImage, []string{"sh", "-c", "trap exit TERM; sleep 1000000 & wait"}, nil
		}
	}
}

// withClaim adds what a StatefulSet adds for its claim of a volume.
func withClaim(pod *corev1.Pod, name string) {
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
}

// withDAGs puts the files of the ConfigMap dags into all of Airflow's containers (airflow.extraVolumes and
// airflow.extraVolumeMounts of the community chart).
func withDAGs(pod *corev1.Pod) {
	source := corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "dags"}}
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "dags", VolumeSource: corev1.VolumeSource{ConfigMap: &source}})
	for c := range migration.ContainersOf(pod) {
		for _, file := range []string{"verify.py", "expected.json"} {
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "dags", MountPath: "/opt/airflow/dags/" + file, SubPath: file})
		}
	}
}

// named gives a pod the name that its StatefulSet or Deployment would have made of generateName.
func named(pod *corev1.Pod, ending string) *corev1.Pod {
	pod.Name, pod.GenerateName = pod.GenerateName+ending, ""
	return pod
}
