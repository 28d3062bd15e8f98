package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/source"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// TestPolicyIsEnough gives the policy that iam-policy prints to the identity that check asks with: all is well with it, and
// without it nothing is.
func TestPolicyIsEnough(t *testing.T) {
	aws := newAWS()
	server := httptest.NewServer(aws)
	defer server.Close()
	setAWS(t, server.URL)
	own := aws.Account(account)
	pod := podWith(t, "region: "+region, "variables-prefix: none", "connections-lookup-pattern: ^aws_")
	stdout, _ := mustRun(t, exitOK, "iam-policy", "-f", pod, "--account", account)

	own.KeysWith("AKIAIOSFODNN7EXAMPLE", stdout)
	if report, _ := mustRun(t, exitOK, "check", "-f", pod); !strings.Contains(report, "connections 3,") || strings.Contains(report, "warning") {
		t.Errorf("with the policy, check says\n%s\nexpected 3 connections and no warning", report)
	}
	own.KeysWith("AKIAIOSFODNN7EXAMPLE")
	mustRun(t, exitRefused, "check", "-f", pod)
}

const account, region = "111122223333", "eu-central-1"

// newAWS is a fake AWS with some connections.
func newAWS() *fakeaws.Server {
	aws := fakeaws.New()
	for _, name := range []string{"airflow/connections/aws_default", "airflow/connections/aws_logs", "airflow/connections/aws_s3", "airflow/connections/db"} {
		aws.Account(account).Put(region, fakeaws.Secret{Name: name, String: "aws://"})
	}
	aws.Account(account).Keys("AKIAIOSFODNN7EXAMPLE")
	return aws
}

// setAWS gives this process an access key and an endpoint, and no other way to AWS.
func setAWS(t *testing.T, url string) {
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "any", "AWS_SESSION_TOKEN": "",
		"AWS_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none,
	} {
		t.Setenv(name, value)
	}
}

// TestLargePolicy checks that a policy which IAM would not take is printed with a warning.
func TestLargePolicy(t *testing.T) {
	var ids []string
	for i := range 100 {
		ids = append(ids, fmt.Sprintf("connection-%d", i))
	}
	pod := podWith(t, "region: eu-central-1", "connections: "+strings.Join(ids, ","), "variables-prefix: none")
	_, stderr := mustRun(t, exitOK, "iam-policy", "-f", pod, "--account", "111122223333")
	if !strings.Contains(stderr, "characters, and IAM takes 6144 in a managed one: ask for a prefix instead of many ids") {
		t.Errorf("standard error is %q, expected a warning of the size", stderr)
	}
	small := podWith(t, "region: eu-central-1", "connections: "+strings.Join(ids[:10], ","), "variables-prefix: none")
	if _, stderr := mustRun(t, exitOK, "iam-policy", "-f", small, "--account", "111122223333"); strings.Contains(stderr, "warning") {
		t.Errorf("standard error is %q, expected no warning", stderr)
	}
}

// podWith writes a pod with annotations, each as "key: value" without the prefix, and gives the file.
func podWith(t *testing.T, annotations ...string) string {
	t.Helper()
	all := map[string]string{"airflow-secrets/inject": "true"}
	for _, a := range annotations {
		key, value, _ := strings.Cut(a, ": ")
		all["airflow-secrets/"+key] = value
	}
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"annotations": all},
		"spec": map[string]any{"containers": []any{map[string]any{"name": "worker", "image": "a"}}},
	})
	file := filepath.Join(t.TempDir(), "pod.json")
	if err := errors.Join(err, os.WriteFile(file, text, 0o644)); err != nil {
		t.Fatal(err)
	}
	return file
}

func mustRun(t *testing.T, exit int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, log bytes.Buffer
	if got := run(args, io.MultiReader(), &out, &log); got != exit {
		t.Fatalf("%v: exit %d, expected %d\n%s%s", args, got, exit, &out, &log)
	}
	return out.String(), log.String()
}

// TestSharedPoliciesAreEnough hands out the documents that iam-policy prints for user B's worker, each where it belongs: all
// is well with them, and without any one of them nothing is.
func TestSharedPoliciesAreEnough(t *testing.T) {
	for name, annotations := range map[string]map[string]string{
		"a role": {"shared-role-arn": "arn:aws:iam::222222222222:role/airflow", "shared-external-id": "team-b"},
		"ids":    {"connections": "db", "variables": "tenant", "shared-connections": "warehouse", "shared-variables": "region"},
	} {
		t.Run(name, func(t *testing.T) {
			aws := fakeaws.New()
			server := httptest.NewServer(aws)
			defer server.Close()
			setAWS(t, server.URL)
			t.Setenv("AWS_REGION", region)
			asked := []string{"-f", userB(t, annotations), "-r", filepath.Join(charts, "userB-secret-af-config-envs.json")}
			give := func(but string) { handOut(t, aws, but, asked) }
			check := append([]string{"check", "-v"}, asked...)

			give("")
			report, _ := mustRun(t, exitOK, check...)
			for _, want := range []string{"connections db\n", "variables tenant\n", "connections warehouse (shared)\n", "variables region (shared)\n"} {
				if !strings.Contains(report, want) || strings.Contains(report, "warning") {
					t.Errorf("check says\n%s\nexpected %q and no warning", report, want)
				}
			}
			for _, kind := range source.DocumentKinds() {
				give(string(kind))
				var out, log bytes.Buffer
				if exit := run(check, nil, &out, &log); (exit == exitOK) != (policyOf(t, kind, asked) == "") {
					t.Errorf("without the document %s: exit %d\n%s%s", kind, exit, &out, &log)
				}
			}
		})
	}
}

const sharedAccount = "222222222222"

var charts = filepath.Join("..", "..", "test", "pods", "charts")

// handOut fills both accounts, with the documents for the pod as their only policies, but for those of one kind.
func handOut(t *testing.T, aws *fakeaws.Server, but string, asked []string) {
	t.Helper()
	none := `{"Version": "2012-10-17", "Statement": []}`
	document := func(kind source.DocumentKind) string {
		if text := policyOf(t, kind, asked); text != "" && string(kind) != but {
			return text
		}
		return none
	}
	own, shared := aws.Account(account), aws.Account(sharedAccount)
	own.KeysWith("AKIAIOSFODNN7EXAMPLE", document(source.PodPolicy))
	shared.Role(fakeaws.Role{Name: "airflow", TrustPolicy: document(source.TrustPolicy), Policies: []string{document(source.SharedRolePolicy)}})
	key := ""
	if policyOf(t, source.KeyPolicy, asked) != "" {
		key = shared.KMSKey(region, fakeaws.KMSKey{ID: "1111-2222", Policy: document(source.KeyPolicy)})
	}
	for _, name := range []string{"db", "tenant"} {
		own.Put(region, fakeaws.Secret{Name: "org/tenant/prod/airflow/" + name, String: "http://" + name})
	}
	for _, name := range []string{"db", "warehouse", "region"} {
		shared.Put(region, fakeaws.Secret{Name: "org/core/airflow/" + name, String: "http://" + name, KMSKey: key, ResourcePolicy: document(source.SecretPolicy)})
	}
}

// policyOf is what iam-policy prints of one kind; empty where the pod needs none.
func policyOf(t *testing.T, kind source.DocumentKind, asked []string) string {
	t.Helper()
	args := append([]string{"iam-policy", "--for", string(kind), "--principal", "arn:aws:iam::" + account + ":user/AKIAIOSFODNN7EXAMPLE",
		"--shared-kms-key", "arn:aws:kms:" + region + ":" + sharedAccount + ":key/1111-2222"}, asked...)
	var out, log bytes.Buffer
	if exit := run(args, nil, &out, &log); exit != exitOK && exit != exitUsage {
		t.Fatalf("%v: exit %d\n%s", args, exit, &log)
	}
	return out.String()
}

// userB is user B's worker as its chart renders it, with annotations, as a file.
func userB(t *testing.T, annotations map[string]string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(charts, "userB-statefulset-af-worker.json"))
	if err != nil {
		t.Fatal(err)
	}
	var pod map[string]any
	if err := json.Unmarshal(text, &pod); err != nil {
		t.Fatal(err)
	}
	metadata := pod["metadata"].(map[string]any)["annotations"].(map[string]any)
	for key, value := range annotations {
		metadata["airflow-secrets/"+key] = value
	}
	text, err = json.Marshal(pod)
	file := filepath.Join(t.TempDir(), "pod.json")
	if err := errors.Join(err, os.WriteFile(file, text, 0o644)); err != nil {
		t.Fatal(err)
	}
	return file
}
