package checks

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/pki"
)

// ownCertificate goes over to a certificate of one's own as the page says, replaces it by one of another authority, and
// goes back, while pods are created at a steady rate.
func ownCertificate(ctx context.Context, c *e2e.Cluster) (string, error) {
	const namespace = "e2e-own"
	if err := c.Namespace(ctx, namespace); err != nil {
		return "", err
	}
	t, err := startTraffic(ctx, c, namespace)
	if err != nil {
		return "", err
	}
	defer t.end()
	began := time.Now()
	if err := serveOwn(ctx, c, "own"); err != nil {
		return "", fmt.Errorf("going over to a certificate of one's own: %w", err)
	}
	if err := serveOwn(ctx, c, "renew"); err != nil {
		return "", fmt.Errorf("replacing it: %w", err)
	}
	if _, err := runPage(ctx, c, installation, "back"); err != nil {
		return "", fmt.Errorf("going back: %w", err)
	}
	if err := noneStops(ctx, c); err != nil {
		return "", err
	}
	if _, err := c.Kubectl(ctx, "-n", e2e.Release, "delete", "secret", "my-certificate"); err != nil {
		return "", err
	}
	if err := healed(ctx, c, t.api); err != nil {
		return "", fmt.Errorf("after going back: %w", err)
	}
	t.end()
	o := t.between(began, time.Now())
	return fmt.Sprintf("%v, over to a Secret of one's own, a certificate of another authority in it, and back", o), o.judge(0)
}

// serveOwn has a new authority trusted and what it has signed served, by the page's commands of that name.
func serveOwn(ctx context.Context, c *e2e.Cluster, how string) error {
	folder, err := os.MkdirTemp("", "airflow-secrets-own-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	leaf, err := ownFiles(folder, c.Source)
	if err != nil {
		return err
	}
	there := *c // the same cluster, for whoever stands in that folder
	there.Source = folder
	for _, name := range []string{"trust", how} {
		if _, err := runPage(ctx, &there, installation, name); err != nil {
			return err
		}
	}
	// The kubelet looks at a Secret's volume when it looks at the pod: now and then, or when the pod has changed.
	if _, err := c.Kubectl(ctx, "-n", e2e.Release, "annotate", "--overwrite", "pods", "--all", "looked-at-after="+how); err != nil {
		return err
	}
	return command.Until(ctx, 2*time.Minute, func(ctx context.Context) error { return expectServed(ctx, c, leaf) })
}

// ownFiles fills a folder with ca.crt, tls.crt and tls.key, and lets chart and pages be found in it as in the repository.
func ownFiles(folder, source string) (leaf *x509.Certificate, err error) {
	authority, err := pki.NewAuthority()
	if err != nil {
		return nil, err
	}
	signed, err := authority.Sign(&x509.Certificate{DNSNames: []string{e2e.Release + "." + e2e.Release + ".svc"}})
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(signed.Certificate)
	if leaf, err = x509.ParseCertificate(block.Bytes); err != nil {
		return nil, err
	}
	for name, content := range map[string][]byte{"ca.crt": authority.PEM(), "tls.crt": signed.Certificate, "tls.key": signed.Key} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"docs", "manifests"} {
		if err := os.Symlink(filepath.Join(source, name), filepath.Join(folder, name)); err != nil {
			return nil, err
		}
	}
	return leaf, nil
}

// expectServed wants a certificate to be what every replica serves.
func expectServed(ctx context.Context, c *e2e.Cluster, leaf *x509.Certificate) error {
	pods, err := replicas(ctx, c)
	if err != nil {
		return err
	}
	for _, pod := range pods {
		found, err := served(ctx, pod.Status.PodIP)
		if err != nil {
			return fmt.Errorf("asking %s for its certificate: %w", pod.Name, err)
		}
		if !found.Equal(leaf) {
			return fmt.Errorf("%s serves a certificate of %q until %v, expected the one in the Secret", pod.Name, found.Issuer.CommonName, found.NotAfter)
		}
	}
	return nil
}
