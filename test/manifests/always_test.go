package manifests

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// TestAlways holds every set to what must be true of every release, whatever its values.
func TestAlways(t *testing.T) {
	for _, s := range sets(t) {
		t.Run(s.name, func(t *testing.T) {
			all := render(t, "--values", s.file)
			for key, m := range all {
				if kubernetesTypes[m.APIVersion+" "+m.Kind] != nil {
					holdLabels(t, m)
				}
				holdNames(t, m)
				if hasKey(t, m.text, "caBundle") || hasKey(t, m.text, "ca.crt") || hasKey(t, m.text, "tls.key") {
					t.Errorf("%s has certificate data, which an upgrade would reset", key)
				}
				if _, hook := m.Metadata.Annotations["helm.sh/hook"]; hook && m.Metadata.Annotations["helm.sh/hook"] != "test" {
					t.Errorf("%s is a hook: those hang Argo CD and Helm", key)
				}
			}
			holdSecrets(t, all)
			holdAccess(t, all)
			holdRights(t, all)
			holdConfiguration(t, all)
			defaultsOf(t, all)
		})
	}
}

func hasKey(t *testing.T, text []byte, key string) bool {
	t.Helper()
	var content any
	if err := yaml.Unmarshal(text, &content); err != nil {
		t.Fatal(err)
	}
	var search func(any) bool
	search = func(node any) bool {
		switch node := node.(type) {
		case map[string]any:
			for name, below := range node {
				if name == key || search(below) {
					return true
				}
			}
		case []any:
			return slices.ContainsFunc(node, search)
		}
		return false
	}
	return search(content)
}

// holdLabels wants on each object what `kubectl get -l` and every dashboard go by. What the user adds is his.
func holdLabels(t *testing.T, m manifest) {
	t.Helper()
	if strings.HasSuffix(m.Metadata.Name, "-more") || strings.HasSuffix(m.Metadata.Name, "-text") {
		return
	}
	for _, label := range []string{"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"} {
		if m.Metadata.Labels[label] == "" {
			t.Errorf("%s has no label %s", m.key(), label)
		}
	}
}

var objectName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

func holdNames(t *testing.T, m manifest) {
	t.Helper()
	if !objectName.MatchString(m.Metadata.Name) {
		t.Errorf("%s: expected a name of at most 63 letters, digits and hyphens", m.key())
	}
}

// holdSecrets wants Secrets without data: what is not rendered is not reset.
func holdSecrets(t *testing.T, all objects) {
	t.Helper()
	for key, m := range all {
		if m.Kind == "Secret" {
			if secret := get[corev1.Secret](t, all, key); secret.Data != nil || secret.StringData != nil {
				t.Errorf("%s has data", key)
			}
		}
	}
}

// holdAccess wants no rule but ours, each on one object by its name but for creating a Secret, which cannot be.
func holdAccess(t *testing.T, all objects) {
	t.Helper()
	for key, m := range all {
		var rules []rbacv1.PolicyRule
		switch m.Kind {
		case "Role":
			rules = get[rbacv1.Role](t, all, key).Rules
		case "ClusterRole":
			rules = get[rbacv1.ClusterRole](t, all, key).Rules
		}
		for _, rule := range rules {
			if len(rule.ResourceNames) != 1 && !slices.Equal(rule.Verbs, []string{"create"}) {
				t.Errorf("%s allows %v on %v of any name", key, rule.Verbs, rule.Resources)
			}
			if slices.Contains(slices.Concat(rule.Verbs, rule.Resources, rule.APIGroups), "*") {
				t.Errorf("%s allows everything of a kind: %v", key, rule)
			}
		}
	}
}

// holdRights wants the policy of the webhook's rights to be about the account, the Secret and the configuration that the
// pods and the roles have, and about no other account.
func holdRights(t *testing.T, all objects) {
	t.Helper()
	for key, m := range all {
		if m.Kind != "ValidatingAdmissionPolicy" || !strings.HasSuffix(m.Metadata.Name, "-rights") {
			continue
		}
		spec := get[admissionv1.ValidatingAdmissionPolicy](t, all, key).Spec
		i := slices.IndexFunc(sorted(all), func(m manifest) bool { return m.Kind == "Deployment" })
		webhook := get[appsv1.Deployment](t, all, sorted(all)[i].key()).Spec.Template.Spec
		account := "== 'system:serviceaccount:" + namespace + ":" + webhook.ServiceAccountName + "'"
		if len(spec.MatchConditions) != 1 || !strings.HasSuffix(spec.MatchConditions[0].Expression, account) || *spec.FailurePolicy != admissionv1.Fail {
			t.Errorf("%s is about %v, expected %s alone", key, spec.MatchConditions, account)
		}
		if names := spec.MatchConstraints.ResourceRules[0].ResourceNames; !slices.Equal(names, []string{argument(webhook, "--webhook-configuration")}) {
			t.Errorf("%s is about the configurations %q, the webhook writes %q", key, names, argument(webhook, "--webhook-configuration"))
		}
		if secret := argument(webhook, "--ca-secret"); !strings.Contains(spec.Validations[0].Expression, "== '"+secret+"'") {
			t.Errorf("%s allows other Secrets than %s: %s", key, secret, spec.Validations[0].Expression)
		}
		binding := get[admissionv1.ValidatingAdmissionPolicyBinding](t, all, "ValidatingAdmissionPolicyBinding "+m.Metadata.Name).Spec
		if binding.PolicyName != m.Metadata.Name || !slices.Equal(binding.ValidationActions, []admissionv1.ValidationAction{admissionv1.Deny}) {
			t.Errorf("%s is bound by %v", key, binding)
		}
	}
}

// holdConfiguration wants that a webhook that is down stops nobody who has not asked for it, and can be started again.
func holdConfiguration(t *testing.T, all objects) {
	t.Helper()
	i := slices.IndexFunc(sorted(all), func(m manifest) bool { return m.Kind == "MutatingWebhookConfiguration" })
	w := get[admissionv1.MutatingWebhookConfiguration](t, all, sorted(all)[i].key()).Webhooks[0]
	own := func(r []string) bool { return slices.Contains(r, namespace) }
	if !slices.ContainsFunc(w.NamespaceSelector.MatchExpressions, func(r metav1.LabelSelectorRequirement) bool {
		return r.Key == "kubernetes.io/metadata.name" && r.Operator == "NotIn" && own(r.Values)
	}) {
		t.Errorf("the webhook's own namespace is not left out: %v", w.NamespaceSelector)
	}
	if !strings.Contains(w.MatchConditions[0].Expression, "airflow-secrets/") {
		t.Errorf("the first condition is %q, expected one on our annotations", w.MatchConditions[0].Expression)
	}
	for _, rule := range w.Rules {
		if !slices.Equal(rule.Operations, []admissionv1.OperationType{admissionv1.Create}) || !slices.Equal(rule.Resources, []string{"pods"}) {
			t.Errorf("the rule %v is about more than the creation of pods", rule)
		}
	}
	service := get[corev1.Service](t, all, "Service "+w.ClientConfig.Service.Name)
	deployment := get[appsv1.Deployment](t, all, "Deployment "+w.ClientConfig.Service.Name)
	port := service.Spec.Ports[0]
	if port.Port != *w.ClientConfig.Service.Port || port.TargetPort.StrVal != deployment.Spec.Template.Spec.Containers[0].Ports[0].Name {
		t.Errorf("the configuration names port %d, the Service has %v", *w.ClientConfig.Service.Port, port)
	}
	for label, value := range service.Spec.Selector {
		if deployment.Spec.Template.Labels[label] != value || deployment.Spec.Selector.MatchLabels[label] != value {
			t.Errorf("the Service's selector %s=%s does not match the pods", label, value)
		}
	}
}

func sorted(all objects) []manifest {
	var list []manifest
	for _, m := range all {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b manifest) int { return strings.Compare(a.key(), b.key()) })
	return list
}
