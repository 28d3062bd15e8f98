// Package canary follows one secret through the whole of the project, from AWS to Airflow's files, and looks for it
// wherever else it may have gone: the webhook's answers, log and metrics, the patched pod, and all that the fetcher says.
package canary

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/certs"
	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
	"github.com/airflow-secrets/airflow-secrets/webhook"
)

// What is secret: a value in AWS, the pod's key for AWS, and what else stands in a pod that is secret, such as the token
// that Airflow 3 puts into the args, or kwargs with keys in them.
const (
	value = `c4n4ry "p/w+d" <&>`
	key   = "k3ycan4ry/secret+access=key"
	other = "p0dcan4ry"
)

func TestOneSecretFromEndToEnd(t *testing.T) {
	aws := fakeaws.New()
	endpoint := httptest.NewServer(aws)
	t.Cleanup(endpoint.Close)
	own := aws.Account("111122223333")
	id := own.Keys("AKIAIOSFODNN7EXAMPLE").ID
	own.Put("eu-central-1", fakeaws.Secret{Name: "airflow/variables/good", String: value})
	own.Put("eu-central-1", fakeaws.Secret{Name: "airflow/connections/bad", String: "{" + value})

	w := startWebhook(t)
	asked := fmt.Sprintf(`"airflow-secrets/inject":"true","airflow-secrets/region":"eu-central-1","airflow-secrets/endpoint-url":%q`, endpoint.URL)
	pod := podOf(asked, id)
	for name, pod := range map[string]string{
		"a hidden annotation":   podOf(asked+`,"airflow-secrets/backend-kwargs":"`+other+`"`, id),
		"a hidden wrong one":    podOf(strings.Replace(asked, "http://", "http://"+other+"@", 1), id),
		"a foreign backend":     strings.Replace(pod, `"env":[`, `"env":[{"name":"AIRFLOW__SECRETS__BACKEND","value":"`+other+`"},{"name":"AIRFLOW__SECRETS__BACKEND_KWARGS","value":"`+other+`"},`, 1),
		"a pod of another form": strings.Replace(pod, `"containers":[`, `"initContainers":"`+other+`","containers":[`, 1),
	} {
		if r := w.review(t, pod); r.Allowed {
			t.Errorf("%s: the pod is allowed", name)
		}
	}
	patched := w.review(t, pod).apply(t, pod)
	byVariables := podOf(asked+`,"airflow-secrets/deliver":"env"`, id)
	answered := w.review(t, byVariables)
	expectNone(t, "the webhook", w.told(t), value, key, other)
	expectNone(t, "the patch", string(answered.Patch), value, other)

	if n := strings.Count(string(patched), key); n != 2 { // Airflow's container, and ours in the same words
		t.Errorf("the patched pod has the pod's key %d times, expected 2: %s", n, patched)
	}
	files, _, said := fetch(t, patched)
	if text, err := os.ReadFile(filepath.Join(files, contract.VariablesFile)); err != nil || !strings.Contains(string(text), `c4n4ry \"p/w+d\"`) {
		t.Errorf("variables.json is %q, %v, expected the value in it", text, err)
	}
	expectNone(t, "the fetcher", said, value, key, other)
	expectNone(t, "the patched pod", string(patched), value)

	patched = answered.apply(t, byVariables)
	_, execs, said := fetch(t, patched)
	if text, err := os.ReadFile(filepath.Join(execs, contract.EnvFile)); err != nil || !strings.Contains(string(text), "AIRFLOW_VAR_GOOD='"+value+"'") {
		t.Errorf("%s is %q, %v, expected the value in it", contract.EnvFile, text, err)
	}
	expectNone(t, "the fetcher, with variables", said, value, key, other)
	expectNone(t, "the patched pod, with variables", string(patched), value)
}

func podOf(annotations, id string) string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"worker","annotations":{%s}},"spec":{"containers":[{"name":"base",
		"image":"apache/airflow:3.1.8","command":["/entrypoint",%[2]q],"args":["--json-string",%[2]q],"env":[{"name":"AIRFLOW__CORE__FERNET_KEY","value":%[2]q},
		{"name":"AWS_ACCESS_KEY_ID","value":%q},{"name":"AWS_SECRET_ACCESS_KEY","value":%q}]}]}}`, annotations, other, id, key)
}

// expectNone looks for secrets in a text, as they are and in the forms they might have been given.
func expectNone(t *testing.T, where, text string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		start := secret[:6] // which no way to escape a text changes, but for encodings
		forms := []string{start, fmt.Sprintf("%x", start), fmt.Sprintf("%X", start), url.QueryEscape(secret)}
		for shift := range 3 {
			encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("_", shift) + secret))
			forms = append(forms, encoded[4:12])
		}
		for _, form := range forms {
			if strings.Contains(text, form) {
				t.Errorf("%s shows %q as %q: %s", where, start, form, text)
			}
		}
	}
}

// running is the webhook, and all that it told.
type running struct {
	url, metrics string
	client       *http.Client
	answers      strings.Builder
	log          lines
}

func startWebhook(t *testing.T) *running {
	dir := t.TempDir()
	w := &running{client: certify(t, dir)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	must(t, listener.Close())
	w.metrics = fmt.Sprintf("http://127.0.0.1:%d/metrics", port)
	log := slog.New(slog.NewJSONHandler(&w.log, nil))
	certificate, err := certs.FromFiles(dir, log)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- webhook.Run(ctx, webhook.Options{Host: "127.0.0.1", MetricsPort: port, Certificates: certificate,
			Injector: &injector.Injector{FetcherImage: "fetcher:test"}, Log: log})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	w.url = "https://" + w.log.await(t, "listening") + "/mutate"
	return w
}

// certify writes the certificate that httptest has for 127.0.0.1 and returns a client that trusts it.
func certify(t *testing.T, dir string) *http.Client {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	server.Close()
	pair := server.TLS.Certificates[0]
	private, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "tls.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	client := server.Client()
	client.Timeout = time.Minute
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// lines is a log that can be written and read at once.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await gives the address in the line with that message.
func (l *lines) await(t *testing.T, message string) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		for line := range strings.Lines(l.String()) {
			var fields struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &fields) == nil && fields.Msg == message {
				return fields.Address
			}
		}
	}
	t.Fatalf("no line %q in the log: %s", message, l)
	return ""
}

// answer is the webhook's to one review.
type answer struct{ *admissionv1.AdmissionResponse }

// review posts the creation of a pod. What comes back is kept, but for the patch, which goes into the pod alone.
func (w *running) review(t *testing.T, pod string) answer {
	t.Helper()
	response, err := w.client.Post(w.url, "application/json", strings.NewReader(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",
		"request":{"uid":"1","operation":"CREATE","namespace":"airflow","resource":{"group":"","version":"v1","resource":"pods"},"object":`+pod+`}}`))
	must(t, err)
	defer response.Body.Close()
	var review admissionv1.AdmissionReview
	must(t, json.NewDecoder(response.Body).Decode(&review))
	told := *review.Response
	told.Patch = nil
	text, err := json.Marshal(told)
	must(t, err)
	fmt.Fprintln(&w.answers, response.Header, string(text))
	return answer{review.Response}
}

// apply is the pod as the API server then has it.
func (a answer) apply(t *testing.T, pod string) []byte {
	t.Helper()
	patch, err := jsonpatch.DecodePatch(a.Patch)
	if err != nil {
		t.Fatalf("%v: %+v", err, a.Result)
	}
	patched, err := patch.Apply([]byte(pod))
	must(t, err)
	return patched
}

// told is all that left the webhook: answers, log and metrics.
func (w *running) told(t *testing.T) string {
	t.Helper()
	response, err := http.Get(w.metrics)
	must(t, err)
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	must(t, err)
	for text, part := range map[string]string{string(metrics): "airflow_secrets_reviews_total", w.log.String(): `"review"`, w.answers.String(): "uid"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in %s", part, text)
		}
	}
	return w.answers.String() + w.log.String() + string(metrics)
}

// fetch runs the fetcher as the pod's init container has it, and gives its folders and all that it said.
func fetch(t *testing.T, patched []byte) (directory, execDirectory, said string) {
	t.Helper()
	var pod corev1.Pod
	must(t, json.Unmarshal(patched, &pod))
	dir := t.TempDir()
	directory, execDirectory = filepath.Join(dir, "secrets"), filepath.Join(dir, "exec")
	program := filepath.Join(dir, "fetcher")
	must(t, os.WriteFile(program, []byte("the program"), 0o700))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	var environ []string
	for _, e := range pod.Spec.InitContainers[0].Env {
		value := strings.NewReplacer(`"`+contract.Directory+`"`, `"`+directory+`"`, `"`+contract.ExecDirectory+`"`, `"`+execDirectory+`"`).Replace(e.Value)
		t.Setenv(e.Name, value)
		environ = append(environ, e.Name+"="+value)
	}
	terminationLog := filepath.Join(t.TempDir(), "termination-log")
	must(t, os.WriteFile(terminationLog, nil, 0o600))
	var stdout, stderr strings.Builder
	must(t, fetcher.Run(t.Context(), fetcher.Options{Environ: environ, Program: program, Stdout: &stdout, Stderr: &stderr, TerminationLog: terminationLog}))
	said = stdout.String() + stderr.String()
	for _, file := range []string{terminationLog, filepath.Join(directory, contract.ReportFile)} {
		text, err := os.ReadFile(file)
		must(t, err)
		said += string(text)
	}
	if !strings.Contains(said, "connections bad (malformed)") {
		t.Errorf("the fetcher does not tell of the malformed connection: %s", said)
	}
	return directory, execDirectory, said
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
