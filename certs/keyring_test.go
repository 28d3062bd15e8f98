package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestKeyringReadsWhatItWrote(t *testing.T) {
	who := newCast(t)
	k := keyring{current: who["a"], next: who["b"], old: who.certificates("foreign")}
	data, err := k.write(map[string][]byte{"other": []byte("kept"), nextKey: []byte("stale")})
	must(t, err)
	read, mistakes := readKeyring(data)
	if len(mistakes) > 0 || !read.current.is(k.current) || !read.next.is(k.next) || len(read.old) != 1 || string(data["other"]) != "kept" {
		t.Errorf("read %+v, mistakes %v", read, mistakes)
	}
	if !read.current.key.Equal(k.current.key) {
		t.Error("another key")
	}
	promoted, err := k.promoted(noon.Add(days(61))).write(data)
	must(t, err)
	if promoted[nextKey] != nil || !bytes.Equal(promoted[currentKey], data[nextKey]) || bytes.Contains(promoted[oldCertificates], []byte("PRIVATE")) || len(parseBundle(promoted[oldCertificates])) != 2 {
		t.Error("promoted it is not next as current, without a next, and both old certificates")
	}
}

// A key and its certificate come together, belong together, and are an authority's; whatever else is there counts as
// nothing, and the mistake quotes nothing.
func TestKeyringOfRubbish(t *testing.T) {
	who := newCast(t)
	certificate, key, err := who["a"].encode()
	must(t, err)
	_, otherKey, err := who["b"].encode()
	must(t, err)
	l, err := who["a"].sign(noon, "x", time.Hour)
	must(t, err)
	for name, c := range map[string]struct {
		certificate, key []byte
		mistakes         string
	}{
		"empty":              {nil, nil, ""},
		"no key":             {certificate, nil, "its key is not PEM"},
		"no certificate":     {nil, key, "its certificate is 0 in PEM"},
		"two certificates":   {append(certificate[:len(certificate):len(certificate)], certificate...), key, "its certificate is 2 in PEM"},
		"another's key":      {certificate, otherKey, "do not belong together"},
		"rubbish":            {[]byte("rubbish"), []byte("secret rubbish"), "its certificate is 0"},
		"a key cut in half":  {certificate, key[:len(key)/2], "its key is not PEM"},
		"a key of no DER":    {certificate, []byte("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"), "PKCS #8"},
		"not an authority's": {encodeBundle([]*x509.Certificate{l.certificate()}), keyOf(t, l), "not that of an authority"},
	} {
		k, mistakes := readKeyring(map[string][]byte{currentCertificate: c.certificate, currentKey: c.key})
		text := strings.Join(mistakes, "; ")
		if k.current != nil || (c.mistakes == "") != (text == "") || !strings.Contains(text, c.mistakes) || strings.Contains(text, "secret") {
			t.Errorf("%s: current is there: %v, mistakes %q", name, k.current != nil, text)
		}
	}
}

func keyOf(t *testing.T, l *leaf) []byte {
	_, key, err := (&authority{certificate: l.certificate(), key: l.served.PrivateKey.(*ecdsa.PrivateKey)}).encode()
	must(t, err)
	return key
}

// Whoever looks into the Secret can read it with openssl.
func TestOpensslReadsTheSecret(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl here")
	}
	certificate, key, err := newCast(t)["a"].encode()
	must(t, err)
	for says, input := range map[string][]byte{"CA:TRUE": certificate, "prime256v1": key} {
		command := exec.Command(openssl, "x509", "-noout", "-text")
		if says == "prime256v1" {
			command = exec.Command(openssl, "pkey", "-noout", "-text")
		}
		command.Stdin = bytes.NewReader(input)
		if text, err := command.CombinedOutput(); err != nil || !strings.Contains(string(text), says) {
			t.Errorf("openssl: %v, %s", err, text)
		}
	}
}
