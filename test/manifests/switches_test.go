package manifests

import (
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
)

// access are the objects of what the webhook may do.
var access = []string{"ClusterRole airflow-secrets", "ClusterRoleBinding airflow-secrets", "Role airflow-secrets", "RoleBinding airflow-secrets",
	"ValidatingAdmissionPolicy airflow-secrets-rights", "ValidatingAdmissionPolicyBinding airflow-secrets-rights"}

// switches say of a set which objects it adds to those of a release and which it takes away.
var switches = []struct {
	set            string
	added, missing []string
}{
	{set: "unrestricted", missing: []string{"ValidatingAdmissionPolicy airflow-secrets-rights", "ValidatingAdmissionPolicyBinding airflow-secrets-rights"}},
	{set: "high-load", added: []string{"HorizontalPodAutoscaler airflow-secrets"}},
	{set: "host-network", added: []string{"ResourceQuota airflow-secrets"}},
	{set: "cert-manager",
		added:   []string{"Certificate airflow-secrets-root", "Certificate airflow-secrets-tls", "Issuer airflow-secrets-ca", "Issuer airflow-secrets-selfsigned"},
		missing: append(slices.Clone(access), "Secret airflow-secrets-ca")},
	{set: "cert-manager-issuer",
		added:   []string{"Certificate airflow-secrets-tls"},
		missing: append(slices.Clone(access), "Secret airflow-secrets-ca")},
	{set: "own-secret",
		missing: append(slices.Clone(access), "Secret airflow-secrets-ca")},
	{set: "monitored", added: []string{"PodMonitor airflow-secrets", "PrometheusRule airflow-secrets", "ServiceMonitor airflow-secrets"}},
	{set: "unmonitored", added: []string{"NetworkPolicy airflow-secrets"}},
	{set: "strict", added: []string{"NetworkPolicy airflow-secrets", "ValidatingAdmissionPolicy airflow-secrets", "ValidatingAdmissionPolicyBinding airflow-secrets"}},
	{set: "mirrored"},
	{set: "tagged"},
	{set: "single",
		added:   []string{"MutatingWebhookConfiguration zz-airflow-secrets"},
		missing: []string{"MutatingWebhookConfiguration airflow-secrets", "PodDisruptionBudget airflow-secrets"}},
	{set: "no-access",
		missing: append(slices.Clone(access), "ServiceAccount airflow-secrets")},
	{set: "dual-stack", added: []string{"ServiceAccount webhook"}, missing: []string{"ServiceAccount airflow-secrets"}},
	{set: "every-knob", added: []string{"ConfigMap airflow-secrets-more", "ConfigMap airflow-secrets-text"}},
}

func TestSwitches(t *testing.T) {
	standard := render(t)
	for _, s := range switches {
		t.Run(s.set, func(t *testing.T) {
			all := with(t, s.set)
			var added, missing []string
			for key := range all {
				if _, there := standard[key]; !there {
					added = append(added, key)
				}
			}
			for key := range standard {
				if _, there := all[key]; !there {
					missing = append(missing, key)
				}
			}
			if !slices.Equal(slices.Sorted(slices.Values(added)), slices.Sorted(slices.Values(s.added))) {
				t.Errorf("it adds %v, expected %v", added, s.added)
			}
			if !slices.Equal(slices.Sorted(slices.Values(missing)), slices.Sorted(slices.Values(s.missing))) {
				t.Errorf("it takes away %v, expected %v", missing, s.missing)
			}
		})
	}
}

func with(t *testing.T, set string) objects {
	t.Helper()
	return render(t, "--values", "testdata/"+set+".yaml")
}

func deploymentOf(t *testing.T, set string) appsv1.DeploymentSpec {
	t.Helper()
	return get[appsv1.Deployment](t, with(t, set), "Deployment airflow-secrets").Spec
}

func configurationOf(t *testing.T, set string) admissionv1.MutatingWebhookConfiguration {
	t.Helper()
	return get[admissionv1.MutatingWebhookConfiguration](t, with(t, set), "MutatingWebhookConfiguration airflow-secrets")
}

func TestAutoscalerDecidesAlone(t *testing.T) {
	if replicas := deploymentOf(t, "high-load").Replicas; replicas != nil {
		t.Errorf("the Deployment names %d replicas, and every upgrade would undo what the autoscaler did", *replicas)
	}
	budget := get[policyv1.PodDisruptionBudget](t, with(t, "high-load"), "PodDisruptionBudget airflow-secrets").Spec
	if budget.MaxUnavailable.StrVal != "25%" {
		t.Errorf("the budget is %v", budget)
	}
}

func TestHostNetwork(t *testing.T) {
	d := deploymentOf(t, "host-network")
	spec := d.Template.Spec
	if !spec.HostNetwork || spec.DNSPolicy != corev1.DNSClusterFirstWithHostNet || spec.Containers[0].Ports[0].ContainerPort != 10260 {
		t.Errorf("network %v, dns %q, ports %v", spec.HostNetwork, spec.DNSPolicy, spec.Containers[0].Ports)
	}
	if update := d.Strategy.RollingUpdate; update.MaxSurge.IntVal != 0 || update.MaxUnavailable.IntVal != 1 {
		t.Errorf("the strategy is %v: on as many nodes as replicas, a new pod would find no free port", update)
	}
}

// TestCertificates holds each way to what it needs and to no more: who has its certificate from a file has no token.
func TestCertificates(t *testing.T) {
	for _, c := range []struct{ set, secret, from string }{
		{"cert-manager", "airflow-secrets-tls", "airflow-secrets/airflow-secrets-tls"},
		{"cert-manager-issuer", "airflow-secrets-tls", "airflow-secrets/airflow-secrets-tls"},
		{"own-secret", "webhook-certificate", ""},
	} {
		spec := deploymentOf(t, c.set).Template.Spec
		mounted := spec.Volumes[1].Secret
		if *spec.AutomountServiceAccountToken || mounted == nil || mounted.SecretName != c.secret || !slices.Contains(spec.Containers[0].Args, "--cert-dir="+spec.Containers[0].VolumeMounts[1].MountPath) {
			t.Errorf("%s: token %v, volumes %v, args %v", c.set, *spec.AutomountServiceAccountToken, spec.Volumes, spec.Containers[0].Args)
		}
		if argument(spec, "--ca-secret") != "" {
			t.Errorf("%s makes certificates itself, too", c.set)
		}
		if from := configurationOf(t, c.set).Annotations["cert-manager.io/inject-ca-from"]; from != c.from {
			t.Errorf("%s: cainjector takes the authority from %q, expected %q", c.set, from, c.from)
		}
	}
	spec := get[appsv1.Deployment](t, render(t), "Deployment airflow-secrets").Spec.Template.Spec
	for flag, should := range map[string]string{"--ca-secret": "airflow-secrets-ca", "--service": "airflow-secrets", "--webhook-configuration": "airflow-secrets",
		"--namespace": namespace, "--ca-validity": "8760h", "--leaf-validity": "24h", "--cert-dir": ""} {
		if is := argument(spec, flag); is != should {
			t.Errorf("%s is %q, expected %q", flag, is, should)
		}
	}
	if annotations := configurationOf(t, "cert-manager").Annotations; annotations["team"] != "platform" {
		t.Errorf("the annotations are %v", annotations)
	}
}

func argument(spec corev1.PodSpec, flag string) string {
	for _, arg := range spec.Containers[0].Args {
		if value, ok := strings.CutPrefix(arg, flag+"="); ok {
			return value
		}
	}
	return ""
}

func TestImages(t *testing.T) {
	for set, should := range map[string][2]string{
		"unmonitored": {"airflow-secrets-webhook:0.1.0", "airflow-secrets-fetcher:0.1.0"},
		"tagged":      {"airflow-secrets-webhook:1.2.3", "airflow-secrets-fetcher:1.2.4"},
		"mirrored":    {"registry.example.com/webhook@sha256:" + strings.Repeat("1", 64), "registry.example.com/fetcher@sha256:" + strings.Repeat("2", 64)},
	} {
		spec := deploymentOf(t, set).Template.Spec
		if is := [2]string{spec.Containers[0].Image, argument(spec, "--fetcher-image")}; is != should {
			t.Errorf("%s: the images are %v, expected %v", set, is, should)
		}
	}
	if spec := deploymentOf(t, "mirrored").Template.Spec; spec.ImagePullSecrets[0].Name != "registry" || spec.Containers[0].ImagePullPolicy != corev1.PullAlways {
		t.Errorf("pulled with %v, %s", spec.ImagePullSecrets, spec.Containers[0].ImagePullPolicy)
	}
}

// TestUserOfHelmTest holds the pod of `helm test` to a user that is not root, and to none where OpenShift chooses.
func TestUserOfHelmTest(t *testing.T) {
	user := func(args ...string) *int64 {
		return get[corev1.Pod](t, render(t, args...), "Pod airflow-secrets-test").Spec.SecurityContext.RunAsUser
	}
	if given := user(); given == nil || *given != 65532 {
		t.Errorf("the user is %v, expected 65532", given)
	}
	if given := user("--set", "test.runAsUser=1000650000"); given == nil || *given != 1000650000 { // as OpenShift numbers them
		t.Errorf("the user is %v, expected 1000650000", given)
	}
	if given := user("--set", "test.runAsUser=null"); given != nil {
		t.Errorf("the user is %d, expected none", *given)
	}
}

// TestNoMetrics wants the port gone everywhere, not just from the webhook.
func TestNoMetrics(t *testing.T) {
	for key, m := range with(t, "unmonitored") {
		if strings.Contains(strings.ReplaceAll(string(m.text), "--metrics-port=0", ""), "metrics") {
			t.Errorf("%s still speaks of metrics:\n%s", key, m.text)
		}
	}
}

func TestEveryKnob(t *testing.T) {
	d := deploymentOf(t, "every-knob")
	spec, c := d.Template.Spec, d.Template.Spec.Containers[0]
	for what, ok := range map[string]bool{
		"labels":      d.Template.Labels["team"] == "platform" && d.Template.Labels["sidecar.istio.io/inject"] == "false" && d.Selector.MatchLabels["team"] == "",
		"annotations": d.Template.Annotations["linkerd.io/inject"] == "disabled",
		"place":       spec.NodeSelector["pool"] == "platform" && spec.NodeSelector["kubernetes.io/os"] == "linux" && spec.Tolerations[0].Key == "infra" && spec.Affinity.PodAntiAffinity == nil && len(spec.TopologySpreadConstraints) == 1,
		"update":      d.Strategy.Type == appsv1.RecreateDeploymentStrategyType && d.Strategy.RollingUpdate == nil,
		"priority":    spec.PriorityClassName == "platform",
		"dns":         spec.DNSPolicy == corev1.DNSNone && spec.DNSConfig.Nameservers[0] == "10.0.0.10",
		"users":       !*spec.HostUsers && *c.SecurityContext.RunAsUser == 1234 && *spec.SecurityContext.FSGroup == 1000 && *spec.SecurityContext.RunAsNonRoot,
		"stop":        argument(spec, "--drain-period") == "8s" && *spec.TerminationGracePeriodSeconds == 60,
		"tls":         argument(spec, "--tls-min-version") == "1.2" && argument(spec, "--ca-validity") == "720h" && argument(spec, "--leaf-validity") == "24h",
		"extra":       slices.Contains(c.Args, "--host=0.0.0.0") && c.Env[0].Value == "200MiB" && spec.Volumes[1].Name == "ca" && c.VolumeMounts[1].MountPath == "/ca",
		"probes":      c.StartupProbe.FailureThreshold == 100 && c.ReadinessProbe.PeriodSeconds == 5 && c.ReadinessProbe.HTTPGet.Path == "/readyz" && c.LivenessProbe.TimeoutSeconds == 9,
	} {
		if !ok {
			t.Errorf("%s: not as the values say in %v", what, d)
		}
	}
	if annotations := with(t, "every-knob")["Deployment airflow-secrets"].Metadata.Annotations; annotations["reloader"] != "true" {
		t.Errorf("the Deployment has the annotations %v", annotations)
	}
}

// TestNarrowed holds an administrator's selectors and conditions to being added to ours, not put in their place, in the
// policy as in the webhook.
func TestNarrowed(t *testing.T) {
	all := with(t, "strict")
	w := configurationOf(t, "strict").Webhooks[0]
	policy := get[admissionv1.ValidatingAdmissionPolicy](t, all, "ValidatingAdmissionPolicy airflow-secrets").Spec
	if w.NamespaceSelector.MatchLabels["airflow"] != "true" || w.NamespaceSelector.String() != policy.MatchConstraints.NamespaceSelector.String() {
		t.Errorf("namespaces of the webhook: %v, of the policy: %v", w.NamespaceSelector, policy.MatchConstraints.NamespaceSelector)
	}
	if w.ObjectSelector.String() != policy.MatchConstraints.ObjectSelector.String() || w.ObjectSelector.MatchExpressions[0].Key != "legacy" {
		t.Errorf("objects of the webhook: %v, of the policy: %v", w.ObjectSelector, policy.MatchConstraints.ObjectSelector)
	}
	if len(w.MatchConditions) != 2 || len(policy.MatchConditions) != 2 || w.MatchConditions[1] != policy.MatchConditions[1] {
		t.Errorf("conditions of the webhook: %v, of the policy: %v", w.MatchConditions, policy.MatchConditions)
	}
	if binding := get[admissionv1.ValidatingAdmissionPolicyBinding](t, all, "ValidatingAdmissionPolicyBinding airflow-secrets").Spec; binding.PolicyName != "airflow-secrets" {
		t.Errorf("the binding is of %q", binding.PolicyName)
	}
}
