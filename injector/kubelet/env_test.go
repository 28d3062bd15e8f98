package kubelet_test

import "testing"

// TestEnvironment has a container's env and envFrom, and what comes of them.
func TestEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		container string
		given
	}{
		"plain values": {`
env:
- {name: A, value: one}
- {name: EMPTY}`,
			given{env: map[string]string{"A": "one", "EMPTY": ""}}},
		"envFrom takes all texts of a ConfigMap, whatever their names, but no binary data": {`
envFrom:
- configMapRef: {name: settings}`,
			given{env: map[string]string{"REGION": "eu-central-1", "EMPTY": "", "2ND": "second", "airflow.cfg": "[secrets]\nbackend ="}}},
		"envFrom expands nothing in a Secret": {`
envFrom:
- secretRef: {name: aws}
  prefix: AWS_`,
			given{env: map[string]string{"AWS_access-key": "AKIA1", "AWS_secret-key": "pa$$word$(HOME)"}}},
		"a later source of envFrom wins": {`
envFrom:
- configMapRef: {name: settings}
  prefix: X_
- configMapRef: {name: overrides}
  prefix: X_`,
			given{env: map[string]string{"X_REGION": "us-east-1", "X_EMPTY": "", "X_2ND": "second", "X_airflow.cfg": "[secrets]\nbackend ="}}},
		"env wins over envFrom, and sees it": {`
envFrom:
- configMapRef: {name: overrides}
env:
- {name: REGION, value: "$(REGION)-1"}`,
			given{env: map[string]string{"REGION": "us-east-1-1"}}},
		"an optional source need not be there": {`
envFrom:
- secretRef: {name: none, optional: true}
- configMapRef: {name: none, optional: true}
- configMapRef: {name: overrides, optional: true}`,
			given{env: map[string]string{"REGION": "us-east-1"}}},
		"a Secret and a ConfigMap of one name are two": {`
envFrom:
- secretRef: {name: settings}`,
			given{fails: "the Secret settings"}},
		"a needed ConfigMap of envFrom": {`
envFrom:
- configMapRef: {name: none, optional: false}`,
			given{fails: "the ConfigMap none"}},

		"references to variables before, not after": {`
env:
- {name: A, value: "$(B)"}
- {name: B, value: b}
- {name: C, value: "$(B)-$(A)"}`,
			given{env: map[string]string{"A": "$(B)", "B": "b", "C": "b-$(B)"}}},
		"what is a reference, and what is none": {`
env:
- {name: B, value: b}
- {name: ESCAPED, value: "$$(B) $$$(B) $$$$"}
- {name: OTHERS, value: "$B ${B} $ $(B $"}
- {name: ODD, value: "$() $(B $(B)) $x$(B)"}`,
			given{env: map[string]string{"B": "b", "ESCAPED": "$(B) $b $$", "OTHERS": "$B ${B} $ $(B $", "ODD": "$() $(B $(B)) $xb"}}},
		"what a reference brings is not expanded again": {`
env:
- {name: KEY, valueFrom: {secretKeyRef: {name: aws, key: secret-key}}}
- {name: HOME, value: /root}
- {name: URL, value: "x:$(KEY)"}`,
			given{env: map[string]string{"KEY": "pa$$word$(HOME)", "HOME": "/root", "URL": "x:pa$$word$(HOME)"}}},
		"of two with a name the last wins, and sees the first": {`
env:
- {name: A, value: one}
- {name: A, value: "$(A) two"}`,
			given{env: map[string]string{"A": "one two"}}},

		"a key of each kind": {`
env:
- {name: ID, valueFrom: {secretKeyRef: {name: aws, key: access-key}}}
- {name: REGION, valueFrom: {configMapKeyRef: {name: settings, key: REGION}}}
- {name: NOTHING, valueFrom: {configMapKeyRef: {name: settings, key: EMPTY}}}`,
			given{env: map[string]string{"ID": "AKIA1", "REGION": "eu-central-1", "NOTHING": ""}}},
		"an optional key or object that is not there sets nothing, and takes nothing away": {`
env:
- {name: A, value: default}
- {name: A, valueFrom: {secretKeyRef: {name: none, key: a, optional: true}}}
- {name: A, valueFrom: {configMapKeyRef: {name: settings, key: none, optional: true}}}
- {name: B, valueFrom: {secretKeyRef: {name: aws, key: none, optional: true}}}`,
			given{env: map[string]string{"A": "default"}}},
		"a value beside a source, which the API server refuses, wins": {`
env:
- {name: A, value: one, valueFrom: {secretKeyRef: {name: none, key: a}}}`,
			given{env: map[string]string{"A": "one"}}},
		"binary data is for volumes": {`
env:
- {name: A, valueFrom: {configMapKeyRef: {name: settings, key: keystore}}}`,
			given{fails: "the key keystore of the ConfigMap settings"}},

		"fields of the pod": {`
env:
- {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: NAMESPACE, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}}
- {name: UID_, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
- {name: TIER, valueFrom: {fieldRef: {fieldPath: "metadata.labels['tier']"}}}
- {name: TEAM, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['example.com/team']"}}}
- {name: NO_LABEL, valueFrom: {fieldRef: {fieldPath: "metadata.labels['none']"}}}
- {name: ACCOUNT, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}}`,
			given{env: map[string]string{"NAME": "worker-0", "NAMESPACE": "airflow", "UID_": "u-1", "TIER": "airflow", "TEAM": "a", "NO_LABEL": "", "ACCOUNT": "default"}}},
		"what only a cluster knows, and what refers to it": {`
env:
- {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
- {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- {name: URL, value: "http://$(IP):8080"}
- {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
- {name: TOKEN, valueFrom: {fileKeyRef: {volumeName: made, path: env, key: TOKEN}}}`,
			given{env: map[string]string{"NODE": "", "IP": "", "URL": "http://:8080", "MEMORY": "", "TOKEN": ""},
				unknown: []string{"IP (the field status.podIP)", "MEMORY (the resource limits.memory)", "NODE (the field spec.nodeName)",
					"TOKEN (a file in the volume made)", "URL (the field status.podIP)"}}},
		"an unknown variable that is set anew is known": {`
env:
- {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- {name: IP, value: 127.0.0.1}`,
			given{env: map[string]string{"IP": "127.0.0.1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			c.check(t, "containers:\n- name: base"+indent(c.container))
		})
	}
}
