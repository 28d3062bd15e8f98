package kubelet_test

import (
	"strings"
	"testing"
)

func indent(text string) string { return strings.ReplaceAll(text, "\n", "\n  ") }

// TestFiles has the mounts of a container and the volumes of its pod, and the files that come of them.
func TestFiles(t *testing.T) {
	for name, c := range map[string]struct {
		mounts, volumes string
		given
	}{
		"a Secret": {`
- {name: v, mountPath: /aws}`, `
- name: v
  secret: {secretName: aws, defaultMode: 0400}`,
			given{files: map[string]string{"/aws/access-key": "AKIA1", "/aws/secret-key": "pa$$word$(HOME)"}}},
		"a ConfigMap, binary data included": {`
- {name: v, mountPath: /etc/settings/}`, `
- name: v
  configMap: {name: settings}`,
			given{files: map[string]string{"/etc/settings/REGION": "eu-central-1", "/etc/settings/EMPTY": "", "/etc/settings/2ND": "second",
				"/etc/settings/airflow.cfg": "[secrets]\nbackend =", "/etc/settings/keystore": "\x00\x01\x02"}}},
		"items alone, each at its path": {`
- {name: v, mountPath: /etc}`, `
- name: v
  configMap: {name: settings, items: [{key: keystore, path: java/store}, {key: REGION, path: region}]}`,
			given{files: map[string]string{"/etc/java/store": "\x00\x01\x02", "/etc/region": "eu-central-1"}}},
		"an item that leads out stays in": {`
- {name: v, mountPath: /etc}`, `
- name: v
  configMap: {name: settings, items: [{key: REGION, path: ../../region}]}`,
			given{files: map[string]string{"/etc/region": "eu-central-1"}}},
		"optional objects and items": {`
- {name: none, mountPath: /none}
- {name: one, mountPath: /one}`, `
- name: none
  secret: {secretName: none, optional: true}
- name: one
  secret: {secretName: aws, optional: true, items: [{key: none, path: none}, {key: access-key, path: id}]}`,
			given{files: map[string]string{"/one/id": "AKIA1"}}},
		"a needed Secret": {`
- {name: v, mountPath: /aws}`, `
- name: v
  secret: {secretName: none}`,
			given{fails: "the Secret none"}},
		"a needed item": {`
- {name: v, mountPath: /aws}`, `
- name: v
  secret: {secretName: aws, items: [{key: none, path: none}]}`,
			given{fails: "the key none of the Secret aws"}},

		"subPath: a file, at a place that may have another name": {`
- {name: v, mountPath: /opt/airflow/airflow.conf, subPath: airflow.cfg}`, `
- name: v
  configMap: {name: settings}`,
			given{files: map[string]string{"/opt/airflow/airflow.conf": "[secrets]\nbackend ="}}},
		"subPath: a folder": {`
- {name: v, mountPath: /java, subPath: etc/java/}`, `
- name: v
  configMap: {name: settings, items: [{key: keystore, path: etc/java/store}, {key: REGION, path: etc/javascript}]}`,
			given{files: map[string]string{"/java/store": "\x00\x01\x02"}}},
		"subPath: nothing": {`
- {name: v, mountPath: /x, subPath: x}`, `
- name: v
  configMap: {name: settings}`,
			given{}},
		"subPathExpr": {`
- {name: v, mountPath: /x, subPathExpr: "$(WHICH)"}`, `
- name: v
  configMap: {name: settings}`,
			given{files: map[string]string{"/x": "eu-central-1"}}},
		"subPathExpr with what is not there": {`
- {name: v, mountPath: /x, subPathExpr: "$(WHO)"}`, `
- name: v
  configMap: {name: settings}`,
			given{fails: "the variable WHO in the subPathExpr of /x"}},
		"subPathExpr with what is unknown": {`
- {name: v, mountPath: /x, subPathExpr: "$(IP)"}`, `
- name: v
  configMap: {name: settings}`,
			given{unknown: []string{"/x (the field status.podIP)"}}},

		"a projected volume: a later source wins, tokens are unknown": {`
- {name: v, mountPath: /all}`, `
- name: v
  projected:
    sources:
    - secret: {name: aws, items: [{key: access-key, path: aws/id}]}
    - configMap: {name: settings, items: [{key: REGION, path: region}]}
    - configMap: {name: overrides, items: [{key: REGION, path: region}]}
    - configMap: {name: none, optional: true}
    - downwardAPI: {items: [{path: pod, fieldRef: {fieldPath: metadata.name}}]}
    - serviceAccountToken: {path: token, audience: sts.amazonaws.com}
    - clusterTrustBundle: {path: roots, name: x}
    - podCertificate: {signerName: x, keyType: ED25519, credentialBundlePath: bundle}`,
			given{files: map[string]string{"/all/aws/id": "AKIA1", "/all/region": "us-east-1", "/all/pod": "worker-0"},
				unknown: []string{"/all/bundle (a certificate of the pod)", "/all/roots (certificates of the cluster)", "/all/token (a token of the service account)"}}},
		"a downwardAPI volume": {`
- {name: v, mountPath: /pod}`, `
- name: v
  downwardAPI:
    items:
    - {path: labels, fieldRef: {fieldPath: metadata.labels}}
    - {path: annotations, fieldRef: {fieldPath: metadata.annotations}}
    - {path: tier, fieldRef: {fieldPath: "metadata.labels['tier']"}}
    - {path: cpu, resourceFieldRef: {containerName: base, resource: limits.cpu}}`,
			given{files: map[string]string{"/pod/labels": "component=\"wor\\\"ker\"\ntier=\"airflow\"", "/pod/annotations": `example.com/team="a"`, "/pod/tier": "airflow"},
				unknown: []string{"/pod/cpu (the resource limits.cpu)"}}},
		"other volumes have no files that the pod gives": {`
- {name: empty, mountPath: /a}
- {name: claim, mountPath: /b, subPathExpr: "$(WHO)"}
- {name: none, mountPath: /c}`, `
- name: empty
  emptyDir: {}
- name: claim
  persistentVolumeClaim: {claimName: x}`,
			given{}},
		"a deeper mount hides what another shows there, wherever it stands in the pod": {`
- {name: empty, mountPath: /etc/java}
- {name: other, mountPath: /etc/region}
- {name: v, mountPath: /etc}`, `
- name: empty
  emptyDir: {}
- name: other
  configMap: {name: overrides, items: [{key: REGION, path: other}]}
- name: v
  configMap: {name: settings, items: [{key: keystore, path: java/store}, {key: REGION, path: region}, {key: 2ND, path: region-2}]}`,
			given{files: map[string]string{"/etc/region/other": "us-east-1", "/etc/region-2": "second"}}},
	} {
		t.Run(name, func(t *testing.T) {
			c.env = map[string]string{"WHICH": "REGION", "IP": ""}
			c.unknown = append([]string{"IP (the field status.podIP)"}, c.unknown...)
			c.check(t, `
containers:
- name: base
  env:
  - {name: WHICH, value: REGION}
  - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
  volumeMounts:`+indent(c.mounts)+`
volumes:`+c.volumes)
		})
	}
}
