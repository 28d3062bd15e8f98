package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract/pattern"
)

// Shared is the account that backs up one's own, where the configuration has one.
func (c Config) Shared() *Account {
	i := slices.IndexFunc(c.Accounts, func(a Account) bool { return a.Name == SharedAccount })
	if i < 0 {
		return nil
	}
	return &c.Accounts[i]
}

// Settled is the configuration with a shared account that can be read, or without one where nothing is wanted of it. Its
// error is an *Error with the code SharedUnreachable.
//
// Nobody can list another account's secrets, so what is to be discovered there needs a role of that account. What is named
// by id can be read by ARN, if the secret's resource policy and its key allow it.
func (c Config) Settled() (Config, error) {
	shared := c.Shared()
	if shared == nil {
		return c, nil
	}
	if len(shared.Kinds()) == 0 {
		c.Accounts = slices.DeleteFunc(slices.Clone(c.Accounts), func(a Account) bool { return a.Name == SharedAccount })
		return c, nil
	}
	c.Accounts = slices.Clone(c.Accounts)
	shared = c.Shared()
	if shared.ID == "" && shared.Role != nil {
		shared.ID = AccountOf(shared.Role.ARN)
	}
	own := c.Accounts[0].Role
	switch {
	case shared.ID != "" && shared.Role != nil && AccountOf(shared.Role.ARN) != shared.ID && (own == nil || own.ARN != shared.Role.ARN):
		return Config{}, &Error{Code: SharedUnreachable, Detail: fmt.Sprintf("airflow-secrets/shared-role-arn is %s, expected a role of the account %s", shared.Role.ARN, shared.ID)}
	case shared.ID == "":
		return Config{}, &Error{Code: SharedUnreachable, Detail: "no account is named: set airflow-secrets/shared-role-arn to a role of it, or airflow-secrets/shared-account to its id and list the ids of its secrets"}
	case !shared.ByARN():
		return c, nil
	}
	var places, keys []string
	for _, k := range shared.Kinds() {
		if k.Discovers() {
			places = append(places, "the "+string(k.Kind)) // whose prefix may be anything that was put into kwargs
			keys = append(keys, "airflow-secrets/shared-"+string(k.Kind))
		}
	}
	if len(places) > 0 {
		return Config{}, &Error{Code: SharedUnreachable, Detail: fmt.Sprintf("%s of the account %s cannot be listed from another account: set airflow-secrets/shared-role-arn "+
			"to a role of that account that may list and read them, or name their ids in %s, which are read by ARN where the resource policies of the secrets allow it",
			strings.Join(places, " and "), shared.ID, strings.Join(keys, " and "))}
	}
	return c, nil
}

// Beside is the shared account as long as nothing is said of it: it is asked by the identity that annotations give one's own,
// by the same endpoints, and for nothing.
func (a Account) Beside() Account {
	a.Name, a.Files = SharedAccount, nil
	a.Connections, a.Variables, a.Config = nil, nil, nil
	return a
}

// takePlugin takes what SharedSecretsManagerBackend makes of its arguments: it looks up connections, variables and options
// alike under the connections prefixes, the own one with the connections pattern, and leaves separators at the end of the
// shared one (airflow_aws_shared_secrets.secret_manager, _get_secret).
func (c *Config) takePlugin(t *taking, b Backend) {
	own := maps.Clone(t.values)
	if own == nil {
		own = map[string]any{}
	}
	prefix, given := own["connections_prefix"]
	switch {
	case !given:
		prefix = "airflow/connections"
	case prefix == nil: // no connections are looked up, and the rest by the bare id
		prefix = ""
	}
	for _, kind := range []Kind{Variables, Options} {
		if v, given := own[string(kind)+"_prefix"]; !given || v != nil { // null turns a kind off
			own[string(kind)+"_prefix"] = prefix
		}
		own[string(kind)+"_lookup_pattern"] = own["connections_lookup_pattern"]
	}
	t.values = own
	if c.Shared() == nil {
		c.Accounts = append(c.Accounts, c.Accounts[0].Beside())
	}
	shared := c.Shared()
	*shared = shared.clone()
	c.sharePrefixes(t, shared)
	if shared.Region == "" {
		shared.Region = b.Region
	}
	t.take(shared, true)
	if _, given := t.values["shared_account"]; !given && shared.ID == "" {
		t.mistakes = append(t.mistakes, "shared_account: expected the twelve digits of an account, which the plugin asks for")
	}
}

// sharePrefixes gives the shared account every kind that one's own has, unless an annotation has decided about it.
func (c *Config) sharePrefixes(t *taking, shared *Account) {
	own := c.Accounts[0]
	if separator, ok := t.values["sep"].(string); ok && !slices.Contains(t.decided, "sep") {
		shared.Separator = separator
	} else {
		shared.Separator = own.Separator
	}
	for _, kind := range []struct {
		Kind
		own    *Names
		shared **Names
	}{{Connections, own.Connections, &shared.Connections}, {Variables, own.Variables, &shared.Variables}, {Options, own.Config, &shared.Config}} {
		value, given := t.values[string(kind.Kind)+"_prefix"]
		switch {
		case slices.Contains(t.decided, "shared-"+string(kind.Kind)+"-prefix"):
		case kind.own == nil && kind.Kind == Options, given && value == nil:
			*kind.shared = nil
		default:
			names := &Names{Prefix: "airflow/connections", Exact: true}
			if *kind.shared != nil {
				names.IDs = (*kind.shared).IDs
			}
			if kind.Kind == Options {
				names.IDs = kind.own.IDs
			}
			*kind.shared = names
		}
	}
}

// skipOptions leaves options to the shared account whose ids do not match the pattern: the plugin's is for them as well.
func (a *Account) skipOptions(values map[string]any) {
	text, _ := values["connections_lookup_pattern"].(string)
	p, err := pattern.Compile(text)
	if text == "" || err != nil || a.Config == nil {
		return
	}
	a.Config.IDs = slices.DeleteFunc(slices.Clone(a.Config.IDs), func(id string) bool { return !p.Matches(id) })
}

func takeSharedAccount(a *Account, value any, _ map[string]any) error {
	text, _ := value.(string)
	if number, isNumber := value.(json.Number); isNumber {
		text = number.String()
	}
	if !IsAccountID(text) {
		return errors.New("the twelve digits of an account: in YAML put them into quotes, or a number loses its leading zeros")
	}
	a.ID = text
	return nil
}

// takeSharedPrefix is for all kinds that are shared, except for those that an annotation has given another prefix.
func takeSharedPrefix(a *Account, value any, _ map[string]any) error {
	text, isText := value.(string)
	if !isText {
		return errors.New("text")
	}
	for _, k := range a.Kinds() {
		if k.Exact {
			k.Prefix = text
		}
	}
	return nil
}
