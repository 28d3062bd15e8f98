package webhook

import (
	"encoding/json"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/test/pods"
)

// TestCases sends every case of test/pods in a review and holds the answer against the expectation beside the case: the
// pod that comes of the patch as the API server would apply it, or the refusal.
func TestCases(t *testing.T) {
	for _, c := range pods.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			a, _, _ := unserved(t, c.Injector.Decide)
			response := handle(t, a, creation(string(c.Pod)))
			d := c.Injector.Decide(c.Pod, "airflow")
			if response.Allowed != d.Allowed() || response.AuditAnnotations["reason"] != string(d.Code) {
				t.Fatalf("answered %v %v, expected %s", response.Allowed, response.AuditAnnotations, d.Code)
			}
			if !response.Allowed {
				if response.Result.Code != 422 {
					t.Errorf("refused with code %d, expected 422", response.Result.Code)
				}
				d.Message = response.Result.Message
			}
			c.Check(t, injector.Decision{Code: d.Code, Message: d.Message, Operations: d.Operations, Warnings: response.Warnings}, applied(t, c.Pod, response.Patch))
		})
	}
}

func applied(t *testing.T, pod, patch []byte) []byte {
	t.Helper()
	if len(patch) == 0 {
		return pod
	}
	if !json.Valid(patch) {
		t.Fatalf("the patch is no JSON: %s", patch)
	}
	decoded, err := jsonpatch.DecodePatch(patch)
	must(t, err)
	patched, err := decoded.Apply(pod)
	must(t, err)
	return patched
}
