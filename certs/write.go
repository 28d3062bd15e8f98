package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/time/rate"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// renew signs a leaf, serves it from now on, and returns when to look at it again.
func (s *SelfMade) renew(now time.Time, signer *authority) time.Time {
	signed, err := signer.sign(now, s.name, s.o.LeafValidity)
	if err != nil {
		s.o.Log.Error("the serving certificate cannot be renewed, it is tried on", "error", err.Error())
		return now.Add(time.Second)
	}
	s.mutex.Lock()
	s.sight.leaf = signed
	s.mutex.Unlock()
	s.o.Log.Info("signed a serving certificate", "dnsName", s.name, "authority", signer.name(),
		"notAfter", signed.certificate().NotAfter, "renewal", signed.renewAt)
	return signed.renewAt
}

// writeBundles changes caBundle of some webhooks, and nothing else of the configuration.
func (s *SelfMade) writeBundles(ctx context.Context, bundles map[int][]*x509.Certificate) error {
	var operations []operation
	for _, i := range slices.Sorted(maps.Keys(bundles)) {
		// An add to a field that is there replaces it.
		operations = append(operations, operation{Op: "add", Path: fmt.Sprintf("/webhooks/%d/clientConfig/caBundle", i), Value: encodeBundle(bundles[i])})
	}
	err := s.configurations.patch(ctx, s.configuration.ResourceVersion, operations)
	if err != nil {
		return s.refused(kindConfiguration, err, func() (changed bool, err error) {
			before := s.configuration
			object, _, err := s.configurations.list(ctx)
			s.seeConfiguration(sighting[admissionregistrationv1.MutatingWebhookConfiguration]{object, err})
			return object == nil || before.ResourceVersion != object.ResourceVersion, err
		})
	}
	s.written(kindConfiguration)
	s.tellDropped(bundles)
	var names []string
	for _, c := range bundles[slices.Min(slices.Collect(maps.Keys(bundles)))] {
		names = append(names, c.Subject.CommonName)
	}
	s.o.Log.Info("wrote caBundle", "configuration", s.o.Configuration, "webhooks", len(bundles), "authorities", names)
	return nil
}

// tellDropped warns of valid certificates that caBundle had and has no room for now.
func (s *SelfMade) tellDropped(bundles map[int][]*x509.Certificate) {
	for i, w := range s.configuration.Webhooks {
		for _, c := range parseBundle(w.ClientConfig.CABundle) {
			if wanted, changed := bundles[i]; changed && !expired(c, wallClock()) && !contains(wanted, c) {
				s.o.Log.Warn("dropped a certificate from caBundle, which has more than are kept: no serving certificate that it has signed is taken any more",
					"webhook", w.Name, "authority", c.Subject.CommonName, "notAfter", c.NotAfter, "kept", maxBundle)
			}
		}
	}
}

// writeSecret takes a step of the rotation.
func (s *SelfMade) writeSecret(ctx context.Context, now time.Time, step secretStep) error {
	ring, err := s.sight.ring.after(now, step, s.o.CAValidity)
	if err != nil {
		return err
	}
	if err := s.storeRing(ctx, ring); err != nil {
		return s.refused(kindSecret, err, func() (changed bool, err error) {
			before := s.secret
			object, _, err := s.secrets.list(ctx)
			s.seeSecret(sighting[corev1.Secret]{object, err})
			return (before == nil) != (object == nil) || before != nil && before.ResourceVersion != object.ResourceVersion, err
		})
	}
	s.written(kindSecret)
	s.o.Log.Info(string(step), "secret", s.o.Secret, "authority", ring.newest().name(), "notAfter", ring.newest().certificate.NotAfter)
	return nil
}

func (s *SelfMade) storeRing(ctx context.Context, ring keyring) error {
	if s.secret != nil {
		data, err := ring.write(s.secret.Data)
		if err != nil {
			return err
		}
		return s.secrets.patch(ctx, s.secret.ResourceVersion, []operation{{Op: "add", Path: "/data", Value: data}})
	}
	data, err := ring.write(nil)
	if err != nil {
		return err
	}
	return s.secrets.create(ctx, s.newSecret(data))
}

// newSecret is one that goes with the configuration: an uninstallation that deletes only what it has installed leaves
// nothing behind. It is labelled as the one that was deleted, so that the release or the tool that this was part of takes it
// for its own: without that Helm refuses to install over it.
func (s *SelfMade) newSecret(data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: kindSecret},
		ObjectMeta: metav1.ObjectMeta{
			Name:        s.o.Secret,
			Namespace:   s.o.Namespace,
			Labels:      s.former.Labels,
			Annotations: s.former.Annotations,
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: admissionregistrationv1.SchemeGroupVersion.String(), Kind: kindConfiguration,
				Name: s.configuration.Name, UID: s.configuration.UID,
			}},
		},
		Data: data,
	}
}

// errChanged is a write that was based on an old sight of the object. By now it has been looked at again.
var errChanged = errors.New("the object has changed")

// refused deals with a write that failed. That another replica was faster is nothing to tell of, nor is our own end.
func (s *SelfMade) refused(kind string, err error, look func() (changed bool, err error)) error {
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) {
		changed, unread := look()
		switch {
		case unread != nil: // and told
			return err
		case changed:
			return errChanged
		}
	}
	if !errors.Is(err, context.Canceled) && s.failing[kind] != err.Error() { // an attempt every few seconds would fill the log
		s.failing[kind] = err.Error()
		s.o.Log.Error("writing to the API server fails, it is tried on", "kind", kind, "error", err.Error())
	}
	return err
}

// written tells that writing works again, if it did not.
func (s *SelfMade) written(kind string) {
	if s.failing[kind] != "" {
		delete(s.failing, kind)
		s.o.Log.Info("the API server takes writes again", "kind", kind)
	}
}

// after is the keyring after a step.
func (k keyring) after(now time.Time, step secretStep, validity time.Duration) (keyring, error) {
	switch step {
	case promote:
		return k.promoted(now), nil
	case tidy:
		return k.tidied(now), nil
	}
	made, err := newAuthority(now, validity)
	if step == makeNext {
		k.next = made
		return k.tidied(now), err
	}
	return keyring{current: made, old: k.old}.tidied(now), err
}

// writes paces what is written to one object.
type writes struct {
	// pace bounds a quarrel with another tool that undoes what we write.
	pace *rate.Limiter
	// notBefore holds the next attempt back: after a failure for a pause, and after a success for the time until its
	// effect is seen, for which afterSuccess stands.
	notBefore    time.Time
	afterSuccess bool
	retry        wait.Backoff
}

func newWrites() writes {
	return writes{pace: rate.NewLimiter(rate.Every(time.Second), 10), retry: newBackoff()}
}

// untilSeen is how long the effect of a write is waited for before it is written again.
const untilSeen = 2 * time.Second

// try writes, unless it is too soon for that, and returns how long to wait for news before the next attempt.
func (w *writes) try(write func() error) time.Duration {
	if rest := time.Until(w.notBefore); rest > 0 {
		return rest
	}
	if !w.pace.Allow() {
		return time.Second
	}
	pause := untilSeen
	err := write()
	switch w.afterSuccess = err == nil; {
	case errors.Is(err, errChanged):
		pause = 0
	case err != nil:
		pause = w.retry.Step()
	default:
		w.retry = newBackoff()
	}
	w.notBefore = time.Now().Add(pause)
	return pause
}

// seen ends the wait for the effect of a write.
func (w *writes) seen() {
	if w.afterSuccess {
		w.notBefore = time.Time{}
	}
}
