package injector_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/pods"
)

// eksIdentity is one of the two ways in which amazon-eks-pod-identity-webhook gives a pod its AWS identity. It writes all
// containers anew, from types of Kubernetes' that it was built with, and what a container has already it leaves.
type eksIdentity struct {
	env       []corev1.EnvVar
	volume    string
	mountPath string
	token     string // its file
	audience  string
}

const (
	irsaMount  = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
	agentMount = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
)

var eksIdentities = map[string]eksIdentity{
	"IRSA": {volume: "aws-iam-token", mountPath: irsaMount, token: "token", audience: "sts.amazonaws.com", env: []corev1.EnvVar{
		{Name: "AWS_STS_REGIONAL_ENDPOINTS", Value: "regional"}, {Name: "AWS_DEFAULT_REGION", Value: "eu-central-1"}, {Name: "AWS_REGION", Value: "eu-central-1"},
		{Name: "AWS_ROLE_ARN", Value: "arn:aws:iam::111122223333:role/airflow"}, {Name: "AWS_WEB_IDENTITY_TOKEN_FILE", Value: irsaMount + "/token"}}},
	"Pod Identity": {volume: "eks-pod-identity-token", mountPath: agentMount, token: "eks-pod-identity-token", audience: "pods.eks.amazonaws.com", env: []corev1.EnvVar{
		{Name: "AWS_STS_REGIONAL_ENDPOINTS", Value: "regional"}, {Name: "AWS_DEFAULT_REGION", Value: "eu-central-1"}, {Name: "AWS_REGION", Value: "eu-central-1"},
		{Name: "AWS_CONTAINER_CREDENTIALS_FULL_URI", Value: "http://169.254.170.23/v1/credentials"},
		{Name: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", Value: agentMount + "/eks-pod-identity-token"}}},
}

// mutate does what that webhook does to a pod, but for the containers to be skipped.
func (e eksIdentity) mutate(t *testing.T, raw []byte, skip ...string) []byte {
	t.Helper()
	var pod corev1.Pod
	if err := json.Unmarshal(raw, &pod); err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			if !slices.Contains(skip, list[i].Name) {
				e.addTo(&list[i])
			}
		}
	}
	if !slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == e.volume }) {
		seconds := int64(86400)
		token := &corev1.ServiceAccountTokenProjection{Audience: e.audience, ExpirationSeconds: &seconds, Path: e.token}
		pod.Spec.Volumes = slices.Insert(pod.Spec.Volumes, 0, corev1.Volume{Name: e.volume, VolumeSource: corev1.VolumeSource{
			Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{ServiceAccountToken: token}}}}})
	}
	text, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (e eksIdentity) addTo(c *corev1.Container) {
	for _, v := range e.env {
		if !slices.ContainsFunc(c.Env, func(there corev1.EnvVar) bool { return there.Name == v.Name }) {
			c.Env = append(c.Env, v)
		}
	}
	if !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == e.volume }) {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: e.volume, MountPath: e.mountPath, ReadOnly: true})
	}
}

// TestEKSIdentity lets the identity webhook run before us, after us, and again, and expects the same identity in our
// container each time. On EKS it is not always called again for a container that was added after it, ours for one.
func TestEKSIdentity(t *testing.T) {
	type step = func(t *testing.T, in *injector.Injector, e eksIdentity, pod []byte) []byte
	us := func(t *testing.T, in *injector.Injector, _ eksIdentity, pod []byte) []byte { return pass(t, in, pod) }
	eks := func(t *testing.T, _ *injector.Injector, e eksIdentity, pod []byte) []byte { return e.mutate(t, pod) }
	butOurs := func(t *testing.T, _ *injector.Injector, e eksIdentity, pod []byte) []byte {
		return e.mutate(t, pod, contract.ContainerName)
	}
	orders := map[string][]step{
		"identity first":                             {eks, us},
		"we first":                                   {us, eks},
		"we first, and again":                        {us, eks, us},
		"identity first, and again":                  {eks, us, eks, us},
		"we first, ours skipped, and we again":       {us, butOurs, us},
		"identity first, ours skipped the next time": {eks, us, butOurs, us},
	}
	for name, e := range eksIdentities {
		for _, pod := range []string{"userA-deployment-af-scheduler", "userA-podtemplate-af-config", "userB-statefulset-af-worker", "official-statefulset-af-worker"} {
			for order, steps := range orders {
				t.Run(name+"/"+pod+"/"+order, func(t *testing.T) {
					in := &injector.Injector{FetcherImage: pods.Image}
					text := pods.Charts(t)[pod]
					for _, step := range steps {
						text = step(t, in, e, text)
					}
					e.check(t, text)
					if d := in.Decide(text, "airflow"); len(d.Operations) > 0 {
						t.Errorf("a further pass still has operations: %v", d.Operations)
					}
					if d := in.Decide(e.mutate(t, text), "airflow"); len(d.Operations) > 0 {
						t.Errorf("one more round of both still has operations: %v", d.Operations)
					}
				})
			}
		}
	}
}

// check expects our container to have the identity once, and what it refers to.
func (e eksIdentity) check(t *testing.T, text []byte) {
	t.Helper()
	var pod corev1.Pod
	if err := json.Unmarshal(text, &pod); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == contract.ContainerName })
	if at < 0 {
		t.Fatal("our container is not there")
	}
	ours := pod.Spec.InitContainers[at]
	times := map[corev1.EnvVar]int{}
	for _, v := range ours.Env {
		times[corev1.EnvVar{Name: v.Name, Value: v.Value}]++
	}
	for _, v := range e.env {
		if times[v] != 1 {
			t.Errorf("%s is %d times in our container, expected once with the value %q: %v", v.Name, times[v], v.Value, slices.Collect(maps.Keys(times)))
		}
	}
	mounted := 0
	for _, m := range ours.VolumeMounts {
		if m.Name == e.volume && m.MountPath == e.mountPath {
			mounted++
		}
	}
	if mounted != 1 {
		t.Errorf("the token is mounted %d times in our container: %v", mounted, ours.VolumeMounts)
	}
}
