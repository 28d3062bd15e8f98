package webhook

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// The files of a certificate, named as in Kubernetes Secrets of type kubernetes.io/tls.
const (
	certificateFile = "tls.crt"
	keyFile         = "tls.key"
)

// certificate is the serving certificate, always as the files last had it. Where they become unreadable, or no longer
// belong together, the last good one is served on.
type certificate struct {
	*part
	watcher *certwatcher.CertWatcher
}

// watchCertificate reads the certificate and begins to watch its files.
func watchCertificate(dir string, log *slog.Logger) (*certificate, error) {
	file, key := filepath.Join(dir, certificateFile), filepath.Join(dir, keyFile)
	watcher, err := certwatcher.New(file, key)
	if err != nil {
		return nil, fmt.Errorf("loading the serving certificate: %w; put a certificate for the webhook's Service into %s and its key into %s, both as PEM", err, file, key)
	}
	watcher.RegisterCallback(func(c tls.Certificate) { logCertificate(log, c, time.Now()) })
	return &certificate{part: start("watching the serving certificate", watcher.Start), watcher: watcher}, nil
}

// logCertificate tells of a certificate that was loaded. The server runs on with one that is not valid now: the files
// may be replaced any time, and it is the API server's clock that decides.
func logCertificate(log *slog.Logger, c tls.Certificate, now time.Time) {
	validity := []any{"notBefore", c.Leaf.NotBefore, "notAfter", c.Leaf.NotAfter}
	if now.Before(c.Leaf.NotBefore) || now.After(c.Leaf.NotAfter) {
		log.Warn("the serving certificate is not valid now: the API server will refuse it until it is replaced", validity...)
		return
	}
	log.Info("serving certificate loaded", validity...)
}

// restrictTLS serves the certificate by TLS 1.3 alone, which every API server since 1.30 speaks, and HTTP/1.1 alone: API
// servers ask for it on purpose, so that their calls spread over replicas, and each HTTP/1.1 exchange can have deadlines
// of its own.
func (c *certificate) restrictTLS(config *tls.Config) {
	config.GetCertificate = c.watcher.GetCertificate
	config.MinVersion = tls.VersionTLS13
	config.NextProtos = []string{"http/1.1"}
}
