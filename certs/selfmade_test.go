package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-secrets/airflow-secrets/test/fakekube"
)

// patience bounds every wait of these tests. Nothing is asserted about how long a thing takes.
const patience = time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secretPath        = fakekube.Secrets + "/webhook-ca"
	configurationPath = fakekube.Configurations + "/airflow-secrets"
)

// configuration has two webhooks, one of them with a field that these types do not know.
func configuration(bundle []byte) map[string]any {
	webhook := func(name string) map[string]any {
		return map[string]any{"name": name, "aFieldOfTheFuture": "kept", "clientConfig": map[string]any{
			"caBundle": bundle, "service": map[string]any{"name": "webhook", "namespace": "airflow"},
		}}
	}
	return map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
		"metadata": map[string]any{"name": "airflow-secrets", "labels": map[string]any{"of": "the chart"}},
		"webhooks": []any{webhook("one.airflow-secrets"), webhook("two.airflow-secrets")},
	}
}

// replica is one webhook's certificates, as its process runs them.
type replica struct {
	*SelfMade
	log  *logBuffer
	stop func()
}

// prepare is a replica that nothing runs yet, and its log.
func prepare(t *testing.T, server *fakekube.Server, caValidity, leafValidity time.Duration) (*SelfMade, *logBuffer) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, os.WriteFile(file, server.Kubeconfig(), 0o600))
	log := &logBuffer{}
	s, err := New(Options{
		Namespace: "airflow", Secret: "webhook-ca", Service: "webhook", Configuration: "airflow-secrets", Kubeconfig: file,
		CAValidity: caValidity, LeafValidity: leafValidity, Log: slog.New(slog.NewJSONHandler(log, nil)),
	})
	must(t, err)
	return s, log
}

func startReplica(t *testing.T, server *fakekube.Server, caValidity, leafValidity time.Duration) *replica {
	t.Helper()
	s, log := prepare(t, server, caValidity, leafValidity)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Run(ctx); err != nil {
			t.Errorf("ended with %v", err)
		}
	}()
	stop := sync.OnceFunc(func() { cancel(); <-ended })
	t.Cleanup(stop)
	return &replica{s, log, stop}
}

func startServer(t *testing.T) *fakekube.Server {
	server := fakekube.Start()
	t.Cleanup(server.Close)
	return server
}

// taken says whether an API server would take what the replica serves now. The name is written out here, since that is
// what API servers ask for.
func (r *replica) taken(t *testing.T, server *fakekube.Server) error {
	t.Helper()
	served, err := r.GetCertificate(nil)
	must(t, err)
	var live admissionregistrationv1.MutatingWebhookConfiguration
	if _, err := server.Get(configurationPath, &live); err != nil {
		t.Fatal(err)
	}
	for _, w := range live.Webhooks {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(w.ClientConfig.CABundle)
		if _, err := served.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "webhook.airflow.svc"}); err != nil {
			return err
		}
	}
	return nil
}

func (r *replica) awaitReady(t *testing.T, server *fakekube.Server) {
	t.Helper()
	eventually(t, "ready", func() bool { return r.Ready() == nil })
	if err := r.taken(t, server); err != nil {
		t.Errorf("ready, and an API server would say: %v", err)
	}
}

func storedRing(t *testing.T, server *fakekube.Server) (keyring, *corev1.Secret) {
	t.Helper()
	var secret corev1.Secret
	if found, err := server.Get(secretPath, &secret); err != nil || !found {
		t.Fatalf("Secret found: %v, %v", found, err)
	}
	ring, mistakes := readKeyring(secret.Data)
	if len(mistakes) > 0 {
		t.Fatalf("mistakes in the Secret: %v", mistakes)
	}
	return ring, &secret
}

// Helm installs webhook configurations last: until then there is nothing to do, one line about it, and nothing written.
func TestWaitsForTheConfiguration(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	r := startReplica(t, server, time.Hour, time.Minute)
	waiting := func() int { return r.log.count("waiting for the MutatingWebhookConfiguration airflow-secrets") }
	eventually(t, "the line", func() bool { return waiting() > 0 })
	server.CutWatches()
	if found, _ := server.Get(secretPath, &corev1.Secret{}); found || r.Ready() == nil || waiting() != 1 {
		t.Errorf("Secret is there: %v, Ready: %v, lines: %d", found, r.Ready(), waiting())
	}
	if served, err := r.GetCertificate(nil); err != nil || served == nil {
		t.Errorf("probes get no certificate: %v", err)
	}
	must(t, server.Put(configurationPath, configuration(nil)))
	r.awaitReady(t, server)

	var live map[string]any
	_, err := server.Get(configurationPath, &live)
	must(t, err)
	text, _ := json.Marshal(live)
	if n := bytes.Count(text, []byte(`"aFieldOfTheFuture":"kept"`)); n != 2 || !bytes.Contains(text, []byte(`"of":"the chart"`)) {
		t.Errorf("more than caBundle was changed: %s", text)
	}
	_, secret := storedRing(t, server)
	if owner := secret.OwnerReferences; len(owner) != 1 || owner[0].UID == "" || owner[0].Name != "airflow-secrets" {
		t.Errorf("the Secret would be left behind: %+v", owner)
	}
}

// looked is when the configuration was last read.
func (r *replica) looked() time.Time {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.contact[kindConfiguration].last
}

// While the configuration is away nobody asks, so a replica that was ready stays behind the Service, and one that begins
// then does not get there. With the configuration back both are as they should be.
func TestStandsByWhileTheConfigurationIsAway(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	must(t, server.Put(configurationPath, configuration(nil)))
	before := startReplica(t, server, time.Hour, time.Minute)
	before.awaitReady(t, server)

	server.Delete(configurationPath)
	eventually(t, "it is seen that there is none", func() bool {
		before.mutex.Lock()
		defer before.mutex.Unlock()
		return len(before.sight.bundles) == 0
	})
	during := startReplica(t, server, time.Hour, time.Minute)
	eventually(t, "the line of the one that begins", func() bool { return during.log.count("waiting for the MutatingWebhookConfiguration") > 0 })
	looked := before.looked()
	server.CutWatches()
	eventually(t, "the first has looked once more", func() bool { return before.looked().After(looked) })
	if err := before.Ready(); err != nil {
		t.Errorf("the one that was ready says: %v", err)
	}
	if during.Ready() == nil {
		t.Error("the one that has begun without a configuration is ready")
	}
	if n := before.log.count("annotated pods start without their secrets"); n != 1 || present(t, before) != 0 {
		t.Errorf("that it has gone is told %d times, and the metric is %v", n, present(t, before))
	}

	must(t, server.Put(configurationPath, configuration(nil)))
	for _, r := range []*replica{before, during} {
		eventually(t, "ready with the configuration back", func() bool { return r.taken(t, server) == nil && r.Ready() == nil && present(t, r) == 1 })
	}
}

// present is the metric of that name.
func present(t *testing.T, r *replica) float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	must(t, registry.Register(r))
	families, err := registry.Gather()
	must(t, err)
	for _, family := range families {
		if family.GetName() == "airflow_secrets_configuration_present" {
			return family.Metric[0].GetGauge().GetValue()
		}
	}
	t.Error("there is no such metric")
	return -1
}

// The chart makes the Secret without data. It stays the chart's in all but the data.
func TestFillsTheSecretOfTheChart(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	must(t, server.Put(secretPath, corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "webhook-ca", Labels: map[string]string{"of": "the chart"}},
		Data:       map[string][]byte{"someone's": []byte("own")},
	}))
	must(t, server.Put(configurationPath, configuration(nil)))
	startReplica(t, server, time.Hour, time.Minute).awaitReady(t, server)
	if _, secret := storedRing(t, server); secret.Labels["of"] != "the chart" || string(secret.Data["someone's"]) != "own" || len(secret.OwnerReferences) != 0 {
		t.Errorf("Secret is %+v", secret)
	}
}

// The configuration and the Secret go at once, and the one is noticed while caBundle is being written: the Secret, which
// would belong to the configuration, is not made.
func TestConfigurationGoesWhileItIsWritten(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s, _ := prepare(t, server, time.Hour, time.Minute)
	defer s.cluster.close()
	authority, err := newAuthority(time.Now(), time.Hour)
	must(t, err)
	s.sight.leaf, err = authority.sign(time.Now(), s.name, time.Minute)
	must(t, err)
	s.seeSecret(sighting[corev1.Secret]{})
	s.seeConfiguration(sighting[admissionregistrationv1.MutatingWebhookConfiguration]{object: &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{ResourceVersion: "1"}, Webhooks: make([]admissionregistrationv1.MutatingWebhook, 1),
	}})
	s.act(t.Context())
	if found, _ := server.Get(secretPath, &corev1.Secret{}); found || s.configuration != nil {
		t.Errorf("Secret is there: %v, configuration %v", found, s.configuration)
	}
}

// A Secret that was deleted is made again as what it was to Helm and to GitOps tools.
func TestLabelsOfADeletedSecret(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	must(t, server.Put(secretPath, corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Name: "webhook-ca", Labels: map[string]string{"of": "the chart"}, Annotations: map[string]string{"of": "the release"},
	}}))
	must(t, server.Put(configurationPath, configuration(nil)))
	startReplica(t, server, time.Hour, time.Minute).awaitReady(t, server)
	server.Delete(secretPath)
	var secret corev1.Secret
	eventually(t, "another Secret", func() bool { found, _ := server.Get(secretPath, &secret); return found })
	if secret.Labels["of"] != "the chart" || secret.Annotations["of"] != "the release" || len(secret.OwnerReferences) != 1 {
		t.Errorf("it has the labels %v, the annotations %v and the owners %v", secret.Labels, secret.Annotations, secret.OwnerReferences)
	}
}

// How long a Secret has been away counts from when it was seen to go, not from the last look, and not from a start without it.
func TestMissesADeletedSecret(t *testing.T) {
	s, _ := told()
	look := func(object *corev1.Secret) time.Time {
		s.seeSecret(sighting[corev1.Secret]{object: object})
		return s.sight.secretGone
	}
	if gone := look(nil); !gone.IsZero() {
		t.Errorf("gone since %v without ever having been there", gone)
	}
	if gone := look(&corev1.Secret{}); !gone.IsZero() {
		t.Errorf("gone since %v while it is there", gone)
	}
	since := look(nil)
	if since.IsZero() || look(nil) != since {
		t.Errorf("gone since %v, and after another look since %v", since, s.sight.secretGone)
	}
	if gone := look(&corev1.Secret{}); !gone.IsZero() {
		t.Errorf("gone since %v while it is back", gone)
	}
}

// Whatever is done to the two objects, all replicas are soon as they should be, and agree.
func TestHeals(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	must(t, server.Put(configurationPath, configuration(nil)))
	replicas := []*replica{startReplica(t, server, time.Hour, time.Minute), startReplica(t, server, time.Hour, time.Minute)}
	settled := func() bool {
		for _, r := range replicas {
			if r.Ready() != nil || r.taken(t, server) != nil {
				return false
			}
		}
		return true
	}
	eventually(t, "both ready", settled)
	foreign, err := newAuthority(time.Now(), time.Hour)
	must(t, err)

	disturb := []struct {
		name string
		do   func()
	}{
		{"caBundle wiped", func() { must(t, server.Put(configurationPath, configuration(nil))) }},
		{"caBundle of rubbish", func() { must(t, server.Put(configurationPath, configuration([]byte("rubbish")))) }},
		{"caBundle of another authority", func() {
			must(t, server.Put(configurationPath, configuration(encodeBundle([]*x509.Certificate{foreign.certificate}))))
		}},
		{"Secret deleted", func() { server.Delete(secretPath) }},
		{"Secret wiped", func() {
			must(t, server.Put(secretPath, corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "webhook-ca"}}))
		}},
		{"Secret damaged", func() {
			must(t, server.Put(secretPath, corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "webhook-ca"},
				Data: map[string][]byte{currentCertificate: encodeBundle([]*x509.Certificate{foreign.certificate}), currentKey: []byte("half")}}))
		}},
		{"Secret deleted and caBundle wiped", func() { server.Delete(secretPath); must(t, server.Put(configurationPath, configuration(nil))) }},
		{"configuration deleted", func() { server.Delete(configurationPath); must(t, server.Put(configurationPath, configuration(nil))) }},
		{"watches cut", func() { server.CutWatches(); must(t, server.Put(configurationPath, configuration(nil))) }},
		{"an outage", func() {
			server.Refuse(func(*http.Request) int { return http.StatusServiceUnavailable })
			server.CutWatches()
			must(t, server.Put(configurationPath, configuration(nil)))
			eventually(t, "it is told", func() bool { return replicas[0].log.count("reading from the API server fails") > 0 })
			server.Refuse(nil)
		}},
	}
	for _, d := range disturb {
		d.do()
		eventually(t, d.name+": healed", func() bool {
			found, err := server.Get(secretPath, &corev1.Secret{})
			must(t, err)
			return found && settled()
		})
		eventually(t, d.name+": the authority in the Secret is trusted", func() bool {
			var secret corev1.Secret
			var live admissionregistrationv1.MutatingWebhookConfiguration
			_, _ = server.Get(secretPath, &secret)
			_, _ = server.Get(configurationPath, &live)
			ring, mistakes := readKeyring(secret.Data)
			return len(mistakes) == 0 && ring.current != nil && contains(parseBundle(live.Webhooks[1].ClientConfig.CABundle), ring.current.certificate)
		})
	}
	for _, r := range replicas {
		if keys := r.log.count("BEGIN") + r.log.count("half"); keys > 0 {
			t.Error("a key was logged")
		}
	}
}

// Authorities go by twice while two replicas serve and one of them is replaced. At no moment would an API server refuse
// what either serves.
func TestRotation(t *testing.T) {
	t.Parallel()
	const leafValidity = 8 * time.Second // renewed after 5 s at most: a stall of 2 s is survived
	server := startServer(t)
	must(t, server.Put(configurationPath, configuration(nil)))
	replicas := []*replica{startReplica(t, server, 3*leafValidity, leafValidity), startReplica(t, server, 3*leafValidity, leafValidity)}
	for _, r := range replicas {
		r.awaitReady(t, server)
	}
	seen := map[string]bool{}
	deadline := time.Now().Add(2 * patience)
	for len(seen) < 3 {
		for _, r := range replicas {
			if err := r.taken(t, server); err != nil {
				t.Fatalf("after %d authorities an API server would say: %v", len(seen), err)
			}
		}
		ring, _ := storedRing(t, server)
		if !seen[ring.current.name()] && len(seen) == 1 { // one dies and another comes, in the middle of a rotation
			replicas[0].stop()
			replicas[0] = startReplica(t, server, 3*leafValidity, leafValidity)
			replicas[0].awaitReady(t, server)
		}
		seen[ring.current.name()] = true
		if time.Now().After(deadline) {
			t.Fatalf("%d authorities so far, expected 3", len(seen))
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := replicas[1].Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
}

type logBuffer struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.Write(line)
}

// count is how many lines hold a text.
func (b *logBuffer) count(text string) int {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	n := 0
	for line := range strings.Lines(b.text.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(2 * time.Millisecond) {
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
