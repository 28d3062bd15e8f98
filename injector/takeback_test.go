package injector_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/pods"
)

// twoByEnv asks for variables in two containers, one of which has no command.
const twoByEnv = `{"metadata": {"annotations": {"airflow-secrets/inject": "true", "airflow-secrets/deliver": "env", "airflow-secrets/containers": "base,foo"}},
	"spec": {"containers": [{"name": "base", "image": "a", "command": ["airflow"]}, {"name": "foo", "image": "a", "args": ["airflow"]}]}}`

// TestWhatIsWiredStaysSo has an earlier pass wire a container that the annotation no longer names. What that pass has removed
// from it cannot be put back, so it goes on getting its secrets, in the way in which the pod gets them now.
func TestWhatIsWiredStaysSo(t *testing.T) {
	in := &injector.Injector{FetcherImage: pods.Image}
	for _, deliver := range []string{"files", "env"} {
		once := pass(t, in, change(t, []byte(twoByEnv), func(pod map[string]any) { annotations(pod)["airflow-secrets/deliver"] = deliver }))
		twice := pass(t, in, change(t, pass(t, in, []byte(twoByEnv)), func(pod map[string]any) {
			annotations(pod)["airflow-secrets/deliver"], annotations(pod)["airflow-secrets/containers"] = deliver, "base"
		}))
		a, b := normal(t, once).(map[string]any), normal(t, twice).(map[string]any)
		if !reflect.DeepEqual(spec(a), spec(b)) {
			t.Errorf("%s: wired for both containers:\n%v\nwired for both, then asked for one:\n%v", deliver, spec(a), spec(b))
		}
	}
}

// TestVariablesOfOursAndOfOthers tells an empty backend that an earlier pass has set from one that somebody else has set.
func TestVariablesOfOursAndOfOthers(t *testing.T) {
	in := &injector.Injector{FetcherImage: pods.Image}
	noBackend := func(pod map[string]any) {
		for _, e := range list(list(spec(pod), "containers")[0].(map[string]any), "env") {
			if e := e.(map[string]any); e["name"] == "AIRFLOW__SECRETS__BACKEND" {
				e["value"] = ""
			}
		}
	}
	spoil := func(pod map[string]any) {
		eachContainer(pod, func(c map[string]any) {
			for _, e := range list(c, "env") {
				if e := e.(map[string]any); e["name"] == contract.ConfigEnv {
					e["value"] = "spoilt"
				}
			}
		})
	}
	spoilAndMove := func(pod map[string]any) {
		spoil(pod)
		base := list(spec(pod), "containers")[0].(map[string]any)
		base["command"], base["args"] = []any{"/vault/vault-env"}, base["command"]
	}
	byFiles := change(t, []byte(twoByEnv), func(pod map[string]any) { annotations(pod)["airflow-secrets/deliver"] = "files" })
	for name, c := range map[string]struct {
		pod   []byte
		then  func(map[string]any)
		moved []string
	}{
		"of others, where files were delivered":                     {byFiles, noBackend, []string{"AIRFLOW__SECRETS__BACKEND"}},
		"ours, where variables were":                                {[]byte(twoByEnv), noBackend, nil},
		"ours behind our program, whose configuration is not there": {[]byte(twoByEnv), spoil, nil},
		"the same, among the args by now":                           {[]byte(twoByEnv), spoilAndMove, nil},
	} {
		t.Run(name, func(t *testing.T) {
			again := pass(t, in, change(t, pass(t, in, c.pod), c.then))
			eachContainer(normal(t, again).(map[string]any), func(container map[string]any) {
				for _, e := range list(container, "env") {
					if config, ok := e.(map[string]any)["value"].(contract.Config); ok && !slices.Equal(config.TakeOver.Moved, c.moved) {
						t.Errorf("the fetcher is told that it has %q of the pod's, expected %q", config.TakeOver.Moved, c.moved)
					}
				}
			})
		})
	}
}

// TestTheProgramsVolumeStaysWhereItIsMounted keeps a volume that a container mounts which is none of Airflow's: without it
// no kubelet would start the pod.
func TestTheProgramsVolumeStaysWhereItIsMounted(t *testing.T) {
	in := &injector.Injector{FetcherImage: pods.Image}
	patched := pass(t, in, change(t, pass(t, in, []byte(twoByEnv)), func(pod map[string]any) {
		annotations(pod)["airflow-secrets/deliver"] = "files"
		add(spec(pod), "containers", map[string]any{"name": "debug", "image": "a",
			"volumeMounts": []any{map[string]any{"name": contract.ExecVolumeName, "mountPath": "/x"}}})
	}))
	if !slices.ContainsFunc(list(spec(tree(t, patched).(map[string]any)), "volumes"), func(v any) bool { return v.(map[string]any)["name"] == contract.ExecVolumeName }) {
		t.Error("the volume is gone, and a container mounts it")
	}
}

// TestWarningsOfAnEarlierPass keeps those of an earlier pass that tell what it has removed, and no other that is not true any
// more.
func TestWarningsOfAnEarlierPass(t *testing.T) {
	in := &injector.Injector{FetcherImage: pods.Image}
	const pod = `{"metadata": {"annotations": {"airflow-secrets/inject": "true", "airflow-secrets/deliver": "env", "airflow-secrets/endpoint-url": "http://aws",
			"airflow-secrets/config": "email.from_email=from"}, "labels": {"kubernetes_pod_operator": "True"}},
		"spec": {"containers": [{"name": "base", "image": "a", "env": [{"name": "AIRFLOW__EMAIL__FROM_EMAIL", "value": "x"}, {"name": "X", "value": "$(AIRFLOW__EMAIL__FROM_EMAIL)"}]}]}}`
	told := func(pod []byte) (all []string) {
		eachContainer(tree(t, pod).(map[string]any), func(c map[string]any) {
			for _, e := range list(c, "env") {
				if e := e.(map[string]any); e["name"] == contract.ConfigEnv {
					config, err := contract.Decode(e["value"].(string))
					if err != nil {
						t.Fatal(err)
					}
					all = config.Warnings
				}
			}
		})
		return all
	}
	first := pass(t, in, []byte(pod))
	if all := told(first); len(all) != 4 {
		t.Fatalf("the first pass warns of %q, expected four warnings", all)
	}
	second := pass(t, in, change(t, first, func(pod map[string]any) {
		annotations(pod)["airflow-secrets/deliver"] = "files"
		delete(annotations(pod), "airflow-secrets/config")
		delete(annotations(pod), "airflow-secrets/endpoint-url")
	}))
	if all, want := told(second), []string{"base: $(AIRFLOW__EMAIL__FROM_EMAIL) is left as text, since that is removed"}; !slices.Equal(all, want) {
		t.Errorf("the second pass tells %q, expected %q", all, want)
	}
}

// TestTheEntrypointOfAPodOperatorsPod warns where the entrypoint is the one that is built in, and the pod's image may be any.
func TestTheEntrypointOfAPodOperatorsPod(t *testing.T) {
	const pod = `{"metadata": {"annotations": {"airflow-secrets/inject": "true", "airflow-secrets/deliver": "env"}, "labels": {"kubernetes_pod_operator": "True"}},
		"spec": {"containers": [{"name": "base", "image": "a", "args": ["a"]}]}}`
	defaults, err := injector.ParseDefaults([]byte("entrypoint: /start"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		defaults injector.Defaults
		change   func(pod map[string]any)
		warnings int
	}{
		"nothing is said":            {change: func(map[string]any) {}, warnings: 1},
		"the annotation says it":     {change: func(pod map[string]any) { annotations(pod)["airflow-secrets/entrypoint"] = "/start" }},
		"the cluster's default says": {defaults: defaults, change: func(map[string]any) {}},
		"files are delivered":        {change: func(pod map[string]any) { annotations(pod)["airflow-secrets/deliver"] = "files" }},
		"another pod":                {change: func(pod map[string]any) { delete(pod["metadata"].(map[string]any), "labels") }},
		"a command is named": {change: func(pod map[string]any) {
			list(spec(pod), "containers")[0].(map[string]any)["command"] = []any{"a"}
		}},
	} {
		in := &injector.Injector{FetcherImage: pods.Image, Defaults: c.defaults}
		if d := in.Decide(change(t, []byte(pod), c.change), "airflow"); d.Code != contract.Injected || len(d.Warnings) != c.warnings {
			t.Errorf("%s: %s with the warnings %q, expected %d", name, d.Code, d.Warnings, c.warnings)
		}
	}
}
