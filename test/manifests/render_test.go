package manifests

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/airflow-secrets/airflow-secrets/test/helm"
)

const (
	root      = "../.."
	chartDir  = root + "/manifests/chart"
	release   = "airflow-secrets"
	namespace = "airflow-secrets"
)

// buildLimit is for a Helm that has to be built first, on a machine that does much else.
const buildLimit = 20 * time.Minute

var built = sync.OnceValues(func() (map[string]helm.Helm, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildLimit)
	defer cancel()
	found := map[string]helm.Helm{}
	for _, module := range helm.Majors() {
		h, err := helm.Build(ctx, module)
		if err != nil {
			return nil, err
		}
		found[module] = h
	}
	return found, nil
})

func helmOf(t *testing.T, module string) helm.Helm {
	t.Helper()
	all, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return all[module]
}

// runHelm runs a command of Helm's, which must end within a minute once Helm is there.
func runHelm(t *testing.T, module string, args ...string) ([]byte, error) {
	t.Helper()
	h := helmOf(t, module)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return h.Run(ctx, args...)
}

// template is `helm template` of the chart, as text.
func template(t *testing.T, module string, args ...string) ([]byte, error) {
	t.Helper()
	return runHelm(t, module, append([]string{"template", release, chartDir, "--namespace", namespace, "--kube-version", "1.30.0"}, args...)...)
}

// manifest is one rendered object: who it is, and its YAML.
type manifest struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta `json:"metadata"`
	text            []byte
}

func (m manifest) key() string { return m.Kind + " " + m.Metadata.Name }

// kubernetesTypes makes an empty object of each kind of Kubernetes that the chart renders. Kinds of others have no types
// here.
var kubernetesTypes = map[string]func() any{
	"v1 ServiceAccount": func() any { return new(corev1.ServiceAccount) },
	"v1 Secret":         func() any { return new(corev1.Secret) },
	"v1 ConfigMap":      func() any { return new(corev1.ConfigMap) },
	"v1 Service":        func() any { return new(corev1.Service) },
	"v1 ResourceQuota":  func() any { return new(corev1.ResourceQuota) },
	"v1 Namespace":      func() any { return new(corev1.Namespace) },
	"v1 Pod":            func() any { return new(corev1.Pod) },

	"apps/v1 Deployment":                                               func() any { return new(appsv1.Deployment) },
	"policy/v1 PodDisruptionBudget":                                    func() any { return new(policyv1.PodDisruptionBudget) },
	"autoscaling/v2 HorizontalPodAutoscaler":                           func() any { return new(autoscalingv2.HorizontalPodAutoscaler) },
	"networking.k8s.io/v1 NetworkPolicy":                               func() any { return new(networkingv1.NetworkPolicy) },
	"rbac.authorization.k8s.io/v1 Role":                                func() any { return new(rbacv1.Role) },
	"rbac.authorization.k8s.io/v1 RoleBinding":                         func() any { return new(rbacv1.RoleBinding) },
	"rbac.authorization.k8s.io/v1 ClusterRole":                         func() any { return new(rbacv1.ClusterRole) },
	"rbac.authorization.k8s.io/v1 ClusterRoleBinding":                  func() any { return new(rbacv1.ClusterRoleBinding) },
	"admissionregistration.k8s.io/v1 MutatingWebhookConfiguration":     func() any { return new(admissionv1.MutatingWebhookConfiguration) },
	"admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy":        func() any { return new(admissionv1.ValidatingAdmissionPolicy) },
	"admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding": func() any { return new(admissionv1.ValidatingAdmissionPolicyBinding) },
	"cert-manager.io/v1 Certificate":                                   nil,
	"cert-manager.io/v1 Issuer":                                        nil,
	"monitoring.coreos.com/v1 ServiceMonitor":                          nil,
	"monitoring.coreos.com/v1 PodMonitor":                              nil,
	"monitoring.coreos.com/v1 PrometheusRule":                          nil,
}

// objects are those of one render, by kind and name.
type objects map[string]manifest

// parse reads what Helm printed. Every object is decoded strictly into its type of Kubernetes, so a field that does not
// exist, or is there twice, is an error.
func parse(t *testing.T, text []byte) objects {
	t.Helper()
	found := objects{}
	for _, m := range documents(t, text) {
		if _, twice := found[m.key()]; twice {
			t.Errorf("%s is there twice", m.key())
		}
		if err := decodeStrictly(m); err != nil {
			t.Errorf("%s: %v", m.key(), err)
		}
		found[m.key()] = m
	}
	return found
}

// documents takes apart what Helm printed.
func documents(t *testing.T, text []byte) []manifest {
	t.Helper()
	var all []manifest
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if err == io.EOF {
			return all
		}
		m := manifest{text: document}
		if err == nil {
			err = sigsyaml.Unmarshal(document, &m)
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if m.Kind != "" { // else nothing but comments
			all = append(all, m)
		}
	}
}

func decodeStrictly(m manifest) error {
	kind := m.APIVersion + " " + m.Kind
	empty, known := kubernetesTypes[kind]
	switch {
	case !known:
		return fmt.Errorf("%s is no kind that the chart is known to render", kind)
	case empty == nil:
		var any map[string]any
		return sigsyaml.UnmarshalStrict(m.text, &any)
	}
	return sigsyaml.UnmarshalStrict(m.text, empty())
}

// render gives the objects of the chart with values, by Helm 4. TestMajorsAgree says that Helm 3 gives the same.
func render(t *testing.T, args ...string) objects {
	t.Helper()
	text, err := template(t, helm.Four, args...)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, text)
}

// get decodes an object that must be there.
func get[T any](t *testing.T, all objects, key string) (object T) {
	t.Helper()
	m, ok := all[key]
	if !ok {
		t.Fatalf("%s was not rendered", key)
	}
	if err := sigsyaml.UnmarshalStrict(m.text, &object); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return object
}
