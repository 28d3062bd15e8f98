package certs

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api/v1"
	"k8s.io/client-go/transport"
	"sigs.k8s.io/yaml"
)

// Where every pod finds its service account.
const (
	serviceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount"
	hostVariable         = "KUBERNETES_SERVICE_HOST"
	portVariable         = "KUBERNETES_SERVICE_PORT"
)

// OwnNamespace is the namespace of the service account of the pod that this process runs in.
func OwnNamespace() (string, error) {
	text, err := os.ReadFile(filepath.Join(serviceAccountFolder, "namespace"))
	if err != nil {
		return "", fmt.Errorf("looking for the namespace of this pod: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// connect prepares to talk to the API server that a kubeconfig names, or where there is none to that of the cluster that
// this process runs in. It sends nothing.
func connect(kubeconfig string) (*cluster, error) {
	server, config, err := inCluster()
	if kubeconfig != "" {
		server, config, err = readKubeconfig(kubeconfig)
	}
	if err != nil {
		return nil, err
	}
	config.UserAgent = fieldManager
	address, err := url.Parse(server)
	if err != nil || address.Host == "" {
		return nil, fmt.Errorf("the API server's address is %q, expected a URL", server)
	}
	through, err := transport.New(config)
	if err != nil {
		return nil, fmt.Errorf("preparing to talk to the API server: %w", err)
	}
	return &cluster{server: address, client: &http.Client{Transport: through}}, nil
}

func inCluster() (server string, config *transport.Config, err error) {
	host, port := os.Getenv(hostVariable), os.Getenv(portVariable)
	if host == "" || port == "" {
		return "", nil, fmt.Errorf("%s and %s are not set, so this is no pod of a cluster: name one with --kubeconfig", hostVariable, portVariable)
	}
	return "https://" + net.JoinHostPort(host, port), &transport.Config{
		BearerTokenFile: filepath.Join(serviceAccountFolder, "token"),
		TLS:             transport.TLSConfig{CAFile: filepath.Join(serviceAccountFolder, "ca.crt"), ReloadCAFiles: true},
	}, nil
}

// readKubeconfig reads the current context of a kubeconfig. Of the ways to log in it takes those that a file can hold:
// certificates, tokens and passwords.
func readKubeconfig(file string) (server string, config *transport.Config, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", nil, fmt.Errorf("reading --kubeconfig: %w", err)
	}
	var k clientcmdapi.Config
	if err := yaml.Unmarshal(text, &k); err != nil {
		return "", nil, fmt.Errorf("reading --kubeconfig %s: it is not YAML of a kubeconfig", file) // the cause may quote it
	}
	c, user, err := currentContext(k)
	if err != nil {
		return "", nil, fmt.Errorf("reading --kubeconfig %s: %w", file, err)
	}
	from := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(filepath.Dir(file), path)
	}
	return c.Server, &transport.Config{
		Username:        user.Username,
		Password:        user.Password,
		BearerToken:     user.Token,
		BearerTokenFile: from(user.TokenFile),
		TLS: transport.TLSConfig{
			Insecure: c.InsecureSkipTLSVerify, ServerName: c.TLSServerName,
			CAFile: from(c.CertificateAuthority), CAData: c.CertificateAuthorityData,
			CertFile: from(user.ClientCertificate), CertData: user.ClientCertificateData,
			KeyFile: from(user.ClientKey), KeyData: user.ClientKeyData,
		},
	}, nil
}

func currentContext(k clientcmdapi.Config) (c clientcmdapi.Cluster, user clientcmdapi.AuthInfo, err error) {
	at := slices.IndexFunc(k.Contexts, func(n clientcmdapi.NamedContext) bool { return n.Name == k.CurrentContext })
	if at < 0 {
		return c, user, fmt.Errorf("its current-context is %q, which is none of its contexts", k.CurrentContext)
	}
	context := k.Contexts[at].Context
	at = slices.IndexFunc(k.Clusters, func(n clientcmdapi.NamedCluster) bool { return n.Name == context.Cluster })
	if at < 0 {
		return c, user, fmt.Errorf("its current context names the cluster %q, which is none of its clusters", context.Cluster)
	}
	c = k.Clusters[at].Cluster
	if c.ProxyURL != "" {
		return c, user, errors.New("it names a proxy-url, which is not supported: set HTTPS_PROXY")
	}
	if at = slices.IndexFunc(k.AuthInfos, func(n clientcmdapi.NamedAuthInfo) bool { return n.Name == context.AuthInfo }); at >= 0 {
		user = k.AuthInfos[at].AuthInfo
	}
	if user.Exec != nil || user.AuthProvider != nil || user.Impersonate != "" {
		return c, user, errors.New("its user logs in by exec, auth-provider or impersonation, which are not supported: use a certificate or a token")
	}
	return c, user, nil
}
