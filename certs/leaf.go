package certs

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/rand/v2"
	"time"
)

// leaf is a serving certificate with its key. Both are in memory only, and each replica has its own.
type leaf struct {
	served tls.Certificate
	// issuer is kept with its key, so that the leaf can be renewed while the Secret is away or out of reach.
	issuer *authority
	// renewAt is when another is signed, if nothing asks for it sooner.
	renewAt time.Time
}

// sign makes a serving certificate for a DNS name, valid for so long from now, but no longer than the authority is. It is
// due for renewal after two thirds of its life, or up to a tenth of it sooner: replicas that began together shall not go
// on in step.
func (a *authority) sign(now time.Time, name string, validity time.Duration) (*leaf, error) {
	key, serial, err := newKey()
	if err != nil {
		return nil, err
	}
	until := now.Add(validity)
	if until.After(a.certificate.NotAfter) {
		until = a.certificate.NotAfter
	}
	certificate, err := issue(&x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "airflow-secrets webhook"},
		DNSNames:     []string{name},
		NotBefore:    now.Add(-skew),
		NotAfter:     until,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.certificate, key, a.key)
	if err != nil {
		return nil, fmt.Errorf("signing a serving certificate: %w", err)
	}
	jitter := time.Duration(rand.Float64() * float64(until.Sub(now)) / 10)
	return &leaf{served: pair(certificate, key), issuer: a, renewAt: twoThirds(certificate).Add(-jitter)}, nil
}

func pair(c *x509.Certificate, key *ecdsa.PrivateKey) tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}
}

// certificate is nil where there is no leaf.
func (l *leaf) certificate() *x509.Certificate {
	if l == nil {
		return nil
	}
	return l.served.Leaf
}

// verify says whether an API server that trusts these certificates takes the leaf for the DNS name now.
func (l *leaf) verify(now time.Time, name string, trusted []*x509.Certificate) error {
	roots := x509.NewCertPool()
	for _, c := range trusted {
		roots.AddCert(c)
	}
	_, err := l.served.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now})
	return err
}
