package contract_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

func config() contract.Config {
	return contract.Config{
		Version: contract.Version, Directory: contract.Directory, FileMode: 0o444,
		Timeout: contract.Duration(2 * time.Minute), Read: contract.ReadAuto,
		Accounts: []contract.Account{{
			Name: "own", Region: "eu-central-1", EndpointURL: "http://127.0.0.1:4566", Separator: "/",
			Connections: &contract.Names{Prefix: "airflow/connections"}, Variables: &contract.Names{Prefix: "airflow/variables"},
		}},
		Warnings: []string{"one", "two"},
	}
}

func TestConfigRoundTrip(t *testing.T) {
	tests := map[string]func(*contract.Config){
		"everything":           func(*contract.Config) {},
		"variables turned off": func(c *contract.Config) { c.Accounts[0].Variables = nil },
		"two accounts": func(c *contract.Config) {
			c.Accounts = append(c.Accounts, contract.Account{Name: "shared", Separator: "-"})
		},
		"what the kubelet would expand": func(c *contract.Config) {
			c.Accounts[0].Connections.Prefix = "$(HOME)/$$/$x"
			c.Warnings = []string{"$(PATH) costs $5"}
		},
		"what JSON escapes": func(c *contract.Config) { c.Warnings = []string{"<a & b> \"quoted\" \\ \u2028 ü \n"} },
		"the tightest mode": func(c *contract.Config) { c.FileMode = 0o400 },
		"no warnings":       func(c *contract.Config) { c.Warnings = nil },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			want := config()
			change(&want)
			text, err := want.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if strings.ContainsAny(text, "$\n") {
				t.Errorf("the encoded configuration holds a dollar sign or a line break: %s", text)
			}
			got, err := contract.Decode(text)
			if err != nil {
				t.Fatalf("decoding %s: %v", text, err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("decoded  %+v\nexpected %+v", got, want)
			}
		})
	}
}

// The text is what a pod has in its environment, perhaps for months, and what other versions must read.
func TestConfigOnTheWire(t *testing.T) {
	got, err := config().Encode()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"version":1,"directory":"/var/run/secrets/airflow","fileMode":"0444","timeout":"2m0s","read":"auto",` +
		`"accounts":[{"name":"own","region":"eu-central-1","endpointURL":"http://127.0.0.1:4566","separator":"/",` +
		`"connections":{"prefix":"airflow/connections"},"variables":{"prefix":"airflow/variables"}}],"warnings":["one","two"]}`
	if got != want {
		t.Errorf("encoded  %s\nexpected %s", got, want)
	}
}

func TestDecodeIsStrict(t *testing.T) {
	valid, err := config().Encode()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		old, new string // what is replaced in a valid configuration
		code     contract.Code
		says     string
	}{
		"a newer version":              {`"version":1`, `"version":2`, contract.ConfigTooNew, "version 2 and this fetcher knows up to 1"},
		"a newer one, other fields":    {`"version":1`, `"version":2,"refresh":"5m"`, contract.ConfigTooNew, "update the image"},
		"no version":                   {`"version":1,`, ``, contract.InvalidConfig, "version is 0"},
		"an unknown field":             {`"version":1`, `"version":1,"refresh":"5m"`, contract.InvalidConfig, `"refresh"`},
		"an unknown field of names":    {`"prefix":"airflow/connections"`, `"prefix":"a","names":["x"]`, contract.InvalidConfig, `"names"`},
		"more after the object":        {`"two"]}`, `"two"]}{}`, contract.InvalidConfig, "after top-level value"},
		"no JSON":                      {`{"version"`, `version`, contract.InvalidConfig, contract.ConfigEnv},
		"a folder that is relative":    {`"/var/run/secrets/airflow"`, `"secrets"`, contract.InvalidConfig, `"secrets"`},
		"a folder that climbs":         {`"/var/run/secrets/airflow"`, `"/var/../etc"`, contract.InvalidConfig, `"/var/../etc"`},
		"the root folder":              {`"/var/run/secrets/airflow"`, `"/"`, contract.InvalidConfig, `"/"`},
		"no time":                      {`"2m0s"`, `"0s"`, contract.InvalidConfig, "timeout is 0s"},
		"a timeout without a unit":     {`"2m0s"`, `"120"`, contract.InvalidConfig, "120"},
		"a mode nobody reads":          {`"0444"`, `"0044"`, contract.InvalidConfig, "fileMode is 0044"},
		"a mode that is not octal":     {`"0444"`, `"0999"`, contract.InvalidConfig, `"0999"`},
		"a mode with other bits":       {`"0444"`, `"4444"`, contract.InvalidConfig, `"4444"`},
		"an unknown way to read":       {`"read":"auto"`, `"read":"fast"`, contract.InvalidConfig, `read is "fast"`},
		"no account":                   {`"accounts":[`, `"accounts":[],"warnings":[`, contract.InvalidConfig, ""},
		"an account without a name":    {`"name":"own"`, `"name":""`, contract.InvalidConfig, "accounts[0]"},
		"an id that is empty":          {`"prefix":"airflow/connections"`, `"prefix":"a","ids":[""]`, contract.InvalidConfig, "accounts[0]: connections: an id is empty"},
		"a prefix of everything":       {`"prefix":"airflow/connections"`, `"prefix":"/"`, contract.InvalidConfig, "accounts[0]: connections: prefix is"},
		"a pattern that is none":       {`"prefix":"airflow/connections"`, `"prefix":"a","pattern":"("`, contract.InvalidConfig, "accounts[0]: connections: pattern: expected a regular expression"},
		"a file that climbs":           {`"separator":"/"`, `"separator":"/","files":[{"path":"../x","secret":"x"}]`, contract.InvalidConfig, `the file "../x": expected a relative path`},
		"a file with an absolute path": {`"separator":"/"`, `"separator":"/","files":[{"path":"/etc/x","secret":"x"}]`, contract.InvalidConfig, `the file "/etc/x"`},
		"a file in our own folder":     {`"separator":"/"`, `"separator":"/","files":[{"path":"a/..data","secret":"x"}]`, contract.InvalidConfig, `the file "a/..data"`},
		"a file without a secret":      {`"separator":"/"`, `"separator":"/","files":[{"path":"x","secret":""}]`, contract.InvalidConfig, `the file "x" has no secret`},
		"a role without an ARN":        {`"separator":"/"`, `"separator":"/","role":{"arn":""}`, contract.InvalidConfig, "a role has no ARN"},
		"an unknown response":          {`"read":"auto"`, `"read":"auto","onEmpty":"ignore"`, contract.InvalidConfig, `onEmpty is "ignore"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(valid, test.old, test.new, 1)
			if text == valid {
				t.Fatalf("%q is not in %s", test.old, valid)
			}
			_, err := contract.Decode(text)
			var e *contract.Error
			if !errors.As(err, &e) || e.Code != test.code || !strings.Contains(err.Error(), test.says) {
				t.Errorf("Decode gives %v, expected code %s and a text with %q", err, test.code, test.says)
			}
		})
	}
}

func TestSecretPrefix(t *testing.T) {
	tests := []struct{ prefix, separator, want string }{
		{"airflow/connections", "/", "airflow/connections/"},
		{"airflow/connections/", "/", "airflow/connections/"},
		{"airflow/connections///", "/", "airflow/connections/"},
		{"airflow", "-", "airflow-"},
		{"airflow/-/-", "/-", "airflow/-"}, // Python's rstrip takes the separator for a set of characters
		{"/", "/", ""},
		{"", "/", ""},
		{"airflow-", "", "airflow-"},
		{"airflow/connections", "__", "airflow/connections__"},
	}
	for _, test := range tests {
		if got := (contract.Names{Prefix: test.prefix}).SecretPrefix(test.separator); got != test.want {
			t.Errorf("prefix %q with separator %q gives %q, expected %q", test.prefix, test.separator, got, test.want)
		}
	}
}

func TestBackendKwargsAreJSON(t *testing.T) {
	var kwargs map[string]string
	if err := json.Unmarshal([]byte(contract.BackendKwargs("/some/folder")), &kwargs); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"connections_file_path": "/some/folder/connections.json", "variables_file_path": "/some/folder/variables.json"}
	if !reflect.DeepEqual(kwargs, want) {
		t.Errorf("kwargs are %v, expected %v", kwargs, want)
	}
}

// A nil list would be null, which is a different thing to whoever reads the report.
func TestEmptyReportHasLists(t *testing.T) {
	text, err := json.Marshal(contract.NewReport())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"version":1,"connections":[],"variables":[],"config":[],"files":[],"leftOut":[],"collisions":[],"warnings":[]}`
	if string(text) != want {
		t.Errorf("report is %s, expected %s", text, want)
	}
}

func TestErrorReadsAsOneSentence(t *testing.T) {
	cause := errors.New("api error")
	tests := []struct {
		err  *contract.Error
		want string
	}{
		{&contract.Error{Code: contract.AccessDenied}, "AWS denied access"},
		{&contract.Error{Code: contract.AccessDenied, Detail: "listing"}, "AWS denied access: listing"},
		{&contract.Error{Code: contract.AccessDenied, Err: cause}, "AWS denied access: api error"},
		{&contract.Error{Code: contract.AccessDenied, Detail: "listing", Err: cause}, "AWS denied access: listing: api error"},
	}
	for _, test := range tests {
		if got := test.err.Error(); got != test.want {
			t.Errorf("error is %q, expected %q", got, test.want)
		}
	}
	if !errors.Is(fmt.Errorf("fetching: %w", tests[3].err), cause) {
		t.Error("the cause cannot be found in the error")
	}
}
