package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestCheckIsInterrupted interrupts a check while AWS keeps it waiting.
func TestCheckIsInterrupted(t *testing.T) {
	var once sync.Once // a second interrupt would end the process
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		once.Do(func() {
			if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
				t.Error(err)
			}
		})
		<-r.Context().Done()
	}))
	defer server.Close()
	setAWS(t, server.URL)
	stdout, _ := mustRun(t, exitRefused, "check", "-f", podWith(t, "region: eu-central-1"))
	if !strings.HasPrefix(stdout, "stopped: the check was stopped before it was done\n") {
		t.Errorf("check says %q, expected that it was stopped", stdout)
	}
}

// TestCheckBorrows holds what comes from the pod's environment against what this process would have.
func TestCheckBorrows(t *testing.T) {
	aws := newAWS()
	server := httptest.NewServer(aws)
	defer server.Close()
	setAWS(t, "http://127.0.0.1:1") // where nobody answers
	t.Setenv("AWS_REGION", "us-east-1")
	pod := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Pod", "metadata": {"annotations": {"airflow-secrets/inject": "true", "airflow-secrets/timeout": "20s"}},
		"spec": {"containers": [{"name": "worker", "image": "a", "env": [
			{"name": "AWS_DEFAULT_REGION", "value": "eu-central-1"}, {"name": "AWS_ENDPOINT_URL_SECRETS_MANAGER", "value": %q}]}]}}`, server.URL)
	var stdout, stderr bytes.Buffer
	if exit := run([]string{"check", "-f", "-"}, strings.NewReader(pod), &stdout, &stderr); exit != exitOK {
		t.Fatalf("exit %d\n%s%s", exit, &stdout, &stderr)
	}
	for _, r := range aws.Requests() {
		if r.Region != region {
			t.Errorf("%s was asked in %s, expected the pod's region", r.Operation, r.Region)
		}
	}
}
