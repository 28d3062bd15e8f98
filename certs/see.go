package certs

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
)

// The kinds of the two objects, as log lines and metrics name them.
const (
	kindSecret        = "Secret"
	kindConfiguration = "MutatingWebhookConfiguration"
)

// contact is how it stands with the sight of an object.
type contact struct {
	last time.Time // of an answer
	err  error     // since then; nil: none
}

// seeSecret takes in news of the Secret.
func (s *SelfMade) seeSecret(news sighting[corev1.Secret]) {
	if !s.reached(kindSecret, s.o.Namespace+"/"+s.o.Secret, news.err) {
		return
	}
	var ring keyring
	gone := s.sight.secretGone // of this goroutine alone
	if news.object != nil {
		gone, s.former = time.Time{}, news.object.ObjectMeta
		var mistakes []string
		ring, mistakes = readKeyring(news.object.Data)
		if s.secret == nil || s.secret.ResourceVersion != news.object.ResourceVersion {
			for _, m := range mistakes {
				s.o.Log.Warn("the Secret holds what is no certificate authority of ours, it will be replaced", "secret", s.o.Secret, "mistake", m)
			}
		}
	} else if s.secret != nil {
		gone = wallClock()
		s.o.Log.Warn("the Secret was deleted, another will be made; the certificate is served on", "secret", s.o.Secret)
	}
	s.secret = news.object
	s.secretWrites.seen()

	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.sight.secretSeen = true
	s.sight.ring = ring
	s.sight.secretGone = gone
}

// seeConfiguration takes in news of the webhook configuration.
func (s *SelfMade) seeConfiguration(news sighting[admissionregistrationv1.MutatingWebhookConfiguration]) {
	if !s.reached(kindConfiguration, s.o.Configuration, news.err) {
		return
	}
	wasReady := s.Ready() == nil
	s.configuration = news.object
	s.bundleWrites.seen()
	var bundles [][]*x509.Certificate
	if news.object != nil {
		for _, w := range news.object.Webhooks {
			bundles = append(bundles, parseBundle(w.ClientConfig.CABundle))
		}
	}

	if len(bundles) == 0 && len(s.sight.bundles) > 0 {
		s.o.Log.Warn("the configuration was deleted or has no webhook: annotated pods start without their secrets", "configuration", s.o.Configuration)
	}

	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.sight.bundles = bundles
	s.sight.trusted = s.sight.trusted.after(wallClock(), bundles)
	s.standby = len(bundles) == 0 && wasReady
}

// reached notes whether an object could be read, and tells when that changes. While it cannot be read nothing else is lost:
// the certificate is served and renewed on.
func (s *SelfMade) reached(kind, name string, err error) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	before := s.contact[kind]
	if err == nil {
		s.contact[kind] = contact{last: wallClock()}
		if before.err != nil {
			s.o.Log.Info("the API server answers again", "kind", kind, "name", name)
		}
		return true
	}
	s.contact[kind] = contact{last: before.last, err: err}
	if before.err == nil {
		meanwhile := "no certificate that API servers take is served until then"
		if s.sight.leaf != nil {
			meanwhile = "the certificate that is served is kept and renewed meanwhile"
		}
		s.o.Log.Error("reading from the API server fails, it is tried on; "+meanwhile, "kind", kind, "name", name, "error", err.Error())
	}
	return false
}

var errNotReadYet = errors.New("has not been read yet")

// unread says that an object has not been read since the start, and why.
func (c contact) unread(kind, name string) error {
	switch {
	case !c.last.IsZero():
		return nil
	case c.err != nil:
		return fmt.Errorf("the %s %s cannot be read: %w", kind, name, c.err)
	}
	return fmt.Errorf("the %s %s %w", kind, name, errNotReadYet)
}
