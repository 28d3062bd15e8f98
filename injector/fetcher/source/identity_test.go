package source_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// secretReader is who read the last secret: the end of an ARN.
func (w *world) secretReader(t *testing.T) string {
	t.Helper()
	requests := w.Requests()
	if len(requests) == 0 || requests[len(requests)-1].Service != "secretsmanager" {
		t.Fatalf("the calls are %+v, expected the last to read a secret", requests)
	}
	caller := requests[len(requests)-1].Caller
	return caller[strings.LastIndex(caller, ":")+1:]
}

// An environment that has all ways to an identity at once: the account says which one is taken.
func (w *world) everyIdentity(t *testing.T) {
	w.webIdentity(t, fakeaws.Role{Name: "web"})
	env := w.own.Keys("AKIAENV")
	t.Setenv("AWS_ACCESS_KEY_ID", env.ID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", env.Secret)
	profile := w.own.Keys("AKIAPROFILE")
	file := filepath.Join(t.TempDir(), "credentials")
	write(t, file, fmt.Sprintf("[team]\naws_access_key_id=%s\naws_secret_access_key=%s\n[roled]\nsource_profile=team\nrole_arn=%s\n",
		profile.ID, profile.Secret, w.own.Role(fakeaws.Role{Name: "profiled"})))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv(contract.NamespaceEnv, "airflow")
	t.Setenv(contract.PodEnv, "worker-0")
	agent := w.podIdentityAgent(t, "AKIAPODIDENTITY")
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", w.instanceMetadata(t, "AKIANODE"))
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// podIdentityAgent is that of EKS on the node: it gives a user's keys for a token.
func (w *world) podIdentityAgent(t *testing.T, id string) (url string) {
	keys := w.own.Keys(id)
	agent := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "token" {
			http.Error(rw, "no pod identity association", http.StatusNotFound)
			return
		}
		fmt.Fprintf(rw, `{"AccessKeyId":%q,"SecretAccessKey":%q,"Token":"","Expiration":"2099-01-01T00:00:00Z"}`, keys.ID, keys.Secret)
	}))
	t.Cleanup(agent.Close)
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, "token")
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token)
	return agent.URL
}

// instanceMetadata is the node's, version 2: each question needs a token that is asked for first (EC2 user guide, "Use the
// Instance Metadata Service to access instance metadata").
func (w *world) instanceMetadata(t *testing.T, id string) (url string) {
	keys := w.own.Keys(id)
	const token, roles = "imds-token", "/latest/meta-data/iam/security-credentials/"
	metadata := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
			rw.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
			io.WriteString(rw, token)
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != token:
			http.Error(rw, "no token", http.StatusUnauthorized)
		case r.URL.Path == roles:
			io.WriteString(rw, "node")
		case r.URL.Path == roles+"node":
			fmt.Fprintf(rw, `{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":%q,"SecretAccessKey":%q,"Token":"","Expiration":"2099-01-01T00:00:00Z"}`, keys.ID, keys.Secret)
		default:
			http.NotFound(rw, r)
		}
	}))
	t.Cleanup(metadata.Close)
	return metadata.URL
}

type way struct {
	name, caller string
	change       func(*testing.T, *world, *contract.Account)
}

// ways is each way to an identity, with who is then the caller, in the order in which one goes before the next.
func ways() []way {
	unset := func(names ...string) func(*testing.T, *world, *contract.Account) {
		return func(t *testing.T, _ *world, _ *contract.Account) {
			for _, name := range names {
				t.Setenv(name, "")
			}
		}
	}
	const session = "/airflow,worker-0"
	return []way{
		{"the account's keys", "user/AKIAGIVEN", func(_ *testing.T, w *world, a *contract.Account) {
			given := w.own.Keys("AKIAGIVEN")
			a.Keys = func() (string, string, string) { return given.ID, given.Secret, "" }
			a.KeysFromEnv, a.WebIdentity, a.Profile = true, &contract.WebIdentity{RoleARN: "arn:aws:iam::111122223333:role/web"}, "team"
		}},
		{"keys of a Secret", "user/AKIASECRET", func(t *testing.T, w *world, a *contract.Account) {
			secretKeys(t, w)
			a.KeysFromEnv, a.WebIdentity, a.Profile = true, &contract.WebIdentity{RoleARN: "arn:aws:iam::111122223333:role/web"}, "team"
			t.Setenv("AWS_PROFILE", "team")
		}},
		{"keys of a Secret, and a profile that is not there", "user/AKIASECRET", func(t *testing.T, w *world, a *contract.Account) {
			secretKeys(t, w)
			a.KeysFromEnv = true
			t.Setenv("AWS_PROFILE", "gone")
		}},
		{"a web identity", "assumed-role/own-web" + session, func(t *testing.T, w *world, a *contract.Account) {
			token := filepath.Join(t.TempDir(), "own-token")
			write(t, token, "e30.e30.sig")
			a.WebIdentity = &contract.WebIdentity{RoleARN: w.own.Role(fakeaws.Role{Name: "own-web"}), TokenFile: token}
			a.Profile = "team"
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere")
		}},
		{"a web identity by the environment's token", "assumed-role/own-web" + session, func(t *testing.T, w *world, a *contract.Account) {
			a.WebIdentity = &contract.WebIdentity{RoleARN: w.own.Role(fakeaws.Role{Name: "own-web"})}
			t.Setenv("AWS_PROFILE", "gone")
		}},
		{"a profile", "user/AKIAPROFILE", func(_ *testing.T, _ *world, a *contract.Account) { a.Profile = "team" }},
		{"a profile with a role", "assumed-role/profiled" + session, func(_ *testing.T, _ *world, a *contract.Account) { a.Profile = "roled" }},
		{"the chain: keys", "user/AKIAENV", unset()},
		{"the chain: IRSA", "assumed-role/web" + session, unset("AWS_ACCESS_KEY_ID")},
		{"the chain: IRSA with a session name of its own", "assumed-role/web/mine", func(t *testing.T, _ *world, _ *contract.Account) {
			t.Setenv("AWS_ACCESS_KEY_ID", "")
			t.Setenv("AWS_ROLE_SESSION_NAME", "mine")
		}},
		{"the chain: AWS_PROFILE", "user/AKIAPROFILE", func(t *testing.T, _ *world, _ *contract.Account) {
			t.Setenv("AWS_ACCESS_KEY_ID", "")
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "")
			t.Setenv("AWS_PROFILE", "team")
		}},
		{"the chain: EKS Pod Identity", "user/AKIAPODIDENTITY", unset("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE")},
		{"the chain: instance metadata", "user/AKIANODE", unset("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI")},
	}
}

func TestWhichIdentityIsTaken(t *testing.T) {
	for _, way := range ways() {
		for _, withRole := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, with a role %v", way.name, withRole), func(t *testing.T) {
				w := newWorld(t)
				w.everyIdentity(t)
				w.put("airflow/connections/db")
				way.change(t, w, &w.config.Accounts[0])
				want := way.caller
				if withRole {
					w.config.Accounts[0].Role = &contract.Role{ARN: w.own.Role(fakeaws.Role{Name: "asked-for"})}
					want = "assumed-role/asked-for/airflow,worker-0"
				}
				if found := w.mustGather(t); len(found.Secrets) != 1 {
					t.Errorf("%d secrets were read, expected 1", len(found.Secrets))
				}
				if got := w.secretReader(t); got != want {
					t.Errorf("the secret was read by %s, expected %s", got, want)
				}
				if withRole && !w.calledBy("AssumeRole", way.caller) {
					t.Errorf("the calls are %+v, expected the role to be assumed by %s", w.Requests(), way.caller)
				}
			})
		}
	}
}

func (w *world) calledBy(operation, caller string) bool {
	for _, r := range w.Requests() {
		if r.Operation == operation && strings.HasSuffix(r.Caller, ":"+caller) {
			return true
		}
	}
	return false
}

func TestNoIdentityOfTheKindThatIsAskedFor(t *testing.T) {
	tests := map[string]struct {
		change func(*testing.T, *contract.Account)
		code   contract.Code
		says   []string
	}{
		"no secret key": {func(t *testing.T, a *contract.Account) {
			a.KeysFromEnv = true
			t.Setenv(contract.KeyIDEnv, "AKIASECRET")
		}, contract.NoKeys, []string{contract.KeyIDEnv + " (set)", contract.SecretKeyEnv + " (not set)"}},
		"no keys, though the pod has others": {func(t *testing.T, a *contract.Account) {
			a.KeysFromEnv = true
		}, contract.NoKeys, []string{"airflow-secrets/credentials-secret", contract.KeyIDEnv + " (not set)"}},
		"no token file": {func(t *testing.T, a *contract.Account) {
			a.WebIdentity = &contract.WebIdentity{RoleARN: "arn:aws:iam::111122223333:role/web"}
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "")
		}, contract.NoCredentials, []string{"role/web", "AWS_WEB_IDENTITY_TOKEN_FILE"}},
		"a token file that is not there": {func(_ *testing.T, a *contract.Account) {
			a.WebIdentity = &contract.WebIdentity{RoleARN: "arn:aws:iam::111122223333:role/web", TokenFile: "/nowhere/token"}
		}, contract.NoCredentials, []string{"role/web", "/nowhere/token"}},
		"no profile": {func(_ *testing.T, a *contract.Account) { a.Profile = "gone" }, contract.InvalidEnv, []string{"gone"}},
		"keys that are no keys": {func(_ *testing.T, a *contract.Account) {
			a.Keys = func() (string, string, string) { return "", "", "" }
		}, contract.NoCredentials, []string{"kwargs"}},
		"a web identity that is refused": {func(t *testing.T, a *contract.Account) {
			a.WebIdentity = &contract.WebIdentity{RoleARN: "arn:aws:iam::111122223333:role/unknown"}
		}, contract.AccessDenied, []string{"assuming the role arn:aws:iam::111122223333:role/unknown", "trust policy", "OpenID"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.everyIdentity(t)
			test.change(t, &w.config.Accounts[0])
			_, err := w.gather(t)
			expectError(t, err, test.code, test.says...)
			for _, r := range w.Requests() {
				if r.Service != "sts" {
					t.Errorf("there was a call %+v, expected none of another identity", r)
				}
			}
		})
	}
}

func TestAssumingARole(t *testing.T) {
	tests := map[string]struct {
		role    fakeaws.Role
		asked   contract.Role
		policy  string // of the caller; empty: everything
		session string
		says    []string // nil: it works
	}{
		"as the pod":                {role: fakeaws.Role{Name: "r"}, session: "airflow,worker-0"},
		"by a session name":         {role: fakeaws.Role{Name: "r"}, asked: contract.Role{SessionName: "mine"}, session: "mine"},
		"with an external id":       {role: fakeaws.Role{Name: "r", ExternalID: "x"}, asked: contract.Role{ExternalID: "x"}, session: "airflow,worker-0"},
		"with a wrong external id":  {role: fakeaws.Role{Name: "r", ExternalID: "x"}, asked: contract.Role{ExternalID: "y"}, says: []string{"with the external id"}},
		"without an external id":    {role: fakeaws.Role{Name: "r", ExternalID: "x"}, says: []string{"set airflow-secrets/external-id"}},
		"without permission for it": {role: fakeaws.Role{Name: "r"}, policy: `{"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"}`, says: []string{"trust policy"}},
		"with permission for it": {role: fakeaws.Role{Name: "r"}, session: "airflow,worker-0",
			policy: `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":["arn:aws:iam::444455556666:role/r"]}`},
		"that does not trust us": {role: fakeaws.Role{Name: "r", TrustPolicy: `{"Statement":[]}`}, says: []string{"trust policy"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			t.Setenv(contract.NamespaceEnv, "airflow")
			t.Setenv(contract.PodEnv, "worker-0")
			other := w.Account("444455556666")
			other.Put(region, fakeaws.Secret{Name: "airflow/connections/db", String: "x"})
			if test.role.TrustPolicy == "" {
				test.role.TrustedAccounts = []string{account}
			}
			test.asked.ARN = other.Role(test.role)
			w.config.Accounts[0].Role = &test.asked
			if test.policy != "" {
				w.allow(t, w.own, test.policy)
			}
			found, err := w.gather(t)
			if test.says != nil {
				expectError(t, err, contract.AccessDenied, append(test.says, "assuming the role "+test.asked.ARN, "is not authorized to perform: sts:AssumeRole",
					`{"Effect":"Allow","Action":"sts:AssumeRole","Resource":["`+test.asked.ARN+`"]}`)...)
				w.expectCalls(t, "AssumeRole", 1)
				return
			}
			if err != nil || len(found.Secrets) != 1 || found.Accounts[0].ID != "444455556666" {
				t.Fatalf("found %+v with error %v, expected the other account's secret", found, err)
			}
			if got := w.secretReader(t); got != "assumed-role/r/"+test.session {
				t.Errorf("the secret was read by %s, expected the session %s", got, test.session)
			}
		})
	}
}

func TestARolesDuration(t *testing.T) {
	var asked []string
	w := newWorld(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			for _, part := range strings.Split(string(body), "&") {
				if seconds, ok := strings.CutPrefix(part, "DurationSeconds="); ok {
					asked = append(asked, seconds)
				}
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			next.ServeHTTP(w, r)
		})
	})
	for _, duration := range []time.Duration{0, time.Hour} {
		w.config.Accounts[0].Role = &contract.Role{ARN: w.own.Role(fakeaws.Role{Name: "r"}), Duration: contract.Duration(duration)}
		w.mustGather(t)
	}
	if strings.Join(asked, " ") != "900 3600" {
		t.Errorf("durations of %q seconds were asked for, expected the SDK's and an hour", asked)
	}
}

func TestARoleThatHeals(t *testing.T) {
	w := newWorld(t)
	w.put("airflow/connections/db")
	w.config.Accounts[0].Role = &contract.Role{ARN: w.own.Role(fakeaws.Role{Name: "r"})}
	w.Order(fakeaws.Trouble{Operation: "AssumeRole", Effect: fakeaws.Throttle, Calls: 2})
	if found := w.mustGather(t); len(found.Secrets) != 1 {
		t.Errorf("%d secrets were read, expected 1", len(found.Secrets))
	}
	w.config.Accounts[0].STSEndpointURL = silent(t)
	_, err := w.gatherWithin(t, 300*time.Millisecond)
	expectError(t, err, contract.TimedOut, "assuming the role")
}

// What a script leaves at the end of a key is told before any call, and the key is not.
func TestKeysThatNoRequestCanCarry(t *testing.T) {
	const canary = "c4n4ry"
	tests := map[string]struct {
		change func(*testing.T, *contract.Account)
		says   string
	}{
		"the id":            {func(t *testing.T, _ *contract.Account) { t.Setenv("AWS_ACCESS_KEY_ID", canary+"\n") }, "AWS_ACCESS_KEY_ID has"},
		"the secret key":    {func(t *testing.T, _ *contract.Account) { t.Setenv("AWS_SECRET_ACCESS_KEY", canary+"\r\n") }, "AWS_SECRET_ACCESS_KEY has"},
		"the session token": {func(t *testing.T, _ *contract.Account) { t.Setenv("AWS_SESSION_TOKEN", canary+"\n") }, "AWS_SESSION_TOKEN has"},
		"keys of a Secret": {func(t *testing.T, a *contract.Account) {
			a.KeysFromEnv = true
			t.Setenv(contract.KeyIDEnv, "AKIASECRET")
			t.Setenv(contract.SecretKeyEnv, "x")
			t.Setenv(contract.SessionTokenEnv, " "+canary)
		}, "the session token from the Secret that airflow-secrets/credentials-secret names has"},
		"keys of the account": {func(t *testing.T, a *contract.Account) {
			a.Keys = func() (string, string, string) { return "AKIA", "x", canary + "\n" }
		}, "aws_session_token of the backend's kwargs has"},
		"before a role": {func(t *testing.T, a *contract.Account) {
			a.Role = &contract.Role{ARN: "arn:aws:iam::111122223333:role/r"}
			t.Setenv("AWS_SESSION_TOKEN", canary+"ü")
		}, "AWS_SESSION_TOKEN has"},
		"EKS Pod Identity's": {func(t *testing.T, _ *contract.Account) {
			forgetIdentity(t)
			agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, `{"AccessKeyId":"AKIA","SecretAccessKey":"x","Token":"`+canary+`\n","Expiration":"2099-01-01T00:00:00Z"}`)
			}))
			t.Cleanup(agent.Close)
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.URL)
		}, "the session token from CredentialsEndpointProvider has"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			test.change(t, &w.config.Accounts[0])
			_, err := w.gather(t)
			expectError(t, err, contract.InvalidEnv, test.says)
			if strings.Contains(err.Error(), canary) || len(w.Requests()) != 0 {
				t.Errorf("error is %q and the calls are %+v, expected no key and no calls", err, w.Requests())
			}
		})
	}
}

// secretKeys gives the container an access key as credentials-secret does.
func secretKeys(t *testing.T, w *world) {
	keys := w.own.Keys("AKIASECRET")
	t.Setenv(contract.KeyIDEnv, keys.ID)
	t.Setenv(contract.SecretKeyEnv, keys.Secret)
}
