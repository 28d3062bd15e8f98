package certs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-secrets/airflow-secrets/test/fakekube"
)

// A write that is based on an old sight is refused, and says so in a way that can be told from trouble.
func TestWritesNameTheirVersion(t *testing.T) {
	server := startServer(t)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, os.WriteFile(file, server.Kubeconfig(), 0o600))
	c, err := connect(file)
	must(t, err)
	defer c.close()
	secrets := resource[corev1.Secret]{c, fakekube.Secrets, "webhook-ca"}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "webhook-ca"}}
	must(t, secrets.create(t.Context(), secret))
	if err := secrets.create(t.Context(), secret); !apierrors.IsAlreadyExists(err) {
		t.Errorf("created twice: %v", err)
	}
	seen, _, err := secrets.list(t.Context())
	must(t, err)
	data := []operation{{Op: "add", Path: "/data", Value: map[string][]byte{"a": []byte("b")}}}
	must(t, secrets.patch(t.Context(), seen.ResourceVersion, data))
	if err := secrets.patch(t.Context(), seen.ResourceVersion, data); !apierrors.IsConflict(err) {
		t.Errorf("patched an old version: %v", err)
	}
}

// What a watch says may end in the middle, or with an error; both are told, so that the object is read anew.
func TestDecodeEvents(t *testing.T) {
	for stream, c := range map[string]struct {
		seen  int
		fails string
	}{
		``: {0, ""},
		`{"type":"ADDED","object":{}}{"type":"BOOKMARK","object":{}}{"type":"DELETED","object":{}}`:   {2, ""},
		`{"type":"ADDED","object":{}}{"type":"MODI`:                                                   {1, "unexpected EOF"},
		`{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old resource version"}}`: {0, "too old resource version"},
		`{"type":"MODIFIED","object":[]}`:                                                             {0, "cannot unmarshal"},
		`<html>a proxy</html>`:                                                                        {0, "invalid character"},
	} {
		seen := 0
		err := decodeEvents(strings.NewReader(stream), func(*corev1.Secret) { seen++ })
		if seen != c.seen || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: saw %d, %v", stream, seen, err)
		}
	}
}
