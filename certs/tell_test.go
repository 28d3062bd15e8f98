package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// told is a SelfMade that nothing runs, and its log.
func told() (*SelfMade, *logBuffer) {
	log := &logBuffer{}
	return &SelfMade{o: Options{Log: slog.New(slog.NewJSONHandler(log, nil))}, contact: map[string]contact{}, failing: map[string]string{}}, log
}

// Writes that go on failing are told of once for each reason, and when they work again.
func TestFailingWritesAreToldOnce(t *testing.T) {
	s, log := told()
	for _, reason := range []string{"forbidden", "forbidden", "forbidden", "timeout", "timeout"} {
		if err := s.refused(kindSecret, errors.New(reason), nil); err == nil {
			t.Error("no error")
		}
	}
	if forbidden, timeout := log.count("forbidden"), log.count("timeout"); forbidden != 1 || timeout != 1 {
		t.Errorf("told %d and %d times: %s", forbidden, timeout, &log.text)
	}
	s.written(kindSecret)
	s.written(kindSecret)
	if log.count("takes writes again") != 1 {
		t.Errorf("log: %s", &log.text)
	}
	_ = s.refused(kindSecret, errors.New("timeout"), nil)
	if log.count("timeout") != 2 {
		t.Errorf("a new failure is not told of: %s", &log.text)
	}
}

// Nothing is said of a certificate that is kept where none is served.
func TestFailingReadsTellWhatIsServed(t *testing.T) {
	for served, expected := range map[bool]string{true: "is kept and renewed meanwhile", false: "no certificate that API servers take is served until then"} {
		s, log := told()
		if served {
			l, err := placeholder(time.Now())
			must(t, err)
			s.sight.leaf = l
		}
		s.reached(kindSecret, "a/b", errors.New("forbidden"))
		if log.count(expected) != 1 {
			t.Errorf("served is %v: %s", served, &log.text)
		}
	}
}

// What caBundle has no room for goes with a warning that names it.
func TestDroppedCertificatesAreToldOf(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	var live []*x509.Certificate
	for range maxBundle {
		a, err := newAuthority(time.Now(), time.Hour)
		must(t, err)
		live = append(live, a.certificate)
	}
	must(t, server.Put(configurationPath, configuration(encodeBundle(live))))
	r := startReplica(t, server, time.Hour, time.Minute)
	r.awaitReady(t, server)
	r.stop()
	if n := r.log.count("dropped a certificate from caBundle"); n != 2 || !strings.Contains(r.log.text.String(), live[maxBundle-1].Subject.CommonName) {
		t.Errorf("told %d times, expected once for each webhook: %s", n, &r.log.text)
	}
}

// Whatever undoes our writes, they come ten at once and then one a second.
func TestWritesArePaced(t *testing.T) {
	w, done := newWrites(), 0
	for range 100 {
		w.try(func() error { done++; return nil })
		w.seen()
	}
	if done < 10 || done > 50 { // a machine that stalls lets some more through
		t.Errorf("%d writes of a hundred, expected 10", done)
	}
}

// A write to what has changed, has been made or is gone meanwhile is based on an old sight: it is looked at again, and
// nothing is told.
func TestWritesOfAnOldSight(t *testing.T) {
	r := schema.GroupResource{Resource: "secrets"}
	for _, err := range []error{apierrors.NewConflict(r, "x", nil), apierrors.NewAlreadyExists(r, "x"), apierrors.NewNotFound(r, "x")} {
		s, log := told()
		looked := 0
		look := func() (bool, error) { looked++; return true, nil }
		if got := s.refused(kindSecret, err, look); !errors.Is(got, errChanged) || looked != 1 || log.count("") != 0 {
			t.Errorf("%v: became %v, looked %d times, log %s", err, got, looked, &log.text)
		}
	}
}

// Where another look shows what was known before, something else is wrong, such as a namespace that is not there.
func TestWritesThatAnotherLookDoesNotExplain(t *testing.T) {
	s, log := told()
	gone := apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "airflow")
	if got := s.refused(kindSecret, gone, func() (bool, error) { return false, nil }); errors.Is(got, errChanged) || log.count("not found") != 1 {
		t.Errorf("became %v, log %s", got, &log.text)
	}
}

// Our own end is no failure of a write.
func TestWritesThatOurEndCutsOff(t *testing.T) {
	s, log := told()
	cut := fmt.Errorf("sending: %w", context.Canceled)
	if got := s.refused(kindSecret, cut, nil); !errors.Is(got, cut) || log.count("") != 0 {
		t.Errorf("became %v, log %s", got, &log.text)
	}
}

// A leaf ends with the authority that has signed it.
func TestLeafEndsWithItsAuthority(t *testing.T) {
	a, err := newAuthority(noon, time.Hour)
	must(t, err)
	l, err := a.sign(noon, "x", 24*time.Hour)
	must(t, err)
	if l.certificate().NotAfter.After(a.certificate.NotAfter) {
		t.Errorf("the leaf ends %v, its authority %v", l.certificate().NotAfter, a.certificate.NotAfter)
	}
}
