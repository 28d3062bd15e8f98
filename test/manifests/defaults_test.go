package manifests

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/helm"
)

// TestDefaultsOfTheCluster takes the file that the webhook would mount to the code that reads it.
func TestDefaultsOfTheCluster(t *testing.T) {
	if none := defaultsOf(t, render(t)); !accepts(t, none, "airflow-secrets/image") {
		t.Error("without defaults a pod may not name an image")
	}
	if given := defaultsOf(t, with(t, "strict")); accepts(t, given, "airflow-secrets/image") || !accepts(t, given, "airflow-secrets/region") {
		t.Error("locked is not what the values say")
	}
}

func defaultsOf(t *testing.T, all objects) injector.Defaults {
	t.Helper()
	defaults, err := injector.ParseDefaults([]byte(defaultsFile(t, all)))
	if err != nil {
		t.Fatal(err)
	}
	return defaults
}

// defaultsFile is the file behind --defaults, made as the kubelet makes it: from an annotation of the pod. So each
// ReplicaSet has its own, and other defaults are another ReplicaSet.
func defaultsFile(t *testing.T, all objects) string {
	t.Helper()
	list := sorted(all)
	d := slices.IndexFunc(list, func(m manifest) bool { return m.Kind == "Deployment" })
	template := get[appsv1.Deployment](t, all, list[d].key()).Spec.Template
	folder, file := filepath.Split(argument(template.Spec, "--defaults"))
	mounts, volumes := template.Spec.Containers[0].VolumeMounts, template.Spec.Volumes
	m := slices.IndexFunc(mounts, func(m corev1.VolumeMount) bool { return m.MountPath+"/" == folder })
	if m < 0 {
		t.Fatalf("nothing is mounted at %s: %v", folder, mounts)
	}
	v := slices.IndexFunc(volumes, func(v corev1.Volume) bool { return v.Name == mounts[m].Name })
	if v < 0 || volumes[v].DownwardAPI == nil || len(volumes[v].DownwardAPI.Items) != 1 || volumes[v].DownwardAPI.Items[0].Path != file {
		t.Fatalf("expected a volume of the downward API with one file, %s: %v", file, volumes)
	}
	key := strings.TrimSuffix(strings.TrimPrefix(volumes[v].DownwardAPI.Items[0].FieldRef.FieldPath, "metadata.annotations['"), "']")
	text, there := template.Annotations[key]
	if !there {
		t.Fatalf("the pods have no annotation %q: %v", key, template.Annotations)
	}
	return text
}

// TestDefaultsStayWithTheirReplicas wants no object that an upgrade would change below replicas that run: of what it
// renders, other defaults change the Deployment alone, and a ConfigMap there is none.
func TestDefaultsStayWithTheirReplicas(t *testing.T) {
	before, after := render(t), render(t, "--set", "defaults.region=eu-west-3,locked={image}")
	older, newer := plain(t, before), plain(t, after)
	for key := range newer {
		if changed := older[key] != newer[key]; changed != (key == "Deployment airflow-secrets") {
			t.Errorf("%s, changed by other defaults: %v", key, changed)
		}
		if strings.HasPrefix(key, "ConfigMap ") {
			t.Errorf("%s is rendered, and replicas of before would see its change", key)
		}
	}
	if text := defaultsFile(t, after); !strings.Contains(text, "region: eu-west-3") {
		t.Errorf("the file is %q", text)
	}
}

// accepts says whether a pod with the annotation is injected.
func accepts(t *testing.T, defaults injector.Defaults, annotation string) bool {
	t.Helper()
	pod := `{"metadata": {"annotations": {"airflow-secrets/inject": "true", "` + annotation + `": "eu-west-1"}}, "spec": {"containers": [{"name": "base"}]}}`
	return (&injector.Injector{Defaults: defaults, FetcherImage: "fetcher:1"}).Decide([]byte(pod), "a").Allowed()
}

// TestHelmTestIsInjected has the pod of `helm test` injected, as the cluster would have it.
func TestHelmTestIsInjected(t *testing.T) {
	pod, err := yaml.YAMLToJSON(render(t)["Pod airflow-secrets-test"].text)
	if err != nil {
		t.Fatal(err)
	}
	decision := (&injector.Injector{FetcherImage: "fetcher:1"}).Decide(pod, "default")
	if decision.Code != contract.Injected {
		t.Fatalf("%s: %s", decision.Code, decision.Message)
	}
	operations, err := json.Marshal(decision.Operations)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(operations), "/spec/containers/0/volumeMounts") {
		t.Errorf("its container cannot see the report: %s", operations)
	}
}

// refusals are values that nobody can mean, and what Helm must say of them.
var refusals = []struct {
	values []string
	says   []string
}{
	{[]string{"replica=3"}, []string{"replica", "not allowed"}},
	{[]string{"webhook.failurePolice=Fail"}, []string{"failurePolice", "not allowed"}},
	{[]string{"webhook.failurePolicy=Maybe"}, []string{"failurePolicy", "'Fail', 'Ignore'"}},
	{[]string{"webhook.timeoutSeconds=31"}, []string{"timeoutSeconds", "31", "30"}},
	{[]string{"defaults.regin=x"}, []string{"regin", "not allowed"}},
	{[]string{"defaults.inject=x"}, []string{"inject", "not allowed"}},
	{[]string{"locked[0]=imag"}, []string{"locked/0", "'image'"}},
	{[]string{"port=443"}, []string{"port", "got 443"}},
	{[]string{"replicas=two"}, []string{"replicas", "integer"}},
	{[]string{"image.digest=latest"}, []string{"digest", "sha256"}},
	{[]string{"tlsMinVersion=1.1"}, []string{"tlsMinVersion"}},
	{[]string{"drainPeriod=5"}, []string{"drainPeriod"}},
	{[]string{"certificates.secretName=a", "certificates.certManager.enabled=true"}, []string{"certificates.secretName and certificates.certManager.enabled are both set: choose one"}},
	{[]string{"serviceAccount.create=false"}, []string{"serviceAccount.name is empty and serviceAccount.create is false"}},
	{[]string{"drainPeriod=61s", "terminationGracePeriodSeconds=600"}, []string{"drainPeriod is 61s, expected 1m at most"}},
	{[]string{"drainPeriod=10s1ms"}, []string{"terminationGracePeriodSeconds is 45, expected three times drainPeriod (10s1ms) and 15 more"}},
	{[]string{"certificates.leafValidity=4s999ms"}, []string{"certificates.leafValidity is 4s999ms, expected 5s or more"}},
	{[]string{"certificates.caValidity=71h59m"}, []string{"certificates.caValidity is 71h59m, expected three times certificates.leafValidity (24h) or more"}},
	{[]string{"port=8080"}, []string{"port and metrics.port are both 8080: expected two ports"}},
	{[]string{"metrics.port=0", "metrics.serviceMonitor.enabled=true"}, []string{"metrics.port is 0, so there is nothing"}},
	{[]string{"metrics.port=0", "metrics.podMonitor.enabled=true"}, []string{"metrics.port is 0, so there is nothing"}},
	{[]string{"metrics.port=0", "metrics.rules.enabled=true"}, []string{"metrics.port is 0, so there is nothing", "nor for metrics.rules to look at"}},
	{[]string{`podLabels.app\.kubernetes\.io/name=x`}, []string{"podLabels has the label app.kubernetes.io/name, which the chart sets: leave it out"}},
	{[]string{`commonLabels.app\.kubernetes\.io/instance=x`}, []string{"commonLabels has the label app.kubernetes.io/instance"}},
	{[]string{"fullnameOverride=My_Webhook"}, []string{`the objects would be named "My_Webhook": set fullnameOverride`}},
	{[]string{"drainPeriod=null"}, []string{"missing property 'drainPeriod'"}},
	{[]string{"fullnameOverride=1st"}, []string{`the objects would be named "1st"`}},
}

// TestLimitsAreAllowed holds what is refused to the limit itself, and to the ways of certificates that it is about.
func TestLimitsAreAllowed(t *testing.T) {
	for _, values := range []string{
		"drainPeriod=1m,terminationGracePeriodSeconds=195", "drainPeriod=10s", "certificates.leafValidity=5s,certificates.caValidity=15s",
		"certificates.caValidity=72h", "certificates.secretName=own,certificates.leafValidity=1s", "metrics.port=0", "fullnameOverride=a",
		"webhook.namespaceSelector=null", "defaults=null", "locked=null", "startupProbe=null", "resources=null", "priorityClassName=null", "nodeSelector=null", "podLabels.team=a,commonLabels.team=b",
	} {
		for _, major := range helm.Majors() {
			text, err := template(t, major, "--set", values)
			if err != nil {
				t.Errorf("%s: %v", values, err)
				continue
			}
			parse(t, text)
		}
	}
}

// TestMistakesAreRefused holds both majors to saying which value is wrong and what is expected.
func TestMistakesAreRefused(t *testing.T) {
	for _, major := range helm.Majors() {
		for _, r := range refusals {
			_, err := template(t, major, "--set", strings.Join(r.values, ","))
			if err == nil {
				t.Errorf("%v was accepted", r.values)
				continue
			}
			for _, part := range r.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v: %v, expected it to say %q", r.values, err, part)
				}
			}
		}
	}
	if _, err := template(t, helm.Four, "--kube-version", "1.29.9"); err == nil || !strings.Contains(err.Error(), "1.30") {
		t.Errorf("Kubernetes 1.29 was answered with %v", err)
	}
}

// TestNotes renders the notes that Helm prints after an installation, which only a cluster would show: in a copy of the
// chart they are the comments of a template.
func TestNotes(t *testing.T) {
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(chartDir)); err != nil {
		t.Fatal(err)
	}
	lines := strings.ReplaceAll("\n"+read(t, chartDir+"/templates/NOTES.txt"), "\n", "\n# ")
	if err := os.WriteFile(copied+"/templates/notes.yaml", []byte(lines+"\nkind: Notes\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for set, should := range map[string][]string{
		os.DevNull:                 {"helm test airflow-secrets -n airflow-secrets\n", "rollout status deployment/airflow-secrets"},
		"testdata/single.yaml":     {"WARNING: with 1 replica,", "WARNING: failurePolicy is Ignore", "Set validatingAdmissionPolicy.enabled"},
		"testdata/own-secret.yaml": {"from the Secret webhook-certificate"},
		"testdata/high-load.yaml":  {"in every namespace but airflow-secrets"},
	} {
		text, err := runHelm(t, helm.Four, "template", release, copied, "--namespace", namespace, "--kube-version", "1.30.0", "-s", "templates/notes.yaml", "--values", set)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range should {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s: the notes are\n%s\nexpected %q in them", set, text, part)
			}
		}
		if warned := strings.Contains(string(text), "WARNING"); warned != (set == "testdata/single.yaml") {
			t.Errorf("%s: the notes warn: %v\n%s", set, warned, text)
		}
		if strings.Count(string(text), "\n") > 40 {
			t.Errorf("%s: the notes are longer than a screen:\n%s", set, text)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
