package kubelet_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/airflow-secrets/airflow-secrets/injector/kubelet"
)

// resources are what the pods of these tests can read.
const resources = `
apiVersion: v1
kind: Secret
metadata: {name: aws, namespace: airflow}
data:
  access-key: QUtJQTE=          # AKIA1
stringData:
  secret-key: pa$$word$(HOME)
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  REGION: eu-central-1
  EMPTY:
  2ND: second
  airflow.cfg: "[secrets]\nbackend ="
binaryData:
  keystore: AAEC                # three bytes
---
apiVersion: v1
kind: ConfigMap
metadata: {name: overrides}
data:
  REGION: us-east-1
`

// given is what a container has, in the words of a test.
type given struct {
	env     map[string]string
	files   map[string]string
	unknown []string
	fails   string // a part of the error
}

// viewOf gives the container base of a pod whose spec is YAML.
func viewOf(t *testing.T, spec, resources string) (kubelet.View, error) {
	t.Helper()
	var pod corev1.Pod
	pod.Name, pod.Namespace, pod.UID = "worker-0", "airflow", "u-1"
	pod.Labels = map[string]string{"tier": "airflow", "component": `wor"ker`}
	pod.Annotations = map[string]string{"example.com/team": "a"}
	if err := yaml.UnmarshalStrict([]byte(spec), &pod.Spec); err != nil {
		t.Fatal(err)
	}
	var objects kubelet.Objects
	if err := objects.Add([]byte(resources)); err != nil {
		t.Fatal(err)
	}
	return kubelet.ViewOf(&pod, "base", objects)
}

func (want given) check(t *testing.T, spec string) {
	t.Helper()
	got, err := viewOf(t, spec, resources)
	if want.fails != "" {
		if err == nil || !strings.Contains(err.Error(), want.fails) {
			t.Errorf("the error is %v, expected one with %q", err, want.fails)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for name, content := range got.Files {
		files[name] = string(content)
	}
	var unknown []string
	for _, u := range got.Unknown {
		unknown = append(unknown, u.String())
	}
	if !maps.Equal(got.Env, want.env) {
		t.Errorf("the environment is %q, expected %q", got.Env, want.env)
	}
	if !maps.Equal(files, want.files) {
		t.Errorf("the files are %q, expected %q", files, want.files)
	}
	if !slices.Equal(unknown, want.unknown) {
		t.Errorf("unknown is %q, expected %q", unknown, want.unknown)
	}
}

func TestInitContainersAreFoundToo(t *testing.T) {
	given{env: map[string]string{"A": "1"}}.check(t, `{initContainers: [{name: base, env: [{name: A, value: "1"}]}], containers: [{name: other}]}`)
	given{fails: `the pod has no container "base"`}.check(t, `{containers: [{name: other}]}`)
}

func TestEnviron(t *testing.T) {
	v := kubelet.View{Env: map[string]string{"B": "2=3", "A": ""}}
	if got := v.Environ(); !slices.Equal(got, []string{"A=", "B=2=3"}) {
		t.Errorf("the environment is %q", got)
	}
	if (kubelet.View{}).Environ() == nil {
		t.Error("no variables are nil, with which os/exec hands on this process's")
	}
}

func TestAllThatIsMissingIsToldAtOnce(t *testing.T) {
	given{fails: "the container base needs what was not given: the Secret no-env, the Secret no-variable, the key no-key of the Secret aws, " +
		"the ConfigMap no-volume, the key no-item of the ConfigMap settings: pass the Secrets and ConfigMaps of its namespace with -r"}.check(t, `
containers:
- name: base
  envFrom:
  - secretRef: {name: no-env}
  env:
  - {name: A, valueFrom: {secretKeyRef: {name: no-variable, key: a}}}
  - {name: B, valueFrom: {secretKeyRef: {name: no-variable, key: b}}}
  - {name: C, valueFrom: {secretKeyRef: {name: aws, key: no-key}}}
  volumeMounts:
  - {name: all, mountPath: /all}
volumes:
- name: all
  projected:
    sources:
    - configMap: {name: no-volume}
    - configMap: {name: settings, items: [{key: no-item, path: x}]}
- name: not-mounted
  secret: {secretName: no-matter}
`)
}

func TestAnObjectOfAnotherNamespaceIsNotThePods(t *testing.T) {
	const spec = `{containers: [{name: base, envFrom: [{secretRef: {name: s}}]}]}`
	for namespace, fails := range map[string]bool{"": false, "airflow": false, "billing": true} {
		_, err := viewOf(t, spec, fmt.Sprintf("{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: %q}}", namespace))
		if told := err != nil && strings.Contains(err.Error(), "the Secret s of the namespace airflow (the one given is of billing)"); told != fails {
			t.Errorf("a Secret of the namespace %q: %v", namespace, err)
		}
	}
}

func TestNoWayToPrintShowsAValue(t *testing.T) {
	var objects kubelet.Objects
	if err := objects.Add([]byte(resources)); err != nil {
		t.Fatal(err)
	}
	v, err := viewOf(t, `{containers: [{name: base, envFrom: [{secretRef: {name: aws}}], volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, secret: {secretName: aws}}]}`, resources)
	if err != nil || v.Env["access-key"] != "AKIA1" {
		t.Fatalf("the view is without its value: %v", err)
	}
	for _, printed := range []any{v, &v, objects, &objects, []any{v, objects}, struct{ V any }{v}} {
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("text", "it", printed)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("json", "it", printed)
		text, _ := json.Marshal(printed)
		all := log.String() + string(text)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			all += fmt.Sprintf(verb, printed)
		}
		for _, form := range []string{"AKIA1", "word", "414b494131", "[65 75", "QUtJQTE"} {
			if strings.Contains(all, form) {
				t.Errorf("%T shows %q: %s", printed, form, all)
			}
		}
	}
}
