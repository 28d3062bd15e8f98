package manifests

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// TestDefaultObjects lists what a release consists of.
func TestDefaultObjects(t *testing.T) {
	var keys []string
	for _, m := range sorted(render(t)) {
		keys = append(keys, m.key())
	}
	expected := []string{
		"ClusterRole airflow-secrets", "ClusterRoleBinding airflow-secrets", "Deployment airflow-secrets",
		"MutatingWebhookConfiguration airflow-secrets", "Pod airflow-secrets-test", "PodDisruptionBudget airflow-secrets", "Role airflow-secrets",
		"RoleBinding airflow-secrets", "Secret airflow-secrets-ca", "Service airflow-secrets", "ServiceAccount airflow-secrets",
		"ValidatingAdmissionPolicy airflow-secrets-rights", "ValidatingAdmissionPolicyBinding airflow-secrets-rights",
	}
	if !slices.Equal(keys, expected) {
		t.Errorf("a release is %v, expected %v", keys, expected)
	}
}

// TestArguments holds the arguments of the chart against the flags that the webhook says it has, in every way to come by a
// certificate.
func TestArguments(t *testing.T) {
	page, err := exec.CommandContext(t.Context(), "go", "run", "../../cmd/webhook", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{"secretName=", "secretName=own", "certManager.enabled=true"} {
		for _, argument := range get[appsv1.Deployment](t, render(t, "--set", "certificates."+way), "Deployment airflow-secrets").Spec.Template.Spec.Containers[0].Args {
			if flag, _, _ := strings.Cut(argument, "="); !strings.Contains(string(page), "  "+flag+" ") {
				t.Errorf("with certificates.%s the chart passes %s, which webhook --help does not know", way, argument)
			}
		}
	}
}

// TestAccess holds the two roles to the letter: with the policy of its rights they are the webhook's whole power.
func TestAccess(t *testing.T) {
	all := render(t)
	expectRules(t, get[rbacv1.Role](t, all, "Role airflow-secrets").Rules, []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"airflow-secrets-ca"}, Verbs: []string{"list", "watch", "patch"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"}},
	})
	expectRules(t, get[rbacv1.ClusterRole](t, all, "ClusterRole airflow-secrets").Rules, []rbacv1.PolicyRule{
		{APIGroups: []string{"admissionregistration.k8s.io"}, Resources: []string{"mutatingwebhookconfigurations"}, ResourceNames: []string{"airflow-secrets"}, Verbs: []string{"list", "watch", "patch"}},
	})
	subject := rbacv1.Subject{Kind: "ServiceAccount", Name: "airflow-secrets", Namespace: namespace}
	if subjects := get[rbacv1.RoleBinding](t, all, "RoleBinding airflow-secrets").Subjects; !slices.Equal(subjects, []rbacv1.Subject{subject}) {
		t.Errorf("the Role is bound to %v", subjects)
	}
	if subjects := get[rbacv1.ClusterRoleBinding](t, all, "ClusterRoleBinding airflow-secrets").Subjects; !slices.Equal(subjects, []rbacv1.Subject{subject}) {
		t.Errorf("the ClusterRole is bound to %v", subjects)
	}
}

func expectRules(t *testing.T, is, should []rbacv1.PolicyRule) {
	t.Helper()
	if !slices.EqualFunc(is, should, func(a, b rbacv1.PolicyRule) bool { return a.String() == b.String() }) {
		t.Errorf("the rules are %v, expected %v", is, should)
	}
}

// TestAvailability holds the defaults to a webhook that drains, upgrades and small clusters do not take away.
func TestAvailability(t *testing.T) {
	all := render(t)
	deployment := get[appsv1.Deployment](t, all, "Deployment airflow-secrets")
	if *deployment.Spec.Replicas != 2 || deployment.Spec.Strategy.RollingUpdate.MaxUnavailable.IntVal != 0 {
		t.Errorf("replicas %d, strategy %v", *deployment.Spec.Replicas, deployment.Spec.Strategy)
	}
	budget := get[policyv1.PodDisruptionBudget](t, all, "PodDisruptionBudget airflow-secrets").Spec
	if budget.MinAvailable != nil || budget.MaxUnavailable.IntVal != 1 || *budget.UnhealthyPodEvictionPolicy != policyv1.AlwaysAllow {
		t.Errorf("the budget is %v", budget)
	}
	spec := deployment.Spec.Template.Spec
	if len(spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0 || spec.PriorityClassName != "" {
		t.Error("something keeps a replica from a cluster of one node")
	}
	for _, c := range spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable != corev1.ScheduleAnyway {
			t.Errorf("the spread over %s keeps a replica from a cluster of one node", c.TopologyKey)
		}
	}
	if *spec.TerminationGracePeriodSeconds != 45 {
		t.Errorf("the grace period is %d, expected three drain periods, the last answer, and some", *spec.TerminationGracePeriodSeconds)
	}
}

// TestConfiguration holds the webhook configuration to its defaults.
func TestConfiguration(t *testing.T) {
	w := get[admissionv1.MutatingWebhookConfiguration](t, render(t), "MutatingWebhookConfiguration airflow-secrets").Webhooks[0]
	if *w.FailurePolicy != admissionv1.Fail || *w.TimeoutSeconds != 3 || *w.ReinvocationPolicy != admissionv1.IfNeededReinvocationPolicy ||
		*w.SideEffects != admissionv1.SideEffectClassNone || *w.MatchPolicy != admissionv1.Equivalent || w.ObjectSelector != nil {
		t.Errorf("the webhook is %v", w)
	}
	for _, own := range []string{namespace, "elsewhere"} {
		w := get[admissionv1.MutatingWebhookConfiguration](t, render(t, "--namespace", own), "MutatingWebhookConfiguration airflow-secrets").Webhooks[0]
		var excluded []string
		for _, r := range w.NamespaceSelector.MatchExpressions {
			excluded = append(excluded, r.Values...)
		}
		if !slices.Equal(excluded, []string{"kube-system", own}) {
			t.Errorf("the namespaces left out in %s are %v", own, excluded)
		}
	}
}

// TestRestricted holds both pods to Pod Security's level of that name, and to more. Both are programs of Linux.
func TestRestricted(t *testing.T) {
	all := render(t)
	for name, spec := range map[string]corev1.PodSpec{
		"the webhook's":   get[appsv1.Deployment](t, all, "Deployment airflow-secrets").Spec.Template.Spec,
		"helm test's pod": get[corev1.Pod](t, all, "Pod airflow-secrets-test").Spec,
	} {
		if sc := spec.SecurityContext; !*sc.RunAsNonRoot || sc.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s security context is %v", name, sc)
		}
		if spec.NodeSelector["kubernetes.io/os"] != "linux" {
			t.Errorf("%s pod may run on Windows: %v", name, spec.NodeSelector)
		}
		if spec.HostNetwork || spec.HostPID || spec.HostIPC {
			t.Errorf("%s pod is in a namespace of the host", name)
		}
		for _, v := range spec.Volumes {
			if v.HostPath != nil {
				t.Errorf("%s volume %s is of the host", name, v.Name)
			}
		}
		for _, c := range spec.Containers {
			sc := c.SecurityContext
			if *sc.AllowPrivilegeEscalation || !*sc.ReadOnlyRootFilesystem || !slices.Equal(sc.Capabilities.Drop, []corev1.Capability{"ALL"}) || sc.Capabilities.Add != nil {
				t.Errorf("%s container %s: %v", name, c.Name, sc)
			}
			if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s container %s: %v, expected requests and a limit of memory", name, c.Name, c.Resources)
			}
		}
	}
	webhook := get[appsv1.Deployment](t, all, "Deployment airflow-secrets").Spec.Template.Spec
	if !webhook.Containers[0].Resources.Limits.Cpu().IsZero() {
		t.Error("the webhook has a CPU limit, which slows admissions")
	}
	if webhook.SecurityContext.RunAsUser != nil || webhook.Containers[0].SecurityContext.RunAsUser != nil {
		t.Error("the webhook's pod names a user, which OpenShift refuses")
	}
	if account := get[corev1.ServiceAccount](t, all, "ServiceAccount airflow-secrets"); *account.AutomountServiceAccountToken {
		t.Error("the service account mounts its token into every pod that has it")
	}
}
