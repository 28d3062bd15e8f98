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

	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
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

// TestCheckHasTheLimitsOfContainers checks the same pod on machines with more room for variables than containers have, and
// with less.
func TestCheckHasTheLimitsOfContainers(t *testing.T) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_STACK, &before); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_STACK, &before)
	for _, test := range []struct {
		variables int
		stack     uint64
		exit      int
		says      string
	}{
		{20, 1 << 20, exitOK, "variables 20,"},
		{40, before.Max, exitRefused, "Linux takes 2097152 of all"},
	} {
		aws := newAWS()
		for i := range test.variables {
			aws.Account(account).Put(region, fakeaws.Secret{Name: fmt.Sprintf("airflow/variables/v%d", i), String: strings.Repeat("x", 60_000)})
		}
		server := httptest.NewServer(aws)
		setAWS(t, server.URL)
		if err := syscall.Setrlimit(syscall.RLIMIT_STACK, &syscall.Rlimit{Cur: test.stack, Max: before.Max}); err != nil {
			t.Fatal(err)
		}
		stdout, _ := mustRun(t, test.exit, "check", "-f", podWith(t, "region: "+region, "deliver: env"))
		if !strings.Contains(stdout, test.says) {
			t.Errorf("with a stack of %d bytes: %s\nexpected %q", test.stack, stdout, test.says)
		}
		server.Close()
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
