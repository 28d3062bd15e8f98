package contract

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// kwarg is one keyword argument of SecretsManagerBackend, or of the AWS connection to which it passes on what it does not
// know itself: all that taking over, refusing and documenting it need.
type kwarg struct {
	name string
	// setting is the annotation, without prefix, that decides the same and comes before the argument. Arguments without one
	// are decided by backend-kwargs.
	setting string
	// with names the argument that this one belongs to: it is taken along with it, and means nothing without it.
	with string
	// take puts the value into the account, or says what was expected and what to do. It may look at other arguments.
	take func(a *Account, value any, all map[string]any) error
	// plugin says that only SharedSecretsManagerBackend has it, and that it is about the shared account.
	plugin bool
	// forAllKinds says that it is for kinds that other settings decide about, too, so take looks at each.
	forAllKinds bool
	// doc says what becomes of it.
	doc string
	// warning is told where the argument is given and not false.
	warning string
}

// kwargs is every argument there is, in the order of their documentation. Where the provider reads them: __init__ of
// airflow/providers/amazon/aws/secrets/secrets_manager.py, AwsConnectionWrapper of aws/utils/connection_wrapper.py and
// BaseSessionFactory of aws/hooks/base_aws.py.
var kwargs = slices.Concat(
	kindKwargs("connections", func(a *Account) **Names { return &a.Connections }),
	kindKwargs("variables", func(a *Account) **Names { return &a.Variables }),
	[]kwarg{
		{name: "config_prefix", setting: "config-prefix", take: takePrefix("config", func(a *Account) **Names { return &a.Config }),
			doc: "Honoured for the options that are delivered: those in `airflow-secrets/config`, and those that `_SECRET` variables name."},
		{name: "config_lookup_pattern", setting: "config-lookup-pattern", take: optionalText(nil), doc: "No effect: options are named one by one."},
		{name: "sep", setting: "sep", take: takeSeparator, doc: "Honoured."},
		{name: "extra_conn_words", take: takeWords, doc: "Honoured."},
		{name: "full_url_mode", take: anything, doc: "No effect, as in the provider since its version 7.",
			warning: "has no effect: JSON and URIs are told apart by how they start"},
		{name: "are_secret_values_urlencoded", take: takeURLEncoded, doc: "Honoured, though version 9 of the provider has dropped it.",
			warning: "is honoured, though version 9 of the Amazon provider has dropped it: store values that are not URL-encoded, and remove it"},

		{name: "region_name", setting: "region", take: takeRegion, doc: "Honoured."},
		{name: "endpoint_url", setting: "endpoint-url", take: takeEndpoint,
			doc: "Honoured, for Secrets Manager alone. (The annotation is for STS as well.)"},
		{name: "service_config", setting: "endpoint-url", take: takeServiceConfig, doc: "`endpoint_url` of `sts` is honoured. What is for other services has no effect."},
		{name: "aws_access_key_id", setting: "credentials-secret", take: takeKeys, doc: "Honoured. Keys never enter the configuration of the init container."},
		{name: "aws_secret_access_key", setting: "credentials-secret", with: "aws_access_key_id", doc: "Honoured."},
		{name: "aws_session_token", setting: "credentials-secret", with: "aws_access_key_id", doc: "Honoured."},
		{name: "profile_name", setting: "credentials-secret", take: optionalText(func(a *Account, text string) { a.Profile = text }),
			doc: "Honoured. A volume has to hold the profile's file, at `/home/airflow/.aws` or where `AWS_CONFIG_FILE` or `AWS_SHARED_CREDENTIALS_FILE` says."},
		{name: "role_arn", setting: "role-arn", take: takeRole, doc: "Honoured."},
		{name: "assume_role_kwargs", setting: "role-arn", with: "role_arn", doc: "`ExternalId` (for `assume_role`), `RoleSessionName` and `DurationSeconds` are honoured, others refused."},
		{name: "external_id", setting: "role-arn", with: "role_arn", doc: "Honoured: an old form of `ExternalId` in `assume_role_kwargs`."},
		{name: "assume_role_method", setting: "role-arn", with: "role_arn", doc: "`assume_role` is honoured, and `assume_role_with_web_identity` with a token in a file. SAML is refused."},
		{name: "assume_role_with_web_identity_federation", setting: "role-arn", with: "role_arn", doc: "`file` is honoured, `google` is refused."},
		{name: "assume_role_with_web_identity_token_file", setting: "role-arn", with: "role_arn", doc: "Honoured, if it is the file that `AWS_WEB_IDENTITY_TOKEN_FILE` names: another one is not mounted in the init container."},
		{name: "assume_role_with_web_identity_federation_audience", setting: "role-arn", with: "role_arn", doc: "No effect: it is for `google`."},
		{name: "assume_role_with_saml", setting: "role-arn", with: "role_arn", doc: "No effect: it is for SAML."},
		{name: "shared_account", setting: "shared-account", plugin: true, take: takeSharedAccount, doc: "Of the plugin `airflow-aws-shared-secrets`. Honoured, as text or as a number of twelve digits."},
		{name: "connections_prefix_shared", setting: "shared-connections-prefix", plugin: true, forAllKinds: true, take: takeSharedPrefix, doc: "Of the plugin. Honoured as it reads it: for variables and options as well, and with the separators at its end."},
		{name: "aws_region", setting: "shared-region", plugin: true, take: takeRegion, doc: "Of the plugin. Honoured for the shared account. Without it: `AWS_REGION`, else eu-central-1."},
		{name: "config_kwargs", take: takeConfigKwargs, doc: "No effect, as in the provider, which does not give it to its client of Secrets Manager. For FIPS or dual-stack endpoints set `AWS_USE_FIPS_ENDPOINT` or `AWS_USE_DUALSTACK_ENDPOINT` in the container.",
			warning: "has no effect, as in the provider: settings of endpoints and proxies belong into variables of the container"},
		{name: "verify", take: takeVerify, doc: "`true` is honoured. `false` and a path are refused: name the file with your roots in `AWS_CA_BUNDLE` of the container."},
		{name: "use_ssl", take: takeUseSSL, doc: "`true` is honoured, `false` refused."},
		{name: "api_version", take: anything, doc: "No effect: Secrets Manager has one version."},
		refused("session_kwargs", "its members beside the other kwargs, where the provider wants them"),
		refused("host", "endpoint_url instead"),
		refused("aws_account_id", "role_arn instead of aws_account_id and aws_iam_role"),
		refused("aws_iam_role", "role_arn instead of aws_account_id and aws_iam_role"),
		refused("s3_config_file", "profile_name instead, or keys in a Secret that the annotation airflow-secrets/credentials-secret names"),
		refused("profile", "profile_name instead"),
	},
)

// kindKwargs are the two that say which secrets of a kind are looked up.
func kindKwargs(kind string, place func(*Account) **Names) []kwarg {
	return []kwarg{
		{name: kind + "_prefix", setting: kind + "-prefix", take: takePrefix(kind, place),
			doc: "Honoured. `null` turns the kind off. An empty one leaves nothing to list by, so it needs the ids in `airflow-secrets/" + kind + "`."},
		{name: kind + "_lookup_pattern", setting: kind + "-lookup-pattern", take: takePattern(place),
			doc: "Honoured, as Python's `re.match`, ignoring case. What Go's regular expressions cannot follow, such as look-ahead, is refused."},
	}
}

func refused(name, expected string) kwarg {
	return kwarg{name: name, doc: "Refused: expected " + expected + ".", take: func(_ *Account, value any, _ map[string]any) error {
		if value == nil {
			return nil
		}
		return errors.New(expected)
	}}
}

// noKwarg is what is expected instead of an argument that nobody reads.
const noKwarg = "a kwarg that SecretsManagerBackend reads (docs/kwargs.md of airflow-secrets lists them), so remove it"

// TakeKwargs puts the keyword arguments of a backend into the configuration, in place of what is there, except for what the
// settings of TakeOver.Decided have decided. What sets one of TakeOver.Locked is a mistake. Its error is an *Error that
// tells all mistakes; it shows no value, since any may be a key.
func (c Config) TakeKwargs(b Backend) (taken Config, warnings []string, err error) {
	t := taking{values: b.Kwargs}
	if c.TakeOver != nil {
		t.decided, t.locked = c.TakeOver.Decided, c.TakeOver.Locked
	}
	t.findUnknown(b.Shared)
	c.Accounts = slices.Clone(c.Accounts)
	own := &c.Accounts[0]
	*own = own.clone()
	if b.Shared {
		c.takePlugin(&t, b)
		own = &c.Accounts[0] // the list may have grown
	}
	t.take(own, false)
	if b.Shared { // what a value means does not depend on where it lies
		shared := c.Shared()
		shared.ConnectionWords, shared.URLEncoded = own.ConnectionWords, own.URLEncoded
		own.skipOptions(t.values)
	}
	if len(t.mistakes) == 0 {
		t.mistakes = own.lackIDs()
	}
	if len(t.mistakes) > 0 {
		return Config{}, nil, &Error{Code: InvalidKwargs, Detail: strings.Join(slices.Concat(nonEmpty(b.KwargsName), []string{strings.Join(t.mistakes, "; ")}), ": ")}
	}
	return c, t.warnings, nil
}

func nonEmpty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// taking is the state of taking arguments over.
type taking struct {
	values             map[string]any
	decided, locked    []string
	mistakes, warnings []string
}

// take goes through the arguments that are about an account.
func (t *taking) take(a *Account, plugin bool) {
	for _, k := range kwargs {
		value, given := t.values[k.name]
		if !given || k.plugin != plugin || k.with != "" || slices.Contains(t.decided, k.decidedBy()) && !k.forAllKinds {
			continue
		}
		if slices.Contains(t.locked, k.setting) && value != nil {
			t.mistakes = append(t.mistakes, k.name+": expected none, since "+k.setting+" is locked by an administrator of the cluster, so remove it")
		} else if err := k.take(a, value, t.values); err != nil {
			t.mistakes = append(t.mistakes, k.name+": expected "+err.Error())
		} else if k.warning != "" && value != nil && value != false {
			t.warnings = append(t.warnings, "the kwarg "+k.name+" "+k.warning)
		}
	}
}

func (t *taking) findUnknown(plugin bool) {
	for _, name := range slices.Sorted(maps.Keys(t.values)) {
		known := slices.ContainsFunc(kwargs, func(k kwarg) bool { return k.name == name && (plugin || !k.plugin) })
		if !known {
			t.mistakes = append(t.mistakes, showKwarg(name)+": expected "+noKwarg)
		}
	}
}

// lackIDs are the kinds whose prefix names every secret of the account, and whose ids nobody has listed.
func (a Account) lackIDs() []string {
	var mistakes []string
	for _, k := range a.Kinds() {
		if k.Discovers() && k.SecretPrefix(a.Separator) == "" {
			mistakes = append(mistakes, fmt.Sprintf("%s_prefix: expected one that is not empty, or the ids in the annotation airflow-secrets/%[1]s", k.Kind))
		}
	}
	return mistakes
}

// Kwargs lists the names of the arguments that are known.
func Kwargs() []string {
	names := make([]string, len(kwargs))
	for i, k := range kwargs {
		names[i] = k.name
	}
	return names
}

// KwargSetting is the annotation, without prefix, that decides the same as an argument, or empty.
func KwargSetting(name string) string {
	i := slices.IndexFunc(kwargs, func(k kwarg) bool { return k.name == name })
	if i < 0 {
		return ""
	}
	return kwargs[i].setting
}

// KwargBelongsTo is the argument without which another one means nothing, or empty.
func KwargBelongsTo(name string) string {
	i := slices.IndexFunc(kwargs, func(k kwarg) bool { return k.name == name })
	if i < 0 {
		return ""
	}
	return kwargs[i].with
}

// KwargSettings lists the annotations, without prefix, that decide what an argument does.
func KwargSettings() []string {
	var settings []string
	for _, k := range kwargs {
		if s := k.decidedBy(); !slices.Contains(settings, s) {
			settings = append(settings, s)
		}
	}
	return settings
}

// KwargsTable is the documentation of every argument as Markdown.
func KwargsTable() string {
	var b strings.Builder
	b.WriteString("| kwarg | what becomes of it | annotation that comes before it |\n|---|---|---|\n")
	for _, k := range kwargs {
		annotation := ""
		if k.setting != "" {
			annotation = "`airflow-secrets/" + k.setting + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.name, k.doc, annotation)
	}
	return b.String()
}

func (k kwarg) decidedBy() string {
	if k.setting == "" {
		return "backend-kwargs"
	}
	return k.setting
}

// showKwarg is the name of an argument that we do not know, if it looks like one.
func showKwarg(name string) string {
	isLetter := func(r rune) bool {
		return r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	if name == "" || len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return !isLetter(r) }) {
		return "a kwarg (its name is not shown)"
	}
	return name
}
