package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writePair writes a certificate and its key as whoever keeps files would.
func writePair(t *testing.T, dir string) *leaf {
	t.Helper()
	l, err := placeholder(time.Now())
	must(t, err)
	key, err := x509.MarshalPKCS8PrivateKey(l.served.PrivateKey)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, certificateFile), encodeBundle([]*x509.Certificate{l.certificate()}), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, keyFile), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	return l
}

func TestFilesThatAreNoCertificate(t *testing.T) {
	cases := map[string]struct {
		spoil func(dir string) error
		says  string
	}{
		"no folder": {os.RemoveAll, "/tls.crt: no such file"},
		"no key":    {func(dir string) error { return os.Remove(filepath.Join(dir, keyFile)) }, "/tls.key: no such file"},
		"not PEM": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, certificateFile), []byte("rubbish"), 0o600)
		}, "PEM data"},
		"not a pair": {func(dir string) error {
			other := t.TempDir()
			writePair(t, other)
			return os.Rename(filepath.Join(other, keyFile), filepath.Join(dir, keyFile))
		}, "does not match"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writePair(t, dir)
			must(t, c.spoil(dir))
			_, err := FromFiles(dir, slog.New(slog.DiscardHandler))
			for _, part := range []string{c.says, "loading the serving certificate", "both as PEM", dir} {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("error is %v, expected it to say %q", err, part)
				}
			}
		})
	}
}

func TestWarnsOfACertificateThatIsNotValid(t *testing.T) {
	l, err := placeholder(time.Now())
	must(t, err)
	for shift, level := range map[time.Duration]string{0: "INFO", 2 * time.Hour: "WARN", -2 * time.Hour: "WARN"} {
		log := &logBuffer{}
		logCertificate(slog.New(slog.NewJSONHandler(log, nil)), tls.Certificate{Leaf: l.certificate()}, time.Now().Add(shift))
		if log.count(level) != 1 {
			t.Errorf("%v from now: logged %q", shift, &log.text)
		}
	}
}
