package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// The files of a certificate, named as in Kubernetes Secrets of type kubernetes.io/tls.
const (
	certificateFile = "tls.crt"
	keyFile         = "tls.key"
)

// Files serves a certificate from files, always as the files last had it. Where they become unreadable, or no longer belong
// together, the last good one is served on. It never calls Kubernetes: caBundle is the business of whoever writes the files.
type Files struct {
	watcher *certwatcher.CertWatcher
}

// FromFiles reads tls.crt and tls.key, both PEM, from a folder. Run then reads them again when they change.
func FromFiles(dir string, log *slog.Logger) (*Files, error) {
	file, key := filepath.Join(dir, certificateFile), filepath.Join(dir, keyFile)
	watcher, err := certwatcher.New(file, key)
	if err != nil {
		return nil, fmt.Errorf("loading the serving certificate: %w; put a certificate for the webhook's Service into %s and its key into %s, both as PEM", err, file, key)
	}
	watcher.RegisterCallback(func(c tls.Certificate) { logCertificate(log, c, time.Now()) })
	return &Files{watcher: watcher}, nil
}

// GetCertificate is for tls.Config.
func (f *Files) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.watcher.GetCertificate(hello)
}

// Ready says why no API server would take the certificate now: it is not valid yet, or no more. Whether they trust it, and
// whether it is for the Service's name, is not known here: caBundle is not looked at.
func (f *Files) Ready() error { return validity(f.leaf(), time.Now()) }

// leaf is the certificate that is served. There is one from the start.
func (f *Files) leaf() *x509.Certificate {
	served, _ := f.watcher.GetCertificate(nil) // never fails
	return served.Leaf
}

func validity(c *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(c.NotBefore):
		return fmt.Errorf("the certificate in %s is not valid before %s: look at this node's clock, or put a valid one there", certificateFile, c.NotBefore.UTC().Format(time.RFC3339))
	case now.After(c.NotAfter):
		return fmt.Errorf("the certificate in %s has expired at %s: renew it, it is read again when it changes", certificateFile, c.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// Run watches the files until ctx is done. An error says why they cannot be watched.
func (f *Files) Run(ctx context.Context) error { return f.watcher.Start(ctx) }

// Describe is for prometheus.Collector.
func (f *Files) Describe(metrics chan<- *prometheus.Desc) {
	metrics <- expiryMetric
	metrics <- readyMetric
}

// Collect is for prometheus.Collector.
func (f *Files) Collect(metrics chan<- prometheus.Metric) {
	metrics <- gauge(expiryMetric, seconds(f.leaf().NotAfter), "serving")
	metrics <- gauge(readyMetric, oneIfNil(f.Ready()))
}

// logCertificate tells of a certificate that was loaded. It is served even if it is not valid now: the files may be
// replaced any time, and it is the API server's clock that decides.
func logCertificate(log *slog.Logger, c tls.Certificate, now time.Time) {
	times := []any{"notBefore", c.Leaf.NotBefore, "notAfter", c.Leaf.NotAfter}
	if validity(c.Leaf, now) != nil {
		log.Warn("the serving certificate is not valid now: the API server will refuse it until it is replaced", times...)
		return
	}
	log.Info("serving certificate loaded", times...)
}
