package kubelet_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/kubelet"
)

// TestObjectsAsTheyAreWritten reads the same Secret s and ConfigMap c from every form that a file may have.
func TestObjectsAsTheyAreWritten(t *testing.T) {
	for name, files := range map[string][]string{
		"YAML documents, some of them empty": {`
# the Secrets of the team
---
apiVersion: v1
kind: Secret
metadata: {name: s}
data: {A: b25l}
--- # and its ConfigMap
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {B: two}
---
`},
		"a List, as kubectl get secret,configmap -o yaml prints it": {`
apiVersion: v1
items:
- apiVersion: v1
  data:
    A: b25l
  kind: Secret
  metadata:
    annotations:
      kubectl.kubernetes.io/last-applied-configuration: |
        {"apiVersion":"v1","kind":"Secret"}
    creationTimestamp: "2026-01-01T00:00:00Z"
    managedFields: [{manager: kubectl}]
    name: s
    namespace: airflow
    resourceVersion: "1"
  type: Opaque
- apiVersion: v1
  data:
    B: two
  immutable: true
  kind: ConfigMap
  metadata:
    name: c
    namespace: airflow
kind: List
metadata:
  resourceVersion: ""
`},
		"JSON, with what YAML does not know": {`{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","labels":{"x":"\ud83d\ude00"}},"data":{"A":"b25l"}},
			{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"B":"\u0074wo"}}]}`},
		"several files, an empty one among them": {
			"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {A: one}", "", "{apiVersion: v1, kind: List, items: []}",
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {B: two}\nbinaryData:"},
		"base64 with line breaks; stringData wins over data": {`
apiVersion: v1
kind: Secret
metadata: {name: s}
data:
  A: |
    dGhy
    ZWU=
stringData: {A: one}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {B: two}`},
	} {
		t.Run(name, func(t *testing.T) {
			var objects kubelet.Objects
			for _, text := range files {
				if err := objects.Add([]byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "base", EnvFrom: []corev1.EnvFromSource{
				{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "s"}}},
				{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "c"}}},
			}}}}}
			view, err := kubelet.ViewOf(pod, "base", objects)
			if got := strings.Join(view.Environ(), " "); err != nil || got != "A=one B=two" {
				t.Errorf("the environment is %q, %v", got, err)
			}
		})
	}
}

// TestMistakesInObjects has a value, canary, wherever a mistake may be near one.
func TestMistakesInObjects(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"other kinds, all of them": {"{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {x: canary}}\n---\n{apiVersion: v1, kind: Pod}\n---\n{apiVersion: external-secrets.io/v1, kind: Secret, metadata: {name: s}}",
			"expected Secrets and ConfigMaps, found Deployment web, Pod, Secret s"},
		"one kind in a List":        {"{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Service, metadata: {name: db}}, canary]}", "document 1, item 2 has no kind; expected Secrets and ConfigMaps, found Service db"},
		"no kind":                   {"{apiVersion: v1}\n---\ndata: {A: canary}", "document 1 has no kind; document 2 has no kind"},
		"no object":                 {"canary", "document 1 is no Kubernetes object"},
		"no name":                   {"{apiVersion: v1, kind: Secret, metadata: {generateName: canary}}", "document 1: the Secret has no metadata.name"},
		"twice":                     {"{apiVersion: v1, kind: Secret, metadata: {name: s}}\n---\n{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: b}, data: {A: canary}}", "the Secret s is given more than once"},
		"a wrong field":             {"{apiVersion: v1, kind: Secret, metadata: {name: s}, stringdata: {A: canary}}", "the Secret s has a field stringdata, which is none of its kind: its entries are in data or stringData"},
		"another kind's field":      {"{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, stringData: {A: canary}}", "the ConfigMap c has a field stringData, which is none of its kind: its entries are in data or binaryData"},
		"not indented":              {"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\nPASSWORD: canary", "the Secret s has a field PASSWORD"},
		"no base64":                 {"{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {A: canary!, B: b25l}}", "data.A of the Secret s is no base64: a plain value belongs into stringData"},
		"binary data without":       {"{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, binaryData: {A: canary!}}", "binaryData.A of the ConfigMap c is no base64: a plain value belongs into data"},
		"a number":                  {"{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {PORT: 70707}}", "data.PORT of the ConfigMap c is a number, expected a text: put it in quotes"},
		"true":                      {"{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {A: yes}}", "stringData.A of the Secret s is true or false, expected a text: put it in quotes"},
		"a mapping in a mapping":    {"{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {A: {B: canary}}}", "stringData.A of the Secret s is a mapping, expected a text: put it in quotes"},
		"a text for a mapping":      {"{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: canary}", "stringData of the Secret s is a text, expected keys with texts"},
		"a key that is a path":      {"{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {../a: canary}}", `stringData of the Secret s has the key "../a", expected one of letters, digits, -, _ and .`},
		"in both":                   {"{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {A: canary}, binaryData: {A: b25l}}", "the key A of the ConfigMap c is in data and in binaryData"},
		"a key twice in YAML":       {"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  A: canary\n  A: b", `document 1 is no YAML or JSON: its line 6 gives the key "A" once more`},
		"a key twice in JSON":       {`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"A":"canary","A":"b"}}`, `document 1: duplicate field "stringData.A"`},
		"YAML that quotes an alias": {"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {A: *canary}", "document 1 is no YAML or JSON: is a value to be put in quotes?"},
		"YAML that quotes a value":  {"{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {A: !!int canary}}", "document 1 is no YAML or JSON"},
		"YAML with a tab":           {"apiVersion: v1\nstringData:\n\tA: canary", "document 1 is no YAML or JSON: see its line 3"},
		"a line of --- and more":    {"a: b\n---canary", "document 1 is no YAML: a line of --- has more in it"},
		"all at once": {"{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {A: canary!}, extra: canary}\n---\ncanary: [\n---\n{apiVersion: v1, kind: Job}",
			"data.A of the Secret s is no base64: a plain value belongs into stringData; the Secret s has a field extra, which is none of its kind: its entries are in data or stringData; document 2 is no YAML or JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			var objects kubelet.Objects
			err := objects.Add([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("the error is %v, expected %q", err, c.says)
			}
			if shown := err.Error(); strings.Contains(shown, "canary") || strings.Contains(shown, "70707") {
				t.Errorf("the error shows a value: %v", err)
			}
		})
	}
}
