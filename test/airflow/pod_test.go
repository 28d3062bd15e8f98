package airflow

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/worker"
)

// inject makes the pod that our webhook would make of an annotated Airflow worker.
func inject(t *testing.T, store worker.Store) worker.Pod {
	t.Helper()
	pod, err := worker.Inject(store)
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

// fetch runs our init container as the pod says, only its folder moved, and gives the folder that it has filled.
func fetch(ctx context.Context, t *testing.T, program string, pod worker.Pod) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "folder")
	if err := pod.Fetch(ctx, program, folder); err != nil {
		t.Fatal(err)
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
