package webhook

import (
	"context"
	"crypto/tls"

	"github.com/prometheus/client_golang/prometheus"
)

// Certificates is where the serving certificate comes from. Its methods may be called while Run goes on, before it and
// after it.
type Certificates interface {
	// GetCertificate returns what to serve now. It must never fail, since probes come by TLS too: while there is nothing
	// that API servers would take it returns any other certificate.
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Ready says why API servers would not take it, or returns nil. It must be quick: each probe calls it.
	Ready() error
	// Run keeps the certificate valid until ctx is done. An error ends the server.
	Run(ctx context.Context) error
	// Collector tells metrics of it.
	prometheus.Collector
}

// tlsConfig serves the certificate by TLS 1.3 alone, which every API server since 1.30 speaks, or by 1.2 too where
// something between them needs it, and by HTTP/1.1 alone: API servers ask for it on purpose, so that their calls spread
// over replicas, and each HTTP/1.1 exchange can have deadlines of its own.
func (o Options) tlsConfig() *tls.Config {
	config := &tls.Config{GetCertificate: o.Certificates.GetCertificate, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}}
	if o.TLS12 {
		config.MinVersion = tls.VersionTLS12
	}
	return config
}
