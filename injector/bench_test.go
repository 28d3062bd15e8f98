package injector_test

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/test/pods"
)

// BenchmarkDecide is a decision on the community chart's worker, first and second pass; the baseline is to decode the pod
// into Kubernetes' type, as every webhook does that works on a typed pod.
func BenchmarkDecide(b *testing.B) {
	in := &injector.Injector{FetcherImage: pods.Image}
	pod := pods.Charts(b)["community-statefulset-af-worker"]
	injected := pods.Apply(b, pod, in.Decide(pod, "airflow"))
	b.Run("first pass", func(b *testing.B) {
		for b.Loop() {
			in.Decide(pod, "airflow")
		}
	})
	b.Run("second pass", func(b *testing.B) {
		for b.Loop() {
			in.Decide(injected, "airflow")
		}
	})
	b.Run("baseline: decode as corev1.Pod", func(b *testing.B) {
		for b.Loop() {
			var typed corev1.Pod
			if err := json.Unmarshal(pod, &typed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
