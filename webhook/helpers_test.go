package webhook

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	admissionv1 "k8s.io/api/admission/v1"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/airflow-secrets/airflow-secrets/certs"
	"github.com/airflow-secrets/airflow-secrets/injector"
)

// patience bounds every wait of these tests. Nothing is asserted about how long a thing takes.
const patience = time.Minute

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	log.SetOutput(io.Discard) // net/http on connections that the tests cut
	goleak.VerifyTestMain(m)
}

// The files of a certificate.
const certificateFile, keyFile = "tls.crt", "tls.key"

// newCertificate writes a certificate for 127.0.0.1, signed by itself, into dir. Both files appear by a rename, as
// cert-manager, kubelet and every careful person write them.
func newCertificate(t *testing.T, dir string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: "webhook test"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	writePEM(t, filepath.Join(dir, keyFile), "PRIVATE KEY", keyDER)
	writePEM(t, filepath.Join(dir, certificateFile), "CERTIFICATE", der)
	return readCertificate(t, dir)
}

func readCertificate(t *testing.T, dir string) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, certificateFile), filepath.Join(dir, keyFile))
	must(t, err)
	return pair.Leaf
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	must(t, os.WriteFile(file+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	must(t, os.Rename(file+".new", file))
}

// running is a server under test and a client of it.
type running struct {
	url     string
	address string
	dir     string // of its certificate
	log     *logBuffer
	client  *http.Client
	cancel  context.CancelFunc
	ended   chan error
}

// startServer runs a server on a free port until the test ends.
func startServer(t *testing.T, o Options) *running {
	t.Helper()
	dir := t.TempDir()
	newCertificate(t, dir, 1)
	return startServerWith(t, dir, o)
}

// startServerWith serves the certificate of a folder.
func startServerWith(t *testing.T, dir string, o Options) *running {
	t.Helper()
	s := &running{dir: dir, log: &logBuffer{}, ended: make(chan error, 1)}
	s.client = newClient(t, readCertificate(t, s.dir))
	o.Host = "127.0.0.1"
	if o.Injector == nil {
		o.Injector = &injector.Injector{FetcherImage: "fetcher:test"}
	}
	o.Log = slog.New(slog.NewJSONHandler(s.log, nil))
	if o.Certificates == nil {
		o.Certificates = fromFiles(t, dir, o.Log)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.cancel = cancel
	go func() { s.ended <- Run(ctx, o) }()
	t.Cleanup(func() { s.stop(t) })
	s.address = s.log.await(t, "listening")["address"].(string)
	s.url = "https://" + s.address
	return s
}

func fromFiles(t *testing.T, dir string, log *slog.Logger) *certs.Files {
	t.Helper()
	files, err := certs.FromFiles(dir, log)
	must(t, err)
	return files
}

// stop ends the server and checks that it ended in order. It may be called twice.
func (s *running) stop(t *testing.T) {
	t.Helper()
	s.cancel()
	select {
	case err, first := <-s.ended:
		if first && err != nil {
			t.Errorf("the server ended with: %v", err)
		}
		if first {
			close(s.ended)
		}
	case <-time.After(patience):
		t.Fatal("the server does not end")
	}
	s.client.CloseIdleConnections()
}

// newClient trusts one certificate.
func newClient(t *testing.T, certificate *x509.Certificate) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// post sends a review and returns the answer, which must be a valid one.
func (s *running) post(t *testing.T, body string) *admissionv1.AdmissionResponse {
	t.Helper()
	response, err := s.client.Post(s.url+"/mutate", "application/json", strings.NewReader(body))
	must(t, err)
	return readAnswer(t, response)
}

func readAnswer(t *testing.T, response *http.Response) *admissionv1.AdmissionResponse {
	t.Helper()
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("HTTP status is %d, expected 200: %s", response.StatusCode, text)
	}
	return checkAnswer(t, text)
}

func checkAnswer(t *testing.T, text []byte) *admissionv1.AdmissionResponse {
	t.Helper()
	r, err := parseAnswer(text)
	must(t, err)
	return r
}

// parseAnswer holds an answer against what an API server accepts, and what we promise about every answer.
func parseAnswer(text []byte) (*admissionv1.AdmissionResponse, error) {
	var review admissionv1.AdmissionReview
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&review); err != nil {
		return nil, fmt.Errorf("decoding the answer: %w", err)
	}
	r := review.Response
	switch {
	case review.APIVersion != "admission.k8s.io/v1" || review.Kind != "AdmissionReview" || r == nil:
		return nil, fmt.Errorf("not an AdmissionReview of v1 with a response: %s", text)
	case r.Result == nil || r.AuditAnnotations["reason"] == "":
		return nil, fmt.Errorf("no status, or no reason for the audit log: %s", text)
	case r.Allowed != (r.Result.Code == http.StatusOK):
		return nil, fmt.Errorf("allowed is %v with code %d", r.Allowed, r.Result.Code)
	case (len(r.Patch) > 0) != (r.PatchType != nil):
		return nil, fmt.Errorf("a patch and its type come together or not at all: %s", text)
	case !r.Allowed && (r.Patch != nil || r.Result.Message == "" || r.Result.Reason == "" || r.Result.Status != "Failure"):
		return nil, fmt.Errorf("a denial has a message, a reason, a status and no patch: %s", text)
	case strings.ContainsAny(r.Result.Message, "\n\r\""):
		return nil, fmt.Errorf("the message is not one line without quotes: %q", r.Result.Message)
	case len(r.Warnings) > maxWarnings:
		return nil, fmt.Errorf("%d warnings", len(r.Warnings))
	}
	for _, w := range r.Warnings {
		if len([]rune(w)) > maxWarning || strings.ContainsAny(w, "\n\r\"") {
			return nil, fmt.Errorf("the warning is too long, or more than a line: %q", w)
		}
	}
	return r, nil
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.Write(line)
}

func (b *logBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.String()
}

// lines are those with the message given.
func (b *logBuffer) lines(t *testing.T, message string) (found []map[string]any) {
	t.Helper()
	for scanner := bufio.NewScanner(strings.NewReader(b.String())); scanner.Scan(); {
		var line map[string]any
		must(t, json.Unmarshal(scanner.Bytes(), &line))
		if line["msg"] == message {
			found = append(found, line)
		}
	}
	return found
}

// await waits for a line with the message given.
func (b *logBuffer) await(t *testing.T, message string) map[string]any {
	t.Helper()
	var line map[string]any
	eventually(t, "log line "+message, func() bool {
		if found := b.lines(t, message); len(found) > 0 {
			line = found[0]
		}
		return line != nil
	})
	return line
}

// eventually waits until a thing is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
