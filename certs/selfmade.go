package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Options says where the webhook is and how long its certificates last. All but Kubeconfig must be set.
type Options struct {
	// Namespace is that of the Secret and of the Service.
	Namespace string
	// Secret holds the authority. It is made where it is not there, and filled where it is empty.
	Secret string
	// Service is the one that API servers reach the webhook by.
	Service string
	// Configuration names the MutatingWebhookConfiguration whose webhooks get a caBundle.
	Configuration string
	// CAValidity is how long an authority lasts; the next one is made after two thirds of it. At least MinLeaves
	// times LeafValidity.
	CAValidity time.Duration
	// LeafValidity is how long a serving certificate lasts; another is signed after two thirds of it. At least MinLeafValidity.
	LeafValidity time.Duration
	// Kubeconfig is a file that says how to reach the API server. Empty: the one of the cluster that this runs in.
	Kubeconfig string
	// Log receives a line for each step of a rotation.
	Log *slog.Logger
}

// Limits of the two validities, which leave time for the steps of a rotation.
const (
	MinLeafValidity = 5 * time.Second
	// MinLeaves is how many times as long as a leaf an authority lasts at least.
	MinLeaves = 3
)

// maxSettle is how long every API server is given to notice a change of the configuration. They watch it, so it is most
// likely a matter of milliseconds.
const maxSettle = 30 * time.Second

// SelfMade makes the serving certificate itself: an authority in a Secret, which all replicas share, signs for each of them
// a leaf that never leaves its memory, and caBundle of the webhook configuration is kept in step.
type SelfMade struct {
	o              Options
	name           string // in the leaf
	settle         time.Duration
	cluster        *cluster
	secrets        resource[corev1.Secret]
	configurations resource[admissionregistrationv1.MutatingWebhookConfiguration]
	// placeholder is served until there is a leaf, so that probes get an answer. Nobody trusts it.
	placeholder *leaf

	// What follows is of the goroutine of Run alone.
	secret        *corev1.Secret                                        // as last seen; nil: not there
	configuration *admissionregistrationv1.MutatingWebhookConfiguration // as last seen; nil: not there
	former        metav1.ObjectMeta                                     // of the last Secret that was there
	secretWrites  writes
	bundleWrites  writes
	failing       map[string]string // why writing fails, as told, by the kind of object

	// What follows is asked for by others while Run goes on.
	mutex   sync.Mutex
	sight   sight
	contact map[string]contact // by the kind of object
	// standby: the configuration is away, and this replica was ready when it went.
	standby bool
}

// New prepares certificates that Run then keeps valid. It sends nothing.
func New(o Options) (*SelfMade, error) {
	c, err := connect(o.Kubeconfig)
	if err != nil {
		return nil, err
	}
	s := &SelfMade{
		o:              o,
		name:           o.Service + "." + o.Namespace + ".svc", // what API servers verify
		settle:         min(maxSettle, o.LeafValidity/10),
		cluster:        c,
		secrets:        resource[corev1.Secret]{c, "/api/v1/namespaces/" + o.Namespace + "/secrets", o.Secret},
		configurations: resource[admissionregistrationv1.MutatingWebhookConfiguration]{c, "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", o.Configuration},
		secretWrites:   newWrites(),
		bundleWrites:   newWrites(),
		contact:        map[string]contact{},
		failing:        map[string]string{},
	}
	s.placeholder, err = placeholder(time.Now())
	return s, err
}

// placeholder is signed by an authority that is forgotten at once.
func placeholder(now time.Time) (*leaf, error) {
	a, err := newAuthority(now, 24*time.Hour)
	if err != nil {
		return nil, err
	}
	return a.sign(now, "not-ready.invalid", time.Hour)
}

// GetCertificate is for tls.Config.
func (s *SelfMade) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.sight.leaf == nil {
		return &s.placeholder.served, nil
	}
	return &s.sight.leaf.served, nil
}

// Ready says why API servers would not take the certificate that is served now, as far as is known: as the configuration
// was last seen, its caBundle does not verify it. It returns nil if they would.
//
// A replica that was ready stays so while the configuration is away: nobody asks it then, and when the configuration is
// back it is behind the Service already.
func (s *SelfMade) Ready() error {
	s.mutex.Lock()
	seen, standby := s.sight, s.standby
	unread := errors.Join(s.contact[kindSecret].unread(kindSecret, s.o.Secret), s.contact[kindConfiguration].unread(kindConfiguration, s.o.Configuration))
	s.mutex.Unlock()
	switch {
	case unread != nil:
		return unread
	case len(seen.bundles) == 0 && !standby:
		return fmt.Errorf("waiting for the %s %s: there is none with a webhook in it", kindConfiguration, s.o.Configuration)
	case seen.leaf == nil:
		return errors.New("no certificate is served yet: the certificate authority is not in every caBundle")
	case !validAt(seen.leaf.certificate(), time.Now()):
		return errors.New("the certificate that is served has expired")
	}
	for i, bundle := range seen.bundles {
		if err := seen.leaf.verify(time.Now(), s.name, bundle); err != nil {
			return fmt.Errorf("caBundle of webhook %d does not verify the certificate that is served: %w", i, err)
		}
	}
	return nil
}

// Run keeps the certificate, the Secret and caBundle as they should be until ctx is done. What it cannot do now it tries
// again; it always returns nil.
func (s *SelfMade) Run(ctx context.Context) error {
	secrets := make(chan sighting[corev1.Secret])
	configurations := make(chan sighting[admissionregistrationv1.MutatingWebhookConfiguration])
	var followers sync.WaitGroup
	followers.Go(func() { s.secrets.follow(ctx, secrets) })
	followers.Go(func() { s.configurations.follow(ctx, configurations) })
	defer s.cluster.close()
	defer followers.Wait()

	timer := time.NewTimer(0)
	defer timer.Stop()
	for told := ""; ; {
		select {
		case <-ctx.Done():
			return nil
		case news := <-secrets:
			s.seeSecret(news)
		case news := <-configurations:
			s.seeConfiguration(news)
		case <-timer.C:
		}
		told = s.tellReadiness(told) // as it was found
		timer.Reset(s.act(ctx))
		told = s.tellReadiness(told)
	}
}

// tellReadiness logs whether the certificate would be taken, when that has changed. It returns what is told by now.
func (s *SelfMade) tellReadiness(told string) string {
	err := s.Ready()
	switch {
	case errors.Is(err, errNotReadYet): // a matter of milliseconds
		return told
	case err == nil && told != ready:
		s.o.Log.Info("the live caBundle verifies the certificate that is served", "configuration", s.o.Configuration)
	case err != nil && told != err.Error():
		s.o.Log.Warn("not ready for reviews", "reason", err.Error())
	}
	if err != nil {
		return err.Error()
	}
	return ready
}

const ready = "ready"

// act does what is due and returns how long to wait for news.
func (s *SelfMade) act(ctx context.Context) time.Duration {
	now := wallClock()
	p := decide(now, s.settle, s.sight)
	if p.signer != nil {
		p.wakeBy(s.renew(now, p.signer))
	}
	wait := p.wake.Sub(now)
	if len(p.bundles) > 0 {
		wait = min(wait, s.bundleWrites.try(func() error { return s.writeBundles(ctx, p.bundles) }))
		if len(s.sight.bundles) == 0 { // the configuration went meanwhile, and nothing is written without one
			return wait
		}
	}
	if p.secret != leaveSecret {
		wait = min(wait, s.secretWrites.try(func() error { return s.writeSecret(ctx, now, p.secret) }))
	}
	return wait
}

// wallClock is the time without the monotonic clock, which stands still while a machine sleeps. Validity does not.
func wallClock() time.Time { return time.Now().Round(0) }

// Describe is for prometheus.Collector.
func (s *SelfMade) Describe(metrics chan<- *prometheus.Desc) {
	metrics <- expiryMetric
	metrics <- renewalMetric
	metrics <- presentMetric
	metrics <- readyMetric
	metrics <- contactMetric
}

// Collect is for prometheus.Collector.
func (s *SelfMade) Collect(metrics chan<- prometheus.Metric) {
	metrics <- gauge(readyMetric, oneIfNil(s.Ready()))
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if l := s.sight.leaf; l != nil {
		metrics <- gauge(expiryMetric, seconds(l.certificate().NotAfter), "serving")
		metrics <- gauge(expiryMetric, seconds(l.issuer.certificate.NotAfter), "ca")
		metrics <- gauge(renewalMetric, seconds(l.renewAt), "serving")
		metrics <- gauge(renewalMetric, seconds(l.issuer.rotateAt()), "ca")
	}
	if !s.contact[kindConfiguration].last.IsZero() {
		present := 0.
		if len(s.sight.bundles) > 0 {
			present = 1
		}
		metrics <- gauge(presentMetric, present)
	}
	for kind, c := range s.contact {
		if !c.last.IsZero() {
			metrics <- gauge(contactMetric, seconds(c.last), kind)
		}
	}
}
