package airflow

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// patchedPod is as much of the pod as the two containers' environments are.
type patchedPod struct {
	Spec struct{ InitContainers, Containers []struct{ Env []envVar } }
}

type envVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// inject makes the pod that our webhook would make of an annotated Airflow worker.
func inject(t *testing.T, store store) patchedPod {
	t.Helper()
	pod, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": "worker", "annotations": map[string]string{
			"airflow-secrets/inject": "true", "airflow-secrets/region": region, "airflow-secrets/endpoint-url": store.url,
			"airflow-secrets/connections-prefix": connectionsPrefix, "airflow-secrets/variables-prefix": variablesPrefix,
		}},
		"spec": map[string]any{"containers": []any{map[string]any{"name": "worker", "image": "apache/airflow", "env": []envVar{
			{"AWS_ACCESS_KEY_ID", store.keys.ID}, {"AWS_SECRET_ACCESS_KEY", store.keys.Secret},
		}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	in := injector.Injector{FetcherImage: "airflow-secrets-fetcher:dev"}
	decision := in.Decide(pod, "default")
	operations, err := json.Marshal(decision.Operations)
	if err != nil || decision.Code != contract.Injected {
		t.Fatalf("injecting the pod: %v, %s: %s", err, decision.Code, decision.Message)
	}
	patch, err := jsonpatch.DecodePatch(operations)
	if err != nil {
		t.Fatal(err)
	}
	if pod, err = patch.Apply(pod); err != nil {
		t.Fatal(err)
	}
	var patched patchedPod
	if err := json.Unmarshal(pod, &patched); err != nil {
		t.Fatal(err)
	}
	return patched
}

// environ is the environment of Airflow's container, with the folder moved to mount. The AWS keys are left out, so that
// nothing but the files can answer.
func (p patchedPod) environ(mount string) []string {
	var environ []string
	for _, e := range p.Spec.Containers[0].Env {
		if !strings.HasPrefix(e.Name, "AWS_") {
			environ = append(environ, e.Name+"="+strings.ReplaceAll(e.Value, contract.Directory, mount))
		}
	}
	return environ
}

// fetch runs our init container as the pod says, only its folder moved, and gives the folder that it has filled.
func (p patchedPod) fetch(ctx context.Context, t *testing.T) string {
	t.Helper()
	temporary := t.TempDir()
	program, folder := filepath.Join(temporary, "fetcher"), filepath.Join(temporary, "folder")
	if output, err := exec.CommandContext(ctx, "go", "build", "-o", program, "../../cmd/fetcher").CombinedOutput(); err != nil {
		t.Fatalf("building the fetcher: %v\n%s", err, output)
	}
	command := exec.CommandContext(ctx, program)
	command.Env = []string{} // a nil one would be ours
	for _, e := range p.Spec.InitContainers[0].Env {
		command.Env = append(command.Env, e.Name+"="+strings.ReplaceAll(e.Value, contract.Directory, folder))
	}
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("running the fetcher: %v\n%s", err, output)
	}
	return folder
}

// readReport reads what the fetcher says of its run.
func readReport(t *testing.T, folder string) contract.Report {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, contract.ReportFile))
	if err != nil {
		t.Fatal(err)
	}
	var report contract.Report
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(fmt.Errorf("reading the report: %w", err))
	}
	return report
}
