package kube

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/pki"
)

// writeCertificates makes what the programs show each other, and two kubeconfigs: the administrator's, which the control
// plane uses, too, and the kubelet's.
func (n *Node) writeCertificates(context.Context) error {
	ca, err := pki.NewAuthority()
	if err != nil {
		return err
	}
	serving, err := ca.Sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		DNSNames:    []string{"localhost", "kubernetes.default.svc"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP(n.network.node()), net.ParseIP(n.network.apiServer())},
	})
	if err != nil {
		return err
	}
	admin, err := ca.Sign(&x509.Certificate{Subject: pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}}})
	if err != nil {
		return err
	}
	kubelet, err := ca.Sign(&x509.Certificate{Subject: pkix.Name{CommonName: "system:node:" + nodeName, Organization: []string{"system:nodes"}}})
	if err != nil {
		return err
	}
	tokens, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	return errors.Join(
		n.write("ca.crt", ca.PEM()),
		n.write("apiserver.crt", serving.Certificate), n.write("apiserver.key", serving.Key),
		n.write("admin.crt", admin.Certificate), n.write("admin.key", admin.Key),
		n.write("tokens.key", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(tokens)})),
		n.write("admin.kubeconfig", n.kubeconfig(ca, admin)),
		n.write("kubelet.kubeconfig", n.kubeconfig(ca, kubelet)))
}

func (n *Node) kubeconfig(ca pki.Authority, user pki.Pair) []byte {
	encode := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: e2e
contexts: [{name: e2e, context: {cluster: e2e, user: e2e}}]
clusters: [{name: e2e, cluster: {server: "https://%s:6443", certificate-authority-data: %s}}]
users: [{name: e2e, user: {client-certificate-data: %s, client-key-data: %s}}]
`, n.network.node(), encode(ca.PEM()), encode(user.Certificate), encode(user.Key))
}

// path is that of a file of the cluster's folder.
func (n *Node) path(name string) string { return filepath.Join(n.dir, name) }

func (n *Node) write(name string, content []byte) error {
	return os.WriteFile(n.path(name), content, 0o600)
}
