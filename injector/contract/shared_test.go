package contract_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

const roleThere = "arn:aws:iam::222222222222:role/airflow"

// plugin takes the plugin's kwargs into a configuration that annotations have made, and gives the accounts as JSON.
func plugin(t *testing.T, kwargs string, annotated func(c *contract.Config)) (string, error) {
	t.Helper()
	values, err := contract.ParseKwargs(kwargs)
	if err != nil {
		t.Fatal(err)
	}
	config := contract.Config{Accounts: []contract.Account{own()}, TakeOver: &contract.TakeOver{}}
	annotated(&config)
	taken, _, err := config.TakeKwargs(contract.Backend{Shared: true, Kwargs: values, KwargsName: "KWARGS", Region: "eu-central-1"})
	if err == nil {
		taken, err = taken.Settled()
	}
	text, _ := json.Marshal(taken.Accounts)
	return string(text), err
}

// byRole is what an annotation, or a default of the cluster, adds: the way in.
func byRole(c *contract.Config) {
	c.Accounts = append(c.Accounts, contract.Account{Name: contract.SharedAccount, Separator: "/", Role: &contract.Role{ARN: roleThere}})
}

// TestPlugin takes over what SharedSecretsManagerBackend 0.0.5 reads of its arguments.
func TestPlugin(t *testing.T) {
	const there = `"role":{"arn":"` + roleThere + `"},`
	tests := map[string]struct {
		kwargs    string
		annotated func(c *contract.Config)
		own       string // the rest of one's own account
		shared    string // the rest of the shared account
		code      contract.Code
		says      string
	}{
		"as that user has them": {
			kwargs:    `{"connections_prefix": "org/tenant/prod/airflow", "shared_account": "222222222222", "connections_prefix_shared": "org/core/airflow", "aws_region": "eu-west-1"}`,
			annotated: byRole,
			own:       `"connections":{"prefix":"org/tenant/prod/airflow"},"variables":{"prefix":"org/tenant/prod/airflow"}`,
			shared: `"id":"222222222222","region":"eu-west-1",` + there + `"separator":"/","connections":{"prefix":"org/core/airflow","exact":true},` +
				`"variables":{"prefix":"org/core/airflow","exact":true}`},
		"its defaults": {kwargs: `{"shared_account": 222222222222}`, annotated: byRole,
			own: `"connections":{"prefix":"airflow/connections"},"variables":{"prefix":"airflow/connections"}`,
			shared: `"id":"222222222222","region":"eu-central-1",` + there + `"separator":"/","connections":{"prefix":"airflow/connections","exact":true},` +
				`"variables":{"prefix":"airflow/connections","exact":true}`},
		"no variables, a pattern, a separator": {kwargs: `{"shared_account": "222222222222", "variables_prefix": null, "connections_lookup_pattern": "^aws_", "sep": "-"}`, annotated: byRole,
			own:    `"connections":{"prefix":"airflow/connections","pattern":"^aws_"}`,
			shared: `"id":"222222222222","region":"eu-central-1",` + there + `"separator":"-","connections":{"prefix":"airflow/connections","exact":true}`},
		"a prefix of its own for variables does not count": {kwargs: `{"shared_account": "222222222222", "variables_prefix": "elsewhere", "variables_lookup_pattern": "^x"}`, annotated: byRole,
			own: `"connections":{"prefix":"airflow/connections"},"variables":{"prefix":"airflow/connections"}`,
			shared: `"id":"222222222222","region":"eu-central-1",` + there + `"separator":"/","connections":{"prefix":"airflow/connections","exact":true},` +
				`"variables":{"prefix":"airflow/connections","exact":true}`},
		"options as well": {kwargs: `{"shared_account": "222222222222", "connections_prefix": "team", "variables_prefix": null, "config_prefix": "elsewhere"}`,
			annotated: func(c *contract.Config) {
				byRole(c)
				c.Accounts[0].Config = &contract.Names{Prefix: "airflow/config", IDs: []string{"broker"}}
			},
			own: `"connections":{"prefix":"team"},"config":{"prefix":"team","ids":["broker"]}`,
			shared: `"id":"222222222222","region":"eu-central-1",` + there + `"separator":"/","connections":{"prefix":"airflow/connections","exact":true},` +
				`"config":{"prefix":"airflow/connections","exact":true,"ids":["broker"]}`},
		"the pattern is for options, too": {kwargs: `{"shared_account": "222222222222", "variables_prefix": null, "connections_lookup_pattern": "^bro"}`,
			annotated: func(c *contract.Config) {
				byRole(c)
				c.Accounts[0].Config = &contract.Names{Prefix: "airflow/config", IDs: []string{"broker", "db"}}
			},
			own: `"connections":{"prefix":"airflow/connections","pattern":"^bro"},"config":{"prefix":"airflow/connections","ids":["broker"]}`,
			shared: `"id":"222222222222","region":"eu-central-1",` + there + `"separator":"/","connections":{"prefix":"airflow/connections","exact":true},` +
				`"config":{"prefix":"airflow/connections","exact":true,"ids":["broker","db"]}`},
		"ids instead of a role": {kwargs: `{"shared_account": "222222222222", "variables_prefix": null}`,
			annotated: func(c *contract.Config) {
				c.Accounts = append(c.Accounts, contract.Account{Name: contract.SharedAccount, Separator: "/", Connections: &contract.Names{Prefix: "airflow/connections", IDs: []string{"dwh"}}})
			},
			own:    `"connections":{"prefix":"airflow/connections"}`,
			shared: `"id":"222222222222","region":"eu-central-1","separator":"/","connections":{"prefix":"airflow/connections","exact":true,"ids":["dwh"]}`},
		"an annotation's prefix comes first": {kwargs: `{"shared_account": "222222222222", "connections_prefix_shared": "org/core", "variables_prefix": null}`,
			annotated: func(c *contract.Config) {
				byRole(c)
				c.Accounts[1].Connections = &contract.Names{Prefix: "annotated"}
				c.TakeOver.Decided = []string{"shared-connections-prefix"}
			},
			own:    `"connections":{"prefix":"airflow/connections"}`,
			shared: `"id":"222222222222","region":"eu-central-1",` + there + `"separator":"/","connections":{"prefix":"annotated"}`},

		"an annotation's prefix is for its kind": {kwargs: `{"shared_account": "222222222222", "connections_prefix_shared": "org/core"}`,
			annotated: func(c *contract.Config) {
				byRole(c)
				c.Accounts[1].Connections = &contract.Names{Prefix: "annotated"}
				c.TakeOver.Decided = []string{"shared-connections-prefix"}
			},
			own:    `"connections":{"prefix":"airflow/connections"},"variables":{"prefix":"airflow/connections"}`,
			shared: `"id":"222222222222","region":"eu-central-1",` + there + `"separator":"/","connections":{"prefix":"annotated"},"variables":{"prefix":"org/core","exact":true}`},

		"no way in": {kwargs: `{"shared_account": "222222222222"}`, annotated: func(*contract.Config) {}, code: contract.SharedUnreachable,
			says: "of the account 222222222222 cannot be listed from another account: set airflow-secrets/shared-role-arn"},
		"ids for one kind only": {kwargs: `{"shared_account": "222222222222"}`, annotated: func(c *contract.Config) {
			c.Accounts = append(c.Accounts, contract.Account{Name: contract.SharedAccount, Connections: &contract.Names{IDs: []string{"dwh"}}})
		}, code: contract.SharedUnreachable, says: "or name their ids in airflow-secrets/shared-variables"},
		"no own connections, and variables by the bare id": {kwargs: `{"shared_account": "222222222222", "connections_prefix": null}`, annotated: byRole, code: contract.InvalidKwargs, says: "variables_prefix: expected one that is not empty"},
		"no account":       {kwargs: `{}`, annotated: func(*contract.Config) {}, code: contract.InvalidKwargs, says: "KWARGS: shared_account: expected the twelve digits"},
		"too few digits":   {kwargs: `{"shared_account": 2222222222}`, annotated: byRole, code: contract.InvalidKwargs, says: "a number loses its leading zeros"},
		"a prefix of none": {kwargs: `{"shared_account": "222222222222", "connections_prefix_shared": null}`, annotated: byRole, code: contract.InvalidKwargs, says: "connections_prefix_shared: expected text"},
		"a prefix locked":  {kwargs: `{"shared_account": "222222222222"}`, annotated: func(c *contract.Config) { byRole(c); c.TakeOver.Locked = []string{"shared-account"} }, code: contract.InvalidKwargs, says: "shared-account is locked"},
		"another mistake":  {kwargs: `{"shared_account": "222222222222", "conections_prefix": "x"}`, annotated: byRole, code: contract.InvalidKwargs, says: "conections_prefix: expected a kwarg"},
		"an empty own one": {kwargs: `{"shared_account": "222222222222", "connections_prefix": ""}`, annotated: byRole, code: contract.InvalidKwargs, says: "connections_prefix: expected one that is not empty"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := plugin(t, test.kwargs, test.annotated)
			if test.code != "" {
				var why *contract.Error
				if !errors.As(err, &why) || why.Code != test.code || !strings.Contains(err.Error(), test.says) {
					t.Errorf("error is %v, expected code %s and %q", err, test.code, test.says)
				}
				return
			}
			separator := `"separator":"/",`
			if strings.Contains(test.kwargs, `"sep"`) {
				separator = `"separator":"-",`
			}
			want := `[{"name":"own",` + separator + test.own + `},{"name":"shared",` + test.shared + `}]`
			if err != nil || got != want {
				t.Errorf("the accounts are %s (%v)\nexpected         %s", got, err, want)
			}
		})
	}
}

// TestSettled says what remains of a shared account.
func TestSettled(t *testing.T) {
	names := &contract.Names{Prefix: "core"}
	role := &contract.Role{ARN: roleThere}
	for name, test := range map[string]struct {
		shared *contract.Account
		id     string // of the shared account that remains; empty if none does
		says   string
	}{
		"none":                        {nil, "", ""},
		"a role that nobody needs":    {&contract.Account{Role: role}, "", ""},
		"a role":                      {&contract.Account{Role: role, Connections: names}, "222222222222", ""},
		"a role of another account":   {&contract.Account{Role: role, ID: "333333333333", Connections: names}, "", "shared-role-arn is arn:aws:iam::222222222222:role/airflow, expected a role of the account 333333333333"},
		"ids":                         {&contract.Account{ID: "333333333333", Variables: &contract.Names{IDs: []string{"x"}}}, "333333333333", ""},
		"options, which have ids":     {&contract.Account{ID: "333333333333", Config: names}, "333333333333", ""},
		"a prefix":                    {&contract.Account{ID: "333333333333", Connections: names}, "", "the connections of the account 333333333333 cannot be listed"},
		"two prefixes, told at once":  {&contract.Account{ID: "333333333333", Connections: names, Variables: &contract.Names{Prefix: "other"}}, "", "the connections and the variables of the account"},
		"a prefix without an account": {&contract.Account{Connections: names}, "", "no account is named"},
	} {
		config := contract.Config{Accounts: []contract.Account{own()}}
		if test.shared != nil {
			test.shared.Name, test.shared.Separator = contract.SharedAccount, "/"
			config.Accounts = append(config.Accounts, *test.shared)
		}
		settled, err := config.Settled()
		id := ""
		if s := settled.Shared(); s != nil {
			id = s.ID
		}
		if (test.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), test.says) || id != test.id {
			t.Errorf("%s: the shared account is %q (%v), expected %q and %q", name, id, err, test.id, test.says)
		}
	}
}
