package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrladmission "sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// BenchmarkReview is the CPU of one review of the community chart's Celery worker, without TLS: ours with its log line
// and metrics, beside the path that controller-runtime offers, which decodes the pod into types, changes it, encodes it
// and compares the two.
func BenchmarkReview(b *testing.B) {
	m, err := newMetrics(prometheus.NewRegistry())
	must(b, err)
	in := &injector.Injector{FetcherImage: "fetcher:test"}
	scheme := runtime.NewScheme()
	must(b, corev1.AddToScheme(scheme))
	handlers := []struct {
		name string
		http.Handler
	}{
		{"ours", newAdmission(in.Decide, m, slog.New(slog.NewJSONHandler(io.Discard, nil)))},
		{"stock", ctrladmission.WithDefaulter(scheme, typedInjector{})},
	}
	review := workerReview(b)
	for _, h := range handlers {
		b.Run(h.name, func(b *testing.B) {
			b.ReportAllocs()
			w := &discarded{header: http.Header{}}
			for b.Loop() {
				w.Reset()
				h.ServeHTTP(w, &http.Request{
					Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}},
					Body: io.NopCloser(bytes.NewReader(review)), ContentLength: int64(len(review)),
				})
			}
			if !bytes.Contains(w.Bytes(), []byte(`"patchType":"JSONPatch"`)) {
				b.Fatalf("no patch: %s", w)
			}
		})
	}
}

// workerReview is the review of the worker pod as an API server sends it, annotated.
func workerReview(tb testing.TB) []byte {
	tb.Helper()
	text, err := os.ReadFile("../test/pods/charts/community-statefulset-af-worker.json")
	must(tb, err)
	var pod map[string]any
	must(tb, json.Unmarshal(text, &pod))
	pod["metadata"].(map[string]any)["annotations"].(map[string]any)["airflow-secrets/inject"] = "true"
	object, err := json.Marshal(pod)
	must(tb, err)
	return []byte(creation(string(object)))
}

// discarded takes an answer.
type discarded struct {
	bytes.Buffer
	header http.Header
}

func (d *discarded) Header() http.Header { return d.header }
func (d *discarded) WriteHeader(int)     {}

// typedInjector makes the same kinds of change as the injector does, on a typed pod.
type typedInjector struct{}

func (typedInjector) Default(_ context.Context, pod *corev1.Pod) error {
	mount := corev1.VolumeMount{Name: contract.VolumeName, MountPath: contract.Directory}
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: contract.VolumeName,
		VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}})
	ours := corev1.Container{Name: contract.ContainerName, Image: "fetcher:test", Command: []string{contract.Command},
		Env: []corev1.EnvVar{{Name: contract.ConfigEnv, Value: "{}"}}, VolumeMounts: []corev1.VolumeMount{mount}}
	mount.ReadOnly = true
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			c := &containers[i]
			c.VolumeMounts = append(c.VolumeMounts, mount)
			for _, v := range contract.BackendEnv() {
				c.Env = append(c.Env, corev1.EnvVar{Name: v.Backend, Value: contract.LocalFilesystemBackend},
					corev1.EnvVar{Name: v.Kwargs, Value: contract.BackendKwargs(contract.Directory)})
			}
		}
	}
	pod.Spec.InitContainers = append([]corev1.Container{ours}, pod.Spec.InitContainers...)
	return nil
}
