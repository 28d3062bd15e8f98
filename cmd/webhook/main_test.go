package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/airflow-secrets/airflow-secrets/test/fakekube"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"webhook": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true})
}

// The whole command, from its flags to a signal: one review is injected with the image and the defaults that it was
// given.
func TestServesUntilASignal(t *testing.T) {
	dir := t.TempDir()
	client := writeCertificate(t, dir)
	defaults := filepath.Join(dir, "defaults.yaml")
	must(t, os.WriteFile(defaults, []byte("region: eu-central-1\n"), 0o600))

	logReader, logWriter := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run([]string{"--cert-dir", dir, "--host", "127.0.0.1", "--port", "0", "--metrics-port", "0", "--drain-period", "0s",
			"--fetcher-image", "fetcher:test", "--defaults", defaults}, logWriter, &stderr)
		logWriter.Close()
	}()
	lines := json.NewDecoder(logReader)
	address := awaitLine(t, lines, "listening")["address"].(string)

	answered := make(chan string, 1)
	go func() { answered <- post(t, client, "https://"+address+"/mutate") }()
	if line := awaitLine(t, lines, "review"); line["code"] != "injected" {
		t.Errorf("logged %v", line)
	}
	patch := <-answered
	for _, expected := range []string{"fetcher:test", "eu-central-1"} {
		if !strings.Contains(patch, expected) {
			t.Errorf("patch has no %s: %s", expected, patch)
		}
	}

	must(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	awaitLine(t, lines, "draining")
	go io.Copy(io.Discard, logReader)
	select {
	case c := <-code:
		if c != exitOK || stderr.Len() > 0 {
			t.Errorf("exit code %d: %s", c, &stderr)
		}
	case <-time.After(time.Minute):
		t.Fatal("a signal does not end it")
	}
}

// Two replicas make their certificates for themselves: what the live caBundle trusts verifies both, by the Service's name.
func TestTwoReplicasMakeTheirCertificates(t *testing.T) {
	kube := fakekube.Start()
	t.Cleanup(kube.Close)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, os.WriteFile(kubeconfig, kube.Kubeconfig(), 0o600))
	t.Setenv("POD_NAMESPACE", "airflow")
	codes := make(chan int, 2)
	var logs [2]*json.Decoder
	var addresses [2]string
	for i := range logs {
		logReader, logWriter := io.Pipe()
		logs[i] = json.NewDecoder(logReader)
		go func() {
			codes <- run([]string{"--ca-secret", "ca", "--service", "webhook", "--webhook-configuration", "mine", "--kubeconfig", kubeconfig,
				"--host", "127.0.0.1", "--port", "0", "--metrics-port", "0", "--drain-period", "0s"}, logWriter, os.Stderr)
			logWriter.Close()
		}()
		addresses[i] = awaitLine(t, logs[i], "listening")["address"].(string)
	}
	path := fakekube.Configurations + "/mine"
	must(t, kube.Put(path, map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": map[string]any{"name": "mine"},
		"webhooks": []any{map[string]any{"name": "mine.example", "clientConfig": map[string]any{}}},
	}))
	for i, address := range addresses {
		awaitLine(t, logs[i], "the live caBundle verifies the certificate that is served")
		var live admissionregistrationv1.MutatingWebhookConfiguration
		_, err := kube.Get(path, &live)
		must(t, err)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(live.Webhooks[0].ClientConfig.CABundle)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "webhook.airflow.svc"}}
		client := &http.Client{Transport: transport, Timeout: time.Minute}
		go drain(logs[i])
		if patch := post(t, client, "https://"+address+"/mutate"); !strings.Contains(patch, "airflow-secrets-fetcher:dev") {
			t.Errorf("replica %d: patch is %s", i, patch)
		}
		transport.CloseIdleConnections()
	}
	must(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	for range logs {
		if code := <-codes; code != exitOK {
			t.Errorf("exit code %d", code)
		}
	}
}

// drain reads a log to its end.
func drain(lines *json.Decoder) {
	for line := (json.RawMessage{}); lines.Decode(&line) == nil; {
	}
}

// awaitLine reads the log up to a line with the message given. Every line must be JSON.
func awaitLine(t *testing.T, lines *json.Decoder, message string) map[string]any {
	t.Helper()
	for {
		var line map[string]any
		must(t, lines.Decode(&line))
		if line["msg"] == message {
			return line
		}
	}
}

// post sends the review of an annotated pod and returns the patch.
func post(t *testing.T, client *http.Client, url string) string {
	response, err := client.Post(url, "application/json", strings.NewReader(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",
		"request":{"uid":"1","operation":"CREATE","namespace":"airflow","resource":{"group":"","version":"v1","resource":"pods"},
		"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x","annotations":{"airflow-secrets/inject":"true"}},
		"spec":{"containers":[{"name":"base","image":"apache/airflow:3.1.8"}]}}}}`))
	if err != nil {
		t.Error(err)
		return ""
	}
	defer response.Body.Close()
	var review struct{ Response struct{ Patch []byte } }
	if err := json.NewDecoder(response.Body).Decode(&review); err != nil {
		t.Error(err)
	}
	return string(review.Response.Patch)
}

// writeCertificate writes the certificate that httptest has for 127.0.0.1 and returns a client that trusts it.
func writeCertificate(t *testing.T, dir string) *http.Client {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	server.Close()
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "tls.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	client := server.Client()
	client.Timeout = time.Minute
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
