package injector

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// TestTable holds each row to what the rest relies on: one key once, a line of documentation, an example that parses.
func TestTable(t *testing.T) {
	var keys []string
	for _, r := range table {
		if slices.Contains(keys, r.key) {
			t.Errorf("%s is there twice", r.key)
		}
		keys = append(keys, r.key)
		if r.doc == "" || strings.Contains(r.doc, "\n") || !strings.HasSuffix(r.doc, ".") {
			t.Errorf("%s: the doc is %q, expected one sentence or more on one line", r.key, r.doc)
		}
		if r.example == "" && r.key != statusKey {
			t.Errorf("%s has no example", r.key)
		}
		if r.set == nil {
			continue
		}
		for _, value := range []string{r.builtIn, r.example} {
			if err := r.set(new(settings), value); value != "" && err != nil {
				t.Errorf("%s: %q is documented and refused: %v", r.key, value, err)
			}
		}
	}
}

func TestBuiltInSettings(t *testing.T) {
	s := builtInSettings
	if s.connections.prefix.text != "airflow/connections" || s.variables.prefix.text != "airflow/variables" || s.separator != "/" ||
		s.read != contract.ReadAuto || s.fileMode != 0o444 || s.timeout != 2*time.Minute {
		t.Errorf("the built-in settings are %+v", s)
	}
	for name, want := range map[string]string{"cpu": "50m", "memory": "32Mi"} {
		if q := s.resources.Requests[name]; q.String() != want {
			t.Errorf("request of %s: %s, expected %s", name, q.String(), want)
		}
	}
	for name, want := range map[string]string{"cpu": "500m", "memory": "64Mi"} {
		if q := s.resources.Limits[name]; q.String() != want {
			t.Errorf("limit of %s: %s, expected %s", name, q.String(), want)
		}
	}
}

func TestValues(t *testing.T) {
	for _, c := range []struct {
		key           string
		right, wrongs []string
	}{
		{"connections-prefix", []string{"a", "a/b", "none", "org/t-1/prod/airflow", "with+=.@_chars", ""}, []string{" a", "a b", "ä", "a:b", strings.Repeat("a", 501), "*"}},
		{"sep", []string{"/", "-", "--", "_"}, []string{"", " ", ":", "---------"}},
		{"region", []string{"eu-central-1", "us-gov-west-1", "cn-north-1", "us-isob-east-1", "ap-southeast-4"}, []string{"eu-central-1a", "EU-central-1", "frankfurt", "eu_central_1", "eu-central-1 "}},
		{"endpoint-url", []string{"https://a.example.com", "http://127.0.0.1:4566", "https://a/b"}, []string{"a.example.com", "ftp://a", "https://", "https://u:p@a", "https://a?b", "://", "https://a#b", "https://a:99999", "https://a?", "HTTP:/a"}},
		{"read", []string{"auto", "batch", "single"}, []string{"Auto", "fast", "none"}},
		{"containers", []string{"worker", "a,b", "a, b", strings.Repeat("a,", 90) + "b"}, []string{",", "a,", "A", "a b", "a;b"}},
		{"image", []string{"a", "a:1", "registry.example.com:5000/a/b:1", "a@sha256:" + strings.Repeat("a", 64)}, []string{"A", "a b", "a:", "http://a"}},
		{"resources", []string{`{}`, `{"requests":{"cpu":"1m"}}`, `{"limits":{"cpu":1,"memory":"1Gi"}}`, `{"limits":{"cpu":"50m"}}`},
			[]string{"50m", "[]", `{"limit":{}}`, `{"requests":{"cpu":"1"}}`, `{"limits":{"memory":"-1"}}`, `{"limits":{"cpu":"x"}}`, `{"limits":{"gpu":"1"}}`, `{"requests":{"cpu":"1"},"requests":{}}`}},
		{"file-mode", []string{"0444", "444", "0440", "0400", "0644"}, []string{"0222", "0777", "0666", "999", "r--r--r--", "04444", "-1", ""}},
		{"connections-lookup-pattern", []string{"^aws_", "", "a|b$"}, []string{"(", "(?=a)", "ä"}},
		{"connections", []string{"a", "a,b", "a, b", "http/api", "a=b@c"}, []string{"", ",", "a,", "a b", "a;b", "ä", strings.Repeat("a", 513)}},
		{"role-arn", []string{"arn:aws:iam::111122223333:role/a", "arn:aws-cn:iam::111122223333:role/path/a+b", "arn:aws-us-gov:iam::111122223333:role/a", ""},
			[]string{"a", "arn:aws:iam::11112222333:role/a", "arn:aws:iam::111122223333:user/a", "arn:aws:sts::111122223333:assumed-role/a/b", "arn:aws:iam::111122223333:role/"}},
		{"external-id", []string{"ab", "a:b/c", strings.Repeat("a", 1224), ""}, []string{"a", "a b", strings.Repeat("a", 1225)}},
		{"credentials-secret", []string{"airflow-aws", "a.b", ""}, []string{"A", "a/b", "a_b"}},
		{"backend-kwargs", []string{`{}`, `{"connections_prefix": null}`}, []string{"", "[]", "null", "{", `{"aws_access_key_id": null}`, `{"aws_secret_access_key": "x"}`, `{"aws_session_token": "x"}`, `{} {}`}},
		{"files", []string{"a=b", "a/b.pem=x/y#pem", "a=arn:aws:secretsmanager:eu-central-1:111122223333:secret:x-AbCdEf", "a=b,c=d", "a=b=c#k=v/w"},
			[]string{"", "a", "=b", "a=", "a=b#", "../a=b", "a/../b=c", "/a=b", "a//b=c", "..a=b", "a/..b=c", "a=b,a=c", "a=b,a/b=c", ".=b", "a b=c", "a=b c", "a=arn:aws:s3:::x", "a=arn:aws:secretsmanager:eu:1:secret:x", "a/=b"}},
		{"config", []string{"core.fernet_key=a", "core.dags_folder=a", "a_b.c_d2=x/y, e.f=x/z", "a.b.c=d", "api_auth.jwt_secret=a", "kafka.client_secret=a"},
			[]string{"", "a", "a=b", "a.b", "a.b=", "A.b=c", "a.B=c", "a-b.c=d", "a.b-c=d", "a__b.c=d", "a.b__c=d", "a.b=../c", "a.b=c,a.b=d", "a.b=c,a.d=c/e", "a.b.c=d,a_b.c=e",
				"secrets.backend=a", "secrets.backend_kwargs=a", "secrets.backend_cmd=a", "workers.secrets_backend=a", "workers.secrets_backend_kwargs_secret=a", "core.multi_team=a",
				"core.fernet_key_cmd=a", "core.fernet_key_secret=a", "a." + strings.Repeat("b", 200) + "=c"}},
		{"deliver", []string{"files", "env"}, []string{"", "Env", "environment"}},
		{"entrypoint", []string{"/usr/bin/dumb-init -- /entrypoint", "  /a\t-b=c,d ", "", " ", `["/a b", "\"", "c'd"]`, `[]`},
			[]string{`/a "b c"`, "/a 'b'", `/a\ b`, "/a $(B)", "/a;b", "/a\x00", `["$(a)"]`, `["/a", ""]`, `["/a"`, `["/a", 1]`, `["/a"] b`, `["a\u0000"]`, strings.Repeat("a", 4097)}},
		{"on-missing", []string{"fail", "warn"}, []string{"", "Fail", "ignore"}},
		{"timeout", []string{"1s", "2m", "90s", "10m"}, []string{"", "2", "0s", "999ms", "11m", "-1m", "soon"}},
	} {
		r, ok := rowOf(c.key)
		if !ok {
			t.Fatalf("%s is no key", c.key)
		}
		for _, value := range c.right {
			if err := r.set(new(settings), value); err != nil {
				t.Errorf("%s: %q is refused: expected %v", c.key, value, err)
			}
		}
		for _, value := range c.wrongs {
			if err := r.set(new(settings), value); err == nil {
				t.Errorf("%s: %q is accepted", c.key, value)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	for key, want := range map[string]string{
		"conections-prefix": "connections-prefix", "Region": "region", "time-out": "timeout", "endpoint": "endpoint-url",
		"container": "containers", "variable-prefix": "variables-prefix", "filemode": "file-mode",
	} {
		if got := nearest(key); !strings.Contains(got, Prefix+want+"?") {
			t.Errorf("nearest to %s: %q, expected %s", key, got, want)
		}
	}
	if got := nearest("something-quite-different"); strings.Contains(got, "did you mean") {
		t.Errorf("nearest to nothing: %q", got)
	}
}

func TestDefaultsFile(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":         {"", ""},
		"good":          {"region: eu-central-1\nlocked: [image, role-arn]", ""},
		"unknown key":   {"regoin: eu-central-1", "regoin is no known annotation: did you mean airflow-secrets/region?"},
		"with prefix":   {"airflow-secrets/region: eu-central-1", "airflow-secrets/region is written without airflow-secrets/ here"},
		"bad value":     {"timeout: soon", "timeout: expected a duration from 1s to 10m, such as 90s or 2m, found soon"},
		"not text":      {"file-mode: 0444", "file-mode is not text: put the value into quotes"},
		"not built":     {"refresh: 5m", "refresh is not supported yet"},
		"env only":      {"config: core.dags_folder=dags\ndeliver: env\nlocked: [deliver]", ""},
		"not by files":  {"config: core.dags_folder=dags", "the cluster default config: expected options that Airflow takes from a command"},
		"kwargs":        {"backend-kwargs: '{}'", "backend-kwargs is for pods only"},
		"no ids":        {"connections-prefix: \"\"", "the cluster default connections-prefix: expected more than separators"},
		"for pods only": {"inject: \"true\"", "inject is for pods only"},
		"locked inject": {"locked: [inject]", "locked: inject is for pods only"},
		"locked text":   {"locked: image", "locked: expected a list of keys such as [image, endpoint-url], found image"},
		"locked typo":   {"locked: [imgae]", "locked: imgae is no known annotation: did you mean airflow-secrets/image?"},
		"not a map":     {"- region", "expected YAML such as"},
		"twice":         {"region: eu-central-1\nregion: eu-central-1", "already set"},
		"separators":    {"sep: _\nvariables-prefix: ___", "the cluster default variables-prefix: expected more than separators"},
		"two mistakes":  {"timeout: soon\nsep: \"\"", "sep: expected"},
		"hidden":        {"endpoint-url: https://u:hunter2@x", "endpoint-url: expected a URL"},
	} {
		_, err := ParseDefaults([]byte(c.text))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && err == nil:
			t.Errorf("%s: accepted, expected %q", name, c.want)
		case err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: %v, expected %q", name, err, c.want)
		}
	}
}
