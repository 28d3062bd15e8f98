package checks

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// The paths of what tells who trusts and serves which certificate.
const (
	configurationPath = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/" + e2e.Release
	webhookPods       = "/api/v1/namespaces/" + e2e.Release + "/pods"
	webhookPort       = "9443"
)

// sightings are the certificates that have been seen so far, by their digests.
type sightings struct {
	authorities map[[32]byte]bool // in caBundle
	leaves      map[[32]byte]bool // served by a replica
}

func newSightings() sightings {
	return sightings{map[[32]byte]bool{}, map[[32]byte]bool{}}
}

// look adds what is there now.
func (s sightings) look(ctx context.Context, api *e2e.API) error {
	bundle, err := caBundle(ctx, api)
	if err != nil {
		return err
	}
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		s.authorities[sha256.Sum256(block.Bytes)] = true
	}
	var pods corev1.PodList
	if err := getJSON(ctx, api, webhookPods, &pods); err != nil {
		return err
	}
	for _, pod := range pods.Items {
		if leaf, err := served(ctx, pod.Status.PodIP); err == nil { // one that starts or stops serves none
			s.leaves[sha256.Sum256(leaf.Raw)] = true
		}
	}
	return nil
}

// caBundle is what the API server trusts when it calls us.
func caBundle(ctx context.Context, api *e2e.API) ([]byte, error) {
	var configuration admissionregistrationv1.MutatingWebhookConfiguration
	if err := getJSON(ctx, api, configurationPath, &configuration); err != nil {
		return nil, err
	}
	if len(configuration.Webhooks) != 1 {
		return nil, fmt.Errorf("reading caBundle: the configuration has %d webhooks, expected one", len(configuration.Webhooks))
	}
	return configuration.Webhooks[0].ClientConfig.CABundle, nil
}

// served is the certificate that a pod of ours serves.
func served(ctx context.Context, address string) (*x509.Certificate, error) {
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Second}, Config: &tls.Config{InsecureSkipVerify: true}} // only looked at
	connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(address, webhookPort))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	certificates := connection.(*tls.Conn).ConnectionState().PeerCertificates
	if len(certificates) == 0 {
		return nil, errors.New("no certificate")
	}
	return certificates[0], nil
}
