package injector_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/pods"
)

// TestCases holds every case of test/pods against the expectation beside it.
func TestCases(t *testing.T) {
	for _, c := range pods.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			d := c.Injector.Decide(c.Pod, "airflow")
			c.Check(t, d, pods.Apply(t, c.Pod, d))
		})
	}
}

// everyPod runs a property over every case and every pod of the charts, as they are and with variables instead of files.
func everyPod(t *testing.T, property func(t *testing.T, in *injector.Injector, pod []byte)) {
	each := func(t *testing.T, of func([]byte) []byte) {
		for _, c := range pods.Cases(t) {
			t.Run(c.Name, func(t *testing.T) { property(t, c.Injector, of(c.Pod)) })
		}
		charts := pods.Charts(t)
		for _, name := range slices.Sorted(maps.Keys(charts)) {
			t.Run(name, func(t *testing.T) { property(t, &injector.Injector{FetcherImage: pods.Image}, of(charts[name])) })
		}
	}
	each(t, func(pod []byte) []byte { return pod })
	t.Run("by variables", func(t *testing.T) {
		each(t, func(pod []byte) []byte {
			return change(t, pod, func(pod map[string]any) {
				if all, ok := pod["metadata"].(map[string]any)["annotations"].(map[string]any); ok && all["airflow-secrets/inject"] == "true" {
					all["airflow-secrets/deliver"] = "env"
				}
			})
		})
	})
}

func TestChartPodsAreInjected(t *testing.T) {
	charts := pods.Charts(t)
	for name, pod := range charts {
		d := (&injector.Injector{FetcherImage: pods.Image}).Decide(pod, "airflow")
		want := contract.Injected
		if strings.HasSuffix(name, "-pgbouncer") || strings.HasSuffix(name, "-redis") || strings.HasSuffix(name, "-statsd") {
			want = contract.SideContainersOnly
		}
		if d.Code != want {
			t.Errorf("%s: %s (%s), expected %s", name, d.Code, d.Message, want)
		}
		checkWiring(t, name, pods.Apply(t, pod, d), want == contract.Injected)
	}
}

// checkWiring reads the patched pod strictly as Kubernetes' type and holds each container against its part.
func checkWiring(t *testing.T, name string, patched []byte, injected bool) {
	t.Helper()
	var pod corev1.Pod
	strict, err := kjson.UnmarshalStrict(patched, &pod)
	if err != nil || len(strict) > 0 {
		t.Fatalf("%s: the patched pod is none: %v %v", name, err, strict)
	}
	if injected && pod.Spec.InitContainers[0].Name != contract.ContainerName {
		t.Errorf("%s: the first init container is %s", name, pod.Spec.InitContainers[0].Name)
	}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		mounted := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
			return m.Name == contract.VolumeName && m.MountPath == contract.Directory && m.ReadOnly == (c.Name != contract.ContainerName)
		})
		wired := slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool {
			return e.Name == "AIRFLOW__SECRETS__BACKEND" && e.Value == contract.LocalFilesystemBackend
		})
		side := slices.ContainsFunc([]string{"git-sync", "groomer", "log-cleanup", "install-pip", "pgbouncer", "redis", "statsd", "kerberos"}, func(s string) bool { return strings.Contains(c.Name, s) })
		if c.Name != contract.ContainerName && (wired == side || mounted == side) {
			t.Errorf("%s: container %s: mounted %v, wired %v, side %v", name, c.Name, mounted, wired, side)
		}
	}
}

func TestTheSamePodGivesTheSameBytes(t *testing.T) {
	everyPod(t, func(t *testing.T, in *injector.Injector, pod []byte) {
		first, _ := json.Marshal(in.Decide(pod, "airflow"))
		for range 20 {
			if again, _ := json.Marshal(in.Decide(pod, "airflow")); !bytes.Equal(first, again) {
				t.Fatalf("two decisions on one pod differ:\n%s\n%s", first, again)
			}
		}
	})
}

// TestThePullPolicyIsTheAdministrators holds the policy of the first pass, and leaves alone what the API server makes of it:
// its plugin AlwaysPullImages, or the default that it fills in.
func TestThePullPolicyIsTheAdministrators(t *testing.T) {
	in := &injector.Injector{FetcherImage: pods.Image, FetcherPullPolicy: corev1.PullNever}
	pod := pods.Charts(t)["official-podtemplate-af-config"]
	patched := pods.Apply(t, pod, in.Decide(pod, "airflow"))
	always := change(t, patched, func(pod map[string]any) {
		ours := pod["spec"].(map[string]any)["initContainers"].([]any)[0].(map[string]any)
		if ours["imagePullPolicy"] != "Never" {
			t.Errorf("imagePullPolicy is %v, expected Never", ours["imagePullPolicy"])
		}
		ours["imagePullPolicy"] = "Always"
	})
	if d := in.Decide(always, "airflow"); len(d.Operations) > 0 {
		t.Errorf("the policy that the API server has set is fought over: %v", d.Operations)
	}
}

func TestTwiceEqualsOnce(t *testing.T) {
	everyPod(t, func(t *testing.T, in *injector.Injector, pod []byte) {
		d := in.Decide(pod, "airflow")
		again := in.Decide(pods.Apply(t, pod, d), "airflow")
		if len(again.Operations) > 0 {
			t.Errorf("the second pass still has operations: %v", again.Operations)
		}
		want := d.Code
		if d.Code == contract.Injected {
			want = contract.AlreadyInjected
		}
		if again.Code != want {
			t.Errorf("the second pass says %s, expected %s", again.Code, want)
		}
	})
}

// TestOneLine holds every message to what travels well: no newline, no quote, no semicolon but between mistakes, and
// warnings as short as the API server wants them.
func TestOneLine(t *testing.T) {
	everyPod(t, func(t *testing.T, in *injector.Injector, pod []byte) {
		d := in.Decide(pod, "airflow")
		if d.Message == "" || strings.ContainsAny(d.Message, "\n\"'`\\") {
			t.Errorf("message: %q", d.Message)
		}
		for _, w := range d.Warnings {
			if len(w) > 120 || strings.ContainsAny(w, "\n") {
				t.Errorf("warning of %d characters: %q", len(w), w)
			}
		}
		if !d.Allowed() && len(d.Operations) > 0 {
			t.Errorf("a refused pod has operations: %v", d.Operations)
		}
	})
}

func TestConfigurationSurvivesTheKubelet(t *testing.T) {
	everyPod(t, func(t *testing.T, in *injector.Injector, pod []byte) {
		d := in.Decide(pod, "airflow")
		if d.Code != contract.Injected {
			return
		}
		var patched corev1.Pod
		if err := json.Unmarshal(pods.Apply(t, pod, d), &patched); err != nil {
			t.Fatal(err)
		}
		for _, c := range patched.Spec.InitContainers {
			if c.Name != contract.ContainerName {
				continue
			}
			if strings.Contains(c.Env[0].Value, "$") {
				t.Errorf("the kubelet would expand a $ in %s", c.Env[0].Value)
			}
			if _, err := contract.Decode(c.Env[0].Value); err != nil {
				t.Errorf("the fetcher refuses its configuration: %v", err)
			}
		}
	})
}
