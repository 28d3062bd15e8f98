package contract_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// own is an account as annotations leave it that say nothing.
func own() contract.Account {
	return contract.Account{Name: "own", Separator: "/", Connections: &contract.Names{Prefix: "airflow/connections"}, Variables: &contract.Names{Prefix: "airflow/variables"}}
}

// kwargsCase is a backend's arguments and what becomes of them: a change of the account, or a mistake.
type kwargsCase struct {
	kwargs  string
	want    func(a *contract.Account)
	mistake string // what the error says
	warning string
}

func unchanged(*contract.Account) {}

// kwargsCases has a row or more for every argument that SecretsManagerBackend or the AWS connection below it reads.
var kwargsCases = map[string][]kwargsCase{
	"connections_prefix": {
		{kwargs: `"team/connections"`, want: func(a *contract.Account) { a.Connections.Prefix = "team/connections" }},
		{kwargs: `"team/connections///"`, want: func(a *contract.Account) { a.Connections.Prefix = "team/connections///" }},
		{kwargs: `null`, want: func(a *contract.Account) { a.Connections = nil }},
		{kwargs: `""`, mistake: "connections_prefix: expected one that is not empty, or the ids in the annotation airflow-secrets/connections"},
		{kwargs: `"//"`, mistake: "connections_prefix: expected one that is not empty"},
		{kwargs: `7`, mistake: "connections_prefix: expected text or null"},
	},
	"connections_lookup_pattern": {
		{kwargs: `"^aws_"`, want: func(a *contract.Account) { a.Connections.Pattern = "^aws_" }},
		{kwargs: `null`, want: unchanged},
		{kwargs: `""`, want: unchanged},
		{kwargs: `"(?=x)"`, mistake: "connections_lookup_pattern: expected a pattern without"},
		{kwargs: `["x"]`, mistake: "connections_lookup_pattern: expected text or null"},
	},
	"variables_prefix": {
		{kwargs: `"team/variables"`, want: func(a *contract.Account) { a.Variables.Prefix = "team/variables" }},
		{kwargs: `null`, want: func(a *contract.Account) { a.Variables = nil }},
		{kwargs: `""`, mistake: "variables_prefix: expected one that is not empty"},
	},
	"variables_lookup_pattern": {{kwargs: `"^aws_"`, want: func(a *contract.Account) { a.Variables.Pattern = "^aws_" }}},
	"config_prefix":            {{kwargs: `"team/config"`, want: unchanged}, {kwargs: `null`, want: unchanged}, {kwargs: `1`, mistake: "config_prefix: expected text or null"}},
	"config_lookup_pattern":    {{kwargs: `"^x"`, want: unchanged}},
	"sep": {
		{kwargs: `"-"`, want: func(a *contract.Account) { a.Separator = "-" }},
		{kwargs: `""`, want: func(a *contract.Account) { a.Separator = "" }},
		{kwargs: `null`, mistake: "sep: expected text"},
	},
	"extra_conn_words": {
		{kwargs: `{"user": ["usr"], "password": ["pw", "secret"]}`, want: func(a *contract.Account) {
			a.ConnectionWords = map[string][]string{"user": {"usr"}, "password": {"pw", "secret"}}
		}},
		{kwargs: `null`, want: unchanged},
		{kwargs: `{"usr": ["x"]}`, mistake: "extra_conn_words: expected an object of lists of texts, whose names are among login, user, password"},
		{kwargs: `{"user": "usr"}`, mistake: "extra_conn_words: expected an object of lists"},
		{kwargs: `"x"`, mistake: "extra_conn_words: expected an object of lists"},
	},
	"full_url_mode": {
		{kwargs: `true`, want: unchanged, warning: "the kwarg full_url_mode has no effect"},
		{kwargs: `false`, want: unchanged},
	},
	"are_secret_values_urlencoded": {
		{kwargs: `true`, want: func(a *contract.Account) { a.URLEncoded = true }, warning: "the kwarg are_secret_values_urlencoded is honoured, though"},
		{kwargs: `false`, want: unchanged},
		{kwargs: `"true"`, mistake: "are_secret_values_urlencoded: expected true or false"},
	},
	"region_name": {
		{kwargs: `"eu-west-1"`, want: func(a *contract.Account) { a.Region = "eu-west-1" }},
		{kwargs: `null`, want: unchanged},
		{kwargs: `"Frankfurt"`, mistake: "region_name: expected an AWS region such as eu-central-1"},
	},
	"endpoint_url": {
		{kwargs: `"https://vpce-1.secretsmanager.eu-central-1.vpce.amazonaws.com"`, want: func(a *contract.Account) {
			a.EndpointURL = "https://vpce-1.secretsmanager.eu-central-1.vpce.amazonaws.com"
		}},
		{kwargs: `"https://user:hunter2@x"`, mistake: "endpoint_url: expected a URL without user, query and fragment"},
	},
	"service_config": {
		{kwargs: `{"sts": {"endpoint_url": "https://sts.x"}, "s3": {"bucket_name": "b"}}`, want: func(a *contract.Account) { a.STSEndpointURL = "https://sts.x" }},
		{kwargs: `"x"`, mistake: "service_config: expected an object of objects"},
	},
	"profile_name": {{kwargs: `"team"`, want: func(a *contract.Account) { a.Profile = "team" }}},
	"role_arn": {
		{kwargs: `"arn:aws:iam::111122223333:role/a"`, want: func(a *contract.Account) { a.Role = &contract.Role{ARN: "arn:aws:iam::111122223333:role/a"} }},
		{kwargs: `"arn:aws:iam::1:role/a"`, mistake: "role_arn: expected the ARN of a role"},
		{kwargs: `"arn:aws:iam::111122223333:role/a", "assume_role_method": "assume_role_with_saml"`, mistake: "role_arn: expected assume_role_method to be assume_role or assume_role_with_web_identity: instead of SAML"},
	},
	"assume_role_kwargs": {
		{kwargs: `{"ExternalId": "x1", "RoleSessionName": "me", "DurationSeconds": 900}, "role_arn": "arn:aws:iam::111122223333:role/a"`, want: func(a *contract.Account) {
			a.Role = &contract.Role{ARN: "arn:aws:iam::111122223333:role/a", ExternalID: "x1", SessionName: "me", Duration: contract.Duration(15 * time.Minute)}
		}},
		{kwargs: `{"ExternalId": "x1"}`, want: unchanged}, // as the provider has it: no role, nothing to be asked
		{kwargs: `{"SerialNumber": "x"}, "role_arn": "arn:aws:iam::111122223333:role/a"`, mistake: "the init container has no MFA"},
		{kwargs: `{"DurationSeconds": 60}, "role_arn": "arn:aws:iam::111122223333:role/a"`, mistake: "DurationSeconds in assume_role_kwargs to be a whole number from 900 to 43200"},
	},
	"external_id": {{kwargs: `"x1", "role_arn": "arn:aws:iam::111122223333:role/a"`, want: func(a *contract.Account) {
		a.Role = &contract.Role{ARN: "arn:aws:iam::111122223333:role/a", ExternalID: "x1"}
	}}},
	"assume_role_method": {
		{kwargs: `"assume_role"`, want: unchanged},
		{kwargs: `"assume_role_with_web_identity", "role_arn": "arn:aws:iam::111122223333:role/a", "assume_role_with_web_identity_federation": "google"`,
			mistake: "role_arn: expected assume_role_with_web_identity_federation to be file"},
	},
	"assume_role_with_web_identity_federation": {{kwargs: `"file", "role_arn": "arn:aws:iam::111122223333:role/a", "assume_role_method": "assume_role_with_web_identity"`,
		want: func(a *contract.Account) {
			a.WebIdentity = &contract.WebIdentity{RoleARN: "arn:aws:iam::111122223333:role/a"}
		}}},
	"assume_role_with_web_identity_token_file": {{kwargs: `"/t", "role_arn": "arn:aws:iam::111122223333:role/a", "assume_role_method": "assume_role_with_web_identity", "assume_role_with_web_identity_federation": "file",
			"assume_role_kwargs": {"RoleSessionName": "mine", "DurationSeconds": 900}, "aws_access_key_id": "AKIA", "aws_secret_access_key": "hunter2", "profile_name": "p"`,
		want: func(a *contract.Account) {
			a.WebIdentity = &contract.WebIdentity{RoleARN: "arn:aws:iam::111122223333:role/a", TokenFile: "/t", SessionName: "mine", Duration: contract.Duration(15 * time.Minute)}
		}}, {kwargs: `"/t", "role_arn": "arn:aws:iam::111122223333:role/a", "assume_role_method": "assume_role_with_web_identity", "assume_role_with_web_identity_federation": "file",
			"assume_role_kwargs": {"Policy": "{}"}`, mistake: "the init container has no MFA, session policies and tags"}, {kwargs: `"/t", "role_arn": "arn:aws:iam::111122223333:role/a", "assume_role_method": "assume_role_with_web_identity", "assume_role_with_web_identity_federation": "file"`,
		want: func(a *contract.Account) {
			a.WebIdentity = &contract.WebIdentity{RoleARN: "arn:aws:iam::111122223333:role/a", TokenFile: "/t"}
		}}},
	"assume_role_with_web_identity_federation_audience": {{kwargs: `"x"`, want: unchanged}},
	"assume_role_with_saml":                             {{kwargs: `{}`, want: unchanged}},
	"config_kwargs": {
		{kwargs: `{"use_fips_endpoint": true, "proxies": {"https": "http://proxy"}}`, want: unchanged, warning: "the kwarg config_kwargs has no effect, as in the provider"},
		{kwargs: `[]`, mistake: "config_kwargs: expected an object"},
	},
	"verify": {
		{kwargs: `true`, want: unchanged},
		{kwargs: `false`, mistake: "verify: expected true: for roots of your own name their file in AWS_CA_BUNDLE"},
		{kwargs: `"/etc/ca.pem"`, mistake: "verify: expected true"},
	},
	"use_ssl":     {{kwargs: `true`, want: unchanged}, {kwargs: `false`, mistake: "use_ssl: expected true"}},
	"api_version": {{kwargs: `"2017-10-17"`, want: unchanged}},

	"aws_access_key_id": {
		{kwargs: `"AKIA", "aws_secret_access_key": "hunter2"`, want: unchanged}, // but for the keys: see TestKeysNeverTravel
		{kwargs: `"AKIA"`, mistake: "aws_access_key_id: expected both aws_access_key_id and aws_secret_access_key, or neither"},
		{kwargs: `7, "aws_secret_access_key": "hunter2"`, mistake: "aws_access_key_id: expected texts"},
	},
	"aws_secret_access_key": {{kwargs: `"hunter2"`, want: unchanged}},
	"aws_session_token":     {{kwargs: `"hunter2"`, want: unchanged}},

	"shared_account":            {{kwargs: `"222222222222"`, mistake: "shared_account: expected a kwarg that SecretsManagerBackend reads"}}, // the plugin's: see TestPlugin
	"connections_prefix_shared": {{kwargs: `"x"`, mistake: "connections_prefix_shared: expected a kwarg that"}},
	"aws_region":                {{kwargs: `"eu-west-1"`, mistake: "aws_region: expected a kwarg that"}},

	"session_kwargs": {{kwargs: `{"profile_name": "x"}`, mistake: "session_kwargs: expected its members beside the other kwargs"}, {kwargs: `null`, want: unchanged}},
	"host":           {{kwargs: `"https://x"`, mistake: "host: expected endpoint_url instead"}},
	"aws_account_id": {{kwargs: `"111122223333"`, mistake: "aws_account_id: expected role_arn instead"}},
	"aws_iam_role":   {{kwargs: `"a"`, mistake: "aws_iam_role: expected role_arn instead"}},
	"s3_config_file": {{kwargs: `"/x"`, mistake: "s3_config_file: expected profile_name instead"}},
	"profile":        {{kwargs: `"x"`, mistake: "profile: expected profile_name instead"}},
}

func TestEveryKwarg(t *testing.T) {
	for _, name := range contract.Kwargs() {
		if len(kwargsCases[name]) == 0 {
			t.Errorf("%s has no case", name)
		}
	}
	for name, cases := range kwargsCases {
		for i, c := range cases {
			t.Run(fmt.Sprintf("%s/%d", name, i), func(t *testing.T) {
				if !slices.Contains(contract.Kwargs(), name) {
					t.Errorf("%s is not known", name)
				}
				taken, warnings, err := take(t, `{"`+name+`": `+c.kwargs+`}`)
				c.check(t, taken, warnings, err)
			})
		}
	}
}

func take(t *testing.T, text string) (contract.Account, []string, error) {
	t.Helper()
	kwargs, err := contract.ParseKwargs(text)
	if err != nil {
		t.Fatalf("parsing %s: %v", text, err)
	}
	return takeInto(own(), contract.Backend{Kwargs: kwargs}, contract.TakeOver{})
}

// takeInto takes a backend's arguments into one's own account, and gives that.
func takeInto(a contract.Account, b contract.Backend, how contract.TakeOver) (contract.Account, []string, error) {
	taken, warnings, err := contract.Config{Accounts: []contract.Account{a}, TakeOver: &how}.TakeKwargs(b)
	if err != nil {
		return contract.Account{}, nil, err
	}
	return taken.Accounts[0], warnings, nil
}

func (c kwargsCase) check(t *testing.T, taken contract.Account, warnings []string, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows a value: %v", err)
	}
	if c.mistake != "" {
		if err == nil || !strings.Contains(err.Error(), c.mistake) {
			t.Errorf("error is %v, expected %q", err, c.mistake)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	want := own()
	c.want(&want)
	taken.Keys = nil // functions do not compare
	if !reflect.DeepEqual(taken, want) {
		t.Errorf("taken over as %+v\nexpected %+v", taken, want)
	}
	if told := strings.Join(warnings, "\n"); !strings.Contains(told, c.warning) || c.warning == "" && told != "" {
		t.Errorf("warnings are %q, expected %q", told, c.warning)
	}
}

func TestKwargsThatNobodyReads(t *testing.T) {
	for text, says := range map[string]string{
		`{"conections_prefix": "x"}`:              "conections_prefix: expected a kwarg that SecretsManagerBackend reads",
		`{"my secret is hunter2": 1}`:             "a kwarg (its name is not shown): expected",
		`{"host": "x", "verify": false}`:          "verify: expected true: for roots of your own name their file in AWS_CA_BUNDLE of the container, whose volume the init container then mounts as well; host: expected endpoint_url instead",
		`{"sep": null, "connections_prefix": ""}`: "sep: expected text",
	} {
		_, _, err := take(t, text)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s gives %v, expected %q", text, err, says)
		}
	}
	for _, text := range []string{``, `[]`, `null`, `{} {}`, `{"a": 1}}`, `{"a": 1}]`, `{"a": hunter2}`, `"x"`} {
		if _, err := contract.ParseKwargs(text); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s gives %v, expected an error that does not show it", text, err)
		}
	}
}

// What an annotation has decided, no argument changes; what is locked, none may name.
func TestWhoDecides(t *testing.T) {
	kwargs, err := contract.ParseKwargs(`{"region_name": "eu-west-1", "connections_prefix": null, "profile_name": "team", "extra_conn_words": {"user": ["usr"]},
		"aws_access_key_id": "AKIA", "aws_secret_access_key": "hunter2", "endpoint_url": "https://x", "variables_prefix": ""}`)
	if err != nil {
		t.Fatal(err)
	}
	a := own()
	a.Variables.IDs = []string{"one"}
	taken, _, err := takeInto(a, contract.Backend{Kwargs: kwargs}, contract.TakeOver{Decided: contract.KwargSettings()})
	if err != nil || taken.Keys != nil || !reflect.DeepEqual(taken, a) {
		t.Errorf("all is decided, and yet %+v became %+v (%v)", a, taken, err)
	}
	taken, _, err = takeInto(a, contract.Backend{Kwargs: kwargs}, contract.TakeOver{})
	if err != nil || taken.Connections != nil || taken.Variables.Prefix != "" || taken.Keys == nil {
		t.Errorf("nothing is decided: %+v (%v), expected the prefixes and keys of the kwargs", taken, err)
	}
	if a.Connections == nil || a.Variables.Prefix != "airflow/variables" {
		t.Errorf("the account that was given is changed: %+v", a)
	}
	_, _, err = takeInto(a, contract.Backend{Kwargs: kwargs}, contract.TakeOver{Locked: []string{"region", "endpoint-url"}})
	if err == nil || !strings.Contains(err.Error(), "region_name: expected none, since region is locked by an administrator") || !strings.Contains(err.Error(), "endpoint_url: expected none") {
		t.Errorf("region and endpoint-url are locked: %v", err)
	}
	a.Connections.IDs = []string{"one"}
	if _, _, err = takeInto(a, contract.Backend{Kwargs: kwargs}, contract.TakeOver{}); err == nil || !strings.Contains(err.Error(), "since the annotation airflow-secrets/connections lists ids") {
		t.Errorf("ids without a prefix: %v", err)
	}
}

// Keys are there for the fetcher, and in nothing that is printed or sent.
func TestKeysNeverTravel(t *testing.T) {
	taken, _, err := take(t, `{"aws_access_key_id": "AKIAcanary", "aws_secret_access_key": "c4n4ry", "aws_session_token": "c4n4rytoken"}`)
	if err != nil {
		t.Fatal(err)
	}
	if id, secret, token := taken.Keys(); id != "AKIAcanary" || secret != "c4n4ry" || token != "c4n4rytoken" {
		t.Errorf("the keys are %s, %s, %s", id, secret, token)
	}
	c := config()
	c.Accounts = []contract.Account{taken}
	text, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{text, fmt.Sprintf("%v %+v %#v", taken, taken, taken)} {
		if strings.Contains(shown, "canary") || strings.Contains(shown, "c4n4ry") {
			t.Errorf("the keys are in %s", shown)
		}
	}
}
