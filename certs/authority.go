package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// skew is how long before its making a certificate is valid: the clocks of nodes and API servers differ a little.
const skew = 5 * time.Minute

// authority is a certificate authority of ours: its certificate, which API servers trust, and its key.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// newAuthority makes one that is valid for so long from now. Its name ends with a part of its serial number, so that the
// two of a rotation can be told apart.
func newAuthority(now time.Time, validity time.Duration) (*authority, error) {
	key, serial, err := newKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: fmt.Sprintf("airflow-secrets webhook CA %08x", serial.Bytes()[:4])},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(validity),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	certificate, err := issue(template, template, key, key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate authority: %w", err)
	}
	return &authority{certificate: certificate, key: key}, nil
}

// parseAuthority reads one from its two PEM documents. Its errors quote nothing of them.
func parseAuthority(certificatePEM, keyPEM []byte) (*authority, error) {
	certificates := parseBundle(certificatePEM)
	if len(certificates) != 1 {
		return nil, fmt.Errorf("its certificate is %d in PEM, expected 1", len(certificates))
	}
	block, _ := pem.Decode(keyPEM)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("its key is not PEM of type PRIVATE KEY")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("its key cannot be parsed as PKCS #8")
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	switch certificate := certificates[0]; {
	case !ok:
		return nil, errors.New("its key is not one for ECDSA")
	case !key.PublicKey.Equal(certificate.PublicKey):
		return nil, errors.New("its certificate and key do not belong together")
	case !certificate.IsCA || certificate.KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, errors.New("its certificate is not that of an authority")
	default:
		return &authority{certificate: certificate, key: key}, nil
	}
}

// encode gives both documents, in the forms that openssl x509 and openssl pkey read.
func (a *authority) encode() (certificatePEM, keyPEM []byte, err error) {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the key of a certificate authority: %w", err)
	}
	return encodeBundle([]*x509.Certificate{a.certificate}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// name tells authorities apart in log lines.
func (a *authority) name() string { return a.certificate.Subject.CommonName }

// usable says whether it may sign now. There may be no authority at all.
func (a *authority) usable(now time.Time) bool { return a != nil && validAt(a.certificate, now) }

// is says whether both are the same, keys apart.
func (a *authority) is(other *authority) bool {
	return a != nil && other != nil && a.certificate.Equal(other.certificate)
}

// rotateAt is when its successor is made: at two thirds of its life, so that a third is left for an outage.
func (a *authority) rotateAt() time.Time { return twoThirds(a.certificate) }

// twoThirds is when two thirds of a certificate's life are over, which began when it was made.
func twoThirds(c *x509.Certificate) time.Time {
	made := c.NotBefore.Add(skew)
	return made.Add(c.NotAfter.Sub(made) / 3 * 2)
}

func validAt(c *x509.Certificate, now time.Time) bool {
	return !now.Before(c.NotBefore) && !now.After(c.NotAfter)
}

// newKey gives a new key, and a serial number of 16 bytes, the first of which is not 0.
func newKey() (*ecdsa.PrivateKey, *big.Int, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	number := make([]byte, 16)
	if _, err := rand.Read(number); err != nil {
		return nil, nil, fmt.Errorf("making a serial number: %w", err)
	}
	number[0] = number[0]&0x3f | 0x40 // positive, and always of the same length
	return key, new(big.Int).SetBytes(number), nil
}

// issue signs a certificate.
func issue(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// parseBundle reads certificates from PEM exactly as an API server reads caBundle (x509.CertPool.AppendCertsFromPEM):
// whatever is no certificate is passed over.
func parseBundle(text []byte) (found []*x509.Certificate) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return found
		}
		if block.Type != "CERTIFICATE" || len(block.Headers) > 0 {
			continue
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			found = append(found, c)
		}
	}
}

func encodeBundle(certificates []*x509.Certificate) []byte {
	var text bytes.Buffer
	for _, c := range certificates {
		_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a buffer takes all
	}
	return text.Bytes()
}
