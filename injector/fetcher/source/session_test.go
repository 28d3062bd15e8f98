package source_test

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

func TestRegion(t *testing.T) {
	tests := map[string]struct {
		configured string
		env        map[string]string
		used       string // empty: none is known
	}{
		"configured":                 {configured: region, used: region},
		"configured and environment": {configured: region, env: map[string]string{"AWS_REGION": "us-east-1"}, used: region},
		"AWS_REGION":                 {env: map[string]string{"AWS_REGION": region, "AWS_DEFAULT_REGION": "us-east-1"}, used: region},
		"AWS_DEFAULT_REGION":         {env: map[string]string{"AWS_DEFAULT_REGION": region}, used: region},
		"none":                       {},
	}
	for _, wrong := range []string{region + "\n", "eu central 1", "eu/central"} {
		w := newWorld(t)
		w.config.Accounts[0].Region = wrong
		_, err := w.gather(t)
		expectError(t, err, contract.InvalidEnv, "airflow-secrets/region", strconv.Quote(wrong))
		w.config.Accounts[0].Region = ""
		t.Setenv("AWS_REGION", wrong)
		_, err = w.gather(t)
		expectError(t, err, contract.InvalidEnv, "AWS_REGION", strconv.Quote(wrong))
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put("airflow/connections/db")
			w.config.Accounts[0].Region = test.configured
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			_, err := w.gather(t)
			if test.used == "" {
				expectError(t, err, contract.NoRegion, "airflow-secrets/region", "AWS_REGION")
				if len(w.Requests()) != 0 {
					t.Errorf("AWS was asked without a region: %v", w.Requests())
				}
				return
			}
			if err != nil || w.Requests()[0].Region != test.used {
				t.Errorf("error is %v, calls are %v, expected region %s", err, w.Requests(), test.used)
			}
		})
	}
}

func TestNoCredentials(t *testing.T) {
	w := newWorld(t)
	forgetIdentity(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE") // half a pair is none
	_, err := w.gather(t)
	expectError(t, err, contract.NoCredentials, "AWS_ACCESS_KEY_ID (set)", "AWS_SECRET_ACCESS_KEY (not set)",
		"AWS_WEB_IDENTITY_TOKEN_FILE (not set)", "instance metadata")
	if len(w.Requests()) != 0 {
		t.Errorf("AWS was asked without an identity: %v", w.Requests())
	}
}

// webIdentity gives the pod a role by a service account token, as EKS does, and no keys.
func (w *world) webIdentity(t *testing.T, role fakeaws.Role) {
	forgetIdentity(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("e30.e30.sig"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
	t.Setenv("AWS_ROLE_ARN", w.own.Role(role))
}

func TestWebIdentity(t *testing.T) {
	tests := map[string]func(t *testing.T, w *world){
		"endpoint of the configuration": func(*testing.T, *world) {},
		"endpoint of the environment": func(t *testing.T, w *world) {
			t.Setenv("AWS_ENDPOINT_URL", w.url)
			w.config.Accounts[0].EndpointURL, w.config.Accounts[0].STSEndpointURL = "", ""
		},
		"the configuration's beats the environment's": func(t *testing.T, _ *world) {
			t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
			t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1")
			t.Setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
		},
		"STS throttles first": func(_ *testing.T, w *world) {
			w.Order(fakeaws.Trouble{Operation: "AssumeRoleWithWebIdentity", Effect: fakeaws.Throttle, Calls: 2})
		},
		"STS fails first": func(_ *testing.T, w *world) {
			w.Order(fakeaws.Trouble{Operation: "AssumeRoleWithWebIdentity", Effect: fakeaws.Fail, Calls: 2})
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.webIdentity(t, fakeaws.Role{Name: "airflow"})
			w.put("airflow/connections/db")
			change(t, w)
			if found := w.mustGather(t); len(found.Secrets) != 1 {
				t.Errorf("%d secrets were read, expected 1", len(found.Secrets))
			}
		})
	}
}

func TestTheAccountIsToldWhereItIsKnown(t *testing.T) {
	w := newWorld(t)
	w.webIdentity(t, fakeaws.Role{Name: "airflow"})
	found := w.mustGather(t)
	if !strings.Contains(found.Looked, "region eu-central-1 of account "+account) {
		t.Errorf("looked is %q, expected the account", found.Looked)
	}
}

func TestNoRole(t *testing.T) {
	tests := map[string]struct {
		change func(t *testing.T, w *world)
		code   contract.Code
		says   string
	}{
		"the trust policy refuses": {func(t *testing.T, w *world) {
			w.webIdentity(t, fakeaws.Role{Name: "airflow", Subject: "system:serviceaccount:airflow:worker"})
		}, contract.AccessDenied, "trust policy"},
		"the token is not there": {func(t *testing.T, w *world) {
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")
		}, contract.NoCredentials, "/nowhere/token"},
		"a token and no role": {func(t *testing.T, w *world) {
			t.Setenv("AWS_ROLE_ARN", "")
		}, contract.InvalidEnv, "role ARN is not set"},
		"STS never answers": {func(t *testing.T, w *world) {
			w.config.Accounts[0].STSEndpointURL = silent(t)
		}, contract.TimedOut, "getting AWS credentials"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.webIdentity(t, fakeaws.Role{Name: "airflow"})
			w.put("airflow/connections/db")
			test.change(t, w)
			_, err := w.gatherWithin(t, time.Second)
			expectError(t, err, test.code, test.says)
		})
	}
}

// silent is the address of a server that takes requests and does not answer them before the test ends.
func silent(t *testing.T) string {
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-ended }))
	t.Cleanup(func() { close(ended); server.Close() })
	return server.URL
}

// EKS Pod Identity's agent answers on the node.
func TestContainerCredentials(t *testing.T) {
	w := newWorld(t)
	w.put("airflow/connections/db")
	keys := w.own.Keys("AKIAPODIDENTITY")
	broken := 2
	agent := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "token" {
			http.Error(rw, "no pod identity association", http.StatusNotFound)
			return
		}
		if broken--; broken >= 0 {
			http.Error(rw, "starting", http.StatusServiceUnavailable)
			return
		}
		io.WriteString(rw, `{"AccessKeyId":"`+keys.ID+`","SecretAccessKey":"`+keys.Secret+`","Token":"","Expiration":"2099-01-01T00:00:00Z"}`)
	}))
	defer agent.Close()
	forgetIdentity(t)
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.URL)
	token := filepath.Join(t.TempDir(), "token")
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token)

	os.WriteFile(token, []byte("token"), 0o600)
	if found := w.mustGather(t); len(found.Secrets) != 1 {
		t.Errorf("%d secrets were read, expected 1", len(found.Secrets))
	}
	os.WriteFile(token, []byte("of another pod"), 0o600)
	_, err := w.gather(t)
	expectError(t, err, contract.NoCredentials, "AWS_CONTAINER_CREDENTIALS_FULL_URI (set)", "no pod identity association")
}

func TestEndpointsThatNobodyCouldReach(t *testing.T) {
	for _, endpoint := range []string{"localhost", "localhost:4566", "ftp://localhost", "http://", "://", "https:///path"} {
		w := newWorld(t)
		w.config.Accounts[0].EndpointURL = endpoint
		_, err := w.gather(t)
		expectError(t, err, contract.InvalidEnv, `"`+endpoint+`"`, "https://secretsmanager.")

		w.config.Accounts[0].EndpointURL, w.config.Accounts[0].STSEndpointURL = w.url, endpoint
		_, err = w.gather(t)
		expectError(t, err, contract.InvalidEnv, "of STS", `"`+endpoint+`"`, "https://sts.")
		if len(w.Requests()) != 0 {
			t.Errorf("there were calls %+v, expected none", w.Requests())
		}
	}
}

// Each service has its own endpoint.
func TestEndpointsAreTheirServicesAlone(t *testing.T) {
	w := newWorld(t)
	w.webIdentity(t, fakeaws.Role{Name: "airflow"})
	w.put("airflow/connections/db")
	w.config.Accounts[0].STSEndpointURL = ""
	for _, name := range []string{"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SECRETS_MANAGER"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	_, err := w.gatherWithin(t, 300*time.Millisecond)
	expectError(t, err, contract.Unavailable, "getting AWS credentials")

	t.Setenv("AWS_ENDPOINT_URL_STS", w.url)
	if found := w.mustGather(t); len(found.Secrets) != 1 {
		t.Errorf("%d secrets were read, expected 1", len(found.Secrets))
	}
}

// A profile that is not there takes nothing else of the environment along.
func TestTheEnvironmentWithoutItsProfile(t *testing.T) {
	w := newWorld(t)
	w.put("airflow/connections/db")
	server := httptest.NewUnstartedServer(w.Server)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600)
	secretKeys(t, w)
	a := &w.config.Accounts[0]
	a.KeysFromEnv, a.Region, a.EndpointURL, a.STSEndpointURL = true, "", "", ""
	a.Role = &contract.Role{ARN: w.own.Role(fakeaws.Role{Name: "r"})}
	t.Setenv("AWS_PROFILE", "gone")
	t.Setenv("AWS_REGION", region)
	t.Setenv("AWS_CA_BUNDLE", bundle)
	for _, endpoints := range []map[string]string{
		{"AWS_ENDPOINT_URL": server.URL},
		{"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_STS": server.URL, "AWS_ENDPOINT_URL_SECRETS_MANAGER": server.URL},
	} {
		for name, value := range endpoints {
			t.Setenv(name, value)
		}
		if found := w.mustGather(t); len(found.Secrets) != 1 {
			t.Errorf("%v: %d secrets were read, expected 1", endpoints, len(found.Secrets))
		}
	}
	w.Order(fakeaws.Trouble{Operation: "ListSecrets", Effect: fakeaws.Throttle, Calls: 4})
	w.mustGather(t)
	for file, says := range map[string]string{"/nowhere/ca.pem": "/nowhere/ca.pem", os.Args[0]: "expected PEM"} {
		t.Setenv("AWS_CA_BUNDLE", file)
		_, err := w.gather(t)
		expectError(t, err, contract.InvalidEnv, says)
	}
}

func TestFIPSAndDualStack(t *testing.T) {
	tests := map[string]func(*testing.T, *contract.Account){
		"FIPS":                        func(_ *testing.T, a *contract.Account) { a.FIPS = true },
		"dual-stack":                  func(_ *testing.T, a *contract.Account) { a.DualStack = true },
		"FIPS by the environment":     func(t *testing.T, _ *contract.Account) { t.Setenv("AWS_USE_FIPS_ENDPOINT", "true") },
		"FIPS and an endpoint of STS": func(_ *testing.T, a *contract.Account) { a.FIPS, a.EndpointURL = true, "" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			change(t, &w.config.Accounts[0])
			_, err := w.gather(t)
			expectError(t, err, contract.InvalidEnv, "FIPS", "leave one of them out")
		})
	}
}

func TestCertificates(t *testing.T) {
	w := newWorld(t)
	w.put("airflow/connections/db")
	server := httptest.NewUnstartedServer(w.Server)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	w.config.Accounts[0].EndpointURL = server.URL

	_, err := w.gather(t)
	expectError(t, err, contract.Unavailable, "AWS_CA_BUNDLE", "certificate")

	bundle := filepath.Join(t.TempDir(), "ca.pem")
	os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600)
	t.Setenv("AWS_CA_BUNDLE", bundle)
	if found := w.mustGather(t); len(found.Secrets) != 1 {
		t.Errorf("%d secrets were read over TLS, expected 1", len(found.Secrets))
	}

	w.config.Accounts[0].EndpointURL = strings.Replace(w.url, "http://", "https://", 1)
	_, err = w.gather(t)
	expectError(t, err, contract.AWSRefused, "HTTP response to HTTPS client")

	t.Setenv("AWS_CA_BUNDLE", "/nowhere/ca.pem")
	_, err = w.gather(t)
	expectError(t, err, contract.InvalidEnv, "/nowhere/ca.pem")
}
