package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// writePair writes a certificate and its key as whoever keeps files would.
func writePair(t *testing.T, dir string) *leaf {
	t.Helper()
	return writePairSigned(t, dir, time.Now())
}

func writePairSigned(t *testing.T, dir string, signed time.Time) *leaf {
	t.Helper()
	l, err := placeholder(signed)
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

// A certificate from files is ready while it is valid, and says what to do when it is not.
func TestFilesAreReadyWhileValid(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		signed time.Time // for an hour
		says   string
		metric float64
	}{
		{now, "", 1},
		{now.Add(-2 * time.Hour), "has expired at", 0},
		{now.Add(48 * time.Hour), "is not valid before", 0},
	} {
		dir := t.TempDir()
		writePairSigned(t, dir, c.signed)
		f, err := FromFiles(dir, slog.New(slog.DiscardHandler))
		must(t, err)
		if err := f.Ready(); (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: Ready is %v", c.says, err)
		}
		registry := prometheus.NewPedanticRegistry()
		must(t, registry.Register(f))
		families, err := registry.Gather()
		must(t, err)
		metrics := map[string]float64{}
		for _, family := range families {
			metrics[family.GetName()] = family.Metric[0].GetGauge().GetValue()
		}
		if ready, ok := metrics["airflow_secrets_certificate_ready"]; !ok || ready != c.metric || metrics["airflow_secrets_certificate_expiry_timestamp_seconds"] == 0 {
			t.Errorf("%q: the metrics are %v, expected ready to be %v", c.says, metrics, c.metric)
		}
		stopped, cancel := context.WithCancel(t.Context())
		cancel()
		must(t, f.Run(stopped)) // closes what watches the files
	}
}
