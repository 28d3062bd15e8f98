package injector_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/pods"
)

// pass is the pod after one admission.
func pass(t *testing.T, in *injector.Injector, pod []byte) []byte {
	t.Helper()
	d := in.Decide(pod, "airflow")
	if !d.Allowed() {
		t.Fatalf("refused: %s", d.Message)
	}
	return pods.Apply(t, pod, d)
}

func change(t *testing.T, pod []byte, by func(map[string]any)) []byte {
	t.Helper()
	v := tree(t, pod).(map[string]any)
	by(v)
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// normal leaves out what cannot be alike: what came to our own container and to Airflow's in another order, and warnings
// about what the first pass has already removed.
func normal(t *testing.T, pod []byte) any {
	v := tree(t, pod).(map[string]any)
	eachContainer(v, func(c map[string]any) {
		for _, key := range []string{"env", "volumeMounts", "envFrom"} {
			if list, ok := c[key].([]any); ok {
				slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			}
		}
		for _, e := range list(c, "env") {
			if e := e.(map[string]any); e["valueFrom"] == nil && e["value"] == nil {
				e["value"] = "" // which is the same
			}
		}
		if command, ok := c["command"].([]any); ok && len(command) == 0 {
			delete(c, "command") // which is none
		}
		if c["name"] == contract.ContainerName {
			delete(c, "imagePullPolicy")
			for _, e := range c["env"].([]any) {
				if e := e.(map[string]any); e["name"] == contract.ConfigEnv {
					config, err := contract.Decode(e["value"].(string))
					if err != nil {
						t.Fatal(err)
					}
					config.Warnings = nil
					e["value"] = config
				}
			}
		}
	})
	if volumes, ok := spec(v)["volumes"].([]any); ok {
		slices.SortFunc(volumes, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return v
}

// commandOf is what a container runs before its args, as a webhook knows it that looks into images.
func commandOf(pod, c map[string]any) []any {
	command := list(c, "command")
	for len(command) > 0 && command[0] == contract.Exec(nil)[0] {
		command = command[len(contract.Exec(nil)):]
	}
	if len(command) > 0 {
		return list(c, "command")
	}
	entrypoint, ok := annotations(pod)["airflow-secrets/entrypoint"].(string)
	if !ok {
		entrypoint = "/usr/bin/dumb-init -- /entrypoint"
	}
	if strings.HasPrefix(entrypoint, "[") {
		json.Unmarshal([]byte(entrypoint), &command) // one that is no JSON was refused
		return command
	}
	for word := range strings.FieldsSeq(entrypoint) {
		command = append(command, word)
	}
	return command
}

func redeliver(pod map[string]any) {
	const key = "airflow-secrets/deliver"
	if annotations(pod)[key] == "env" {
		annotations(pod)[key] = "files"
	} else {
		annotations(pod)[key] = "env"
	}
}

func spec(pod map[string]any) map[string]any { return pod["spec"].(map[string]any) }
func annotations(pod map[string]any) map[string]any {
	return pod["metadata"].(map[string]any)["annotations"].(map[string]any)
}

func list(object map[string]any, key string) []any {
	list, _ := object[key].([]any)
	return list
}

func add(object map[string]any, key string, element any) {
	object[key] = append(list(object, key), element)
}

func prepend(pod map[string]any, key string, element any) {
	spec(pod)[key] = append([]any{element}, list(spec(pod), key)...)
}

func eachContainer(pod map[string]any, do func(map[string]any)) {
	for _, key := range []string{"initContainers", "containers"} {
		for _, c := range list(spec(pod), key) {
			do(c.(map[string]any))
		}
	}
}

func makeWritable(c map[string]any) {
	for _, m := range list(c, "volumeMounts") {
		if m := m.(map[string]any); m["name"] == contract.VolumeName || m["name"] == contract.ExecVolumeName {
			delete(m, "readOnly")
		}
	}
}
