package certs

import (
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"time"
)

// The keys of the Secret's data, all PEM: openssl x509 -text reads each .crt.
const (
	currentCertificate, currentKey = "ca.crt", "ca.key"
	nextCertificate, nextKey       = "next.crt", "next.key"
	oldCertificates                = "old.crt"
)

// keyring is what the Secret holds. A keyring is never changed, only followed by another.
type keyring struct {
	// current signs serving certificates. nil: there is none that could be read.
	current *authority
	// next takes its place once API servers trust it. nil outside a rotation.
	next *authority
	// old are those before current, newest first: what they have signed may still be served. Their keys are gone.
	old []*x509.Certificate
}

// readKeyring reads a Secret's data, which may be empty. What cannot be read counts as not there; the mistakes say why,
// and quote nothing.
func readKeyring(data map[string][]byte) (k keyring, mistakes []string) {
	read := func(certificate, key string) *authority {
		if len(data[certificate]) == 0 && len(data[key]) == 0 {
			return nil
		}
		a, err := parseAuthority(data[certificate], data[key])
		if err != nil {
			mistakes = append(mistakes, fmt.Sprintf("%s and %s: %v", certificate, key, err))
		}
		return a
	}
	k.current = read(currentCertificate, currentKey)
	k.next = read(nextCertificate, nextKey)
	k.old = parseBundle(data[oldCertificates])
	return k, mistakes
}

// write puts the keyring into a Secret's data and leaves other keys of it alone.
func (k keyring) write(data map[string][]byte) (map[string][]byte, error) {
	written := maps.Clone(data)
	if written == nil {
		written = map[string][]byte{}
	}
	for _, key := range []string{currentCertificate, currentKey, nextCertificate, nextKey, oldCertificates} {
		delete(written, key)
	}
	var err error
	if k.current != nil {
		if written[currentCertificate], written[currentKey], err = k.current.encode(); err != nil {
			return nil, err
		}
	}
	if k.next != nil {
		if written[nextCertificate], written[nextKey], err = k.next.encode(); err != nil {
			return nil, err
		}
	}
	if len(k.old) > 0 {
		written[oldCertificates] = encodeBundle(k.old)
	}
	return written, nil
}

// promoted is the keyring in which next has become current.
func (k keyring) promoted(now time.Time) keyring {
	promoted := keyring{current: k.next, old: k.old}
	if k.current != nil {
		promoted.old = append([]*x509.Certificate{k.current.certificate}, k.old...)
	}
	return promoted.tidied(now)
}

// tidied is the keyring without old certificates that have expired: nothing they have signed outlives them.
func (k keyring) tidied(now time.Time) keyring {
	k.old = slices.DeleteFunc(slices.Clone(k.old), func(c *x509.Certificate) bool { return expired(c, now) })
	return k
}

// certificates are those that API servers have to trust, the newest need first.
func (k keyring) certificates() (all []*x509.Certificate) {
	for _, a := range []*authority{k.current, k.next} {
		if a != nil {
			all = append(all, a.certificate)
		}
	}
	return append(all, k.old...)
}

// newest is the authority that was made last. There must be one.
func (k keyring) newest() *authority {
	if k.next != nil {
		return k.next
	}
	return k.current
}

func expired(c *x509.Certificate, now time.Time) bool { return now.After(c.NotAfter) }
