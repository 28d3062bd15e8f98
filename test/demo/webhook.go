package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// webhook is the running program and a client that trusts its certificate, as the API server does by the caBundle.
type webhook struct {
	url    string
	client *http.Client
}

// answer is an AdmissionResponse, whole.
type answer = admissionv1.AdmissionResponse

func (s *stage) startWebhook() error {
	program, err := s.program("webhook")
	if err != nil {
		return err
	}
	certDir := filepath.Join(s.dir, "certs")
	roots, err := makeCertificate(certDir)
	if err != nil {
		return err
	}
	log, err := s.start(program, "--cert-dir", certDir, "--port", "0", "--metrics-port", "0")
	if err != nil {
		return err
	}
	address, err := listening(s.ctx, log)
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("reading the address that the webhook logged: %w", err)
	}
	s.webhook = &webhook{
		url:    "https://127.0.0.1:" + port,
		client: &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}},
	}
	response, err := s.webhook.client.Get(s.webhook.url + "/readyz")
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz answers %s", response.Status)
	}
	s.out.detail("bin/webhook", "%s/mutate, %s, ready", s.webhook.url, tls.VersionName(response.TLS.Version))
	return nil
}

// start runs a program until the demo ends and gives its log.
func (s *stage) start(program string, args ...string) (io.Reader, error) {
	command := exec.CommandContext(s.ctx, program, args...)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 15 * time.Second
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	command.Stdout, command.Stderr = writer, writer
	if err := command.Start(); err != nil {
		return nil, err
	}
	writer.Close()
	s.stop = append(s.stop, func() {
		command.Process.Signal(syscall.SIGTERM)
		command.Wait()
		reader.Close()
	})
	return reader, nil
}

// listening waits for the log line that tells the address, and reads on, so that the program never waits for us.
func listening(ctx context.Context, log io.Reader) (string, error) {
	found := make(chan string, 1)
	var text bytes.Buffer
	go func() {
		defer close(found)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			var line struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				found <- line.Address
				io.Copy(io.Discard, log)
				return
			}
			fmt.Fprintln(&text, lines.Text())
		}
	}()
	select {
	case address, ok := <-found:
		if !ok {
			return "", fmt.Errorf("the webhook ended, saying:\n%s", text.String())
		}
		return address, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// post sends a pod as the API server does and reads the answer as strictly.
func (w *webhook) post(ctx context.Context, pod []byte) (answer, error) {
	review := admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID:       "705ab4f5-6393-11e8-b7cc-42010a800002",
			Kind:      metav1.GroupVersionKind{Version: "v1", Kind: "Pod"},
			Resource:  metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
			Namespace: "airflow",
			Operation: admissionv1.Create,
			Object:    runtime.RawExtension{Raw: pod},
		},
	}
	body, err := json.Marshal(review)
	if err != nil {
		return answer{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/mutate?timeout=3s", bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := w.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	var got admissionv1.AdmissionReview
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		return answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	if response.StatusCode != http.StatusOK || got.Response == nil || got.Response.UID != review.Request.UID {
		return answer{}, errors.New("the answer is not an AdmissionReview to this request")
	}
	return *got.Response, nil
}

// makeCertificate writes a certificate for 127.0.0.1 and its key into dir.
func makeCertificate(dir string) (*x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	return roots, errors.Join(
		os.MkdirAll(dir, 0o700),
		os.WriteFile(filepath.Join(dir, "tls.crt"), certPEM, 0o600),
		os.WriteFile(filepath.Join(dir, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
}
