package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract/pattern"
)

// The functions here take one argument's value each, as encoding/json decodes it with numbers as json.Number. Their errors
// are the ends of "expected ...": what would be right, and the next step. They show no value.

func anything(*Account, any, map[string]any) error { return nil }

// optionalText takes a text; null and an empty text are none, as Python's "or None" has them.
func optionalText(take func(a *Account, text string)) func(*Account, any, map[string]any) error {
	return func(a *Account, value any, _ map[string]any) error {
		text, err := textOrNull(value)
		if err == nil && text != "" && take != nil {
			take(a, text)
		}
		return err
	}
}

func textOrNull(value any) (string, error) {
	text, isText := value.(string)
	if value != nil && !isText {
		return "", errors.New("text or null")
	}
	return text, nil
}

// takePrefix tells null, which turns the kind off, from an empty prefix (SecretsManagerBackend.get_conn_value).
func takePrefix(kind string, place func(*Account) **Names) func(*Account, any, map[string]any) error {
	return func(a *Account, value any, _ map[string]any) error {
		names := place(a)
		text, err := textOrNull(value)
		switch {
		case err != nil:
			return err
		case value == nil && *names != nil && len((*names).IDs) > 0:
			return fmt.Errorf("a prefix, since the annotation airflow-secrets/%s lists ids: set airflow-secrets/%[1]s-prefix", kind)
		case value == nil:
			*names = nil
		case *names == nil && kind == string(Options): // none is asked for
		case *names == nil:
			*names = &Names{Prefix: text}
		default:
			(*names).Prefix = text
		}
		return nil
	}
}

// takePattern leaves out ids that are listed: they are wanted whatever they look like.
func takePattern(place func(*Account) **Names) func(*Account, any, map[string]any) error {
	return func(a *Account, value any, _ map[string]any) error {
		text, err := textOrNull(value)
		if err != nil || text == "" {
			return err
		}
		if _, err := pattern.Compile(text); err != nil {
			return err
		}
		if names := *place(a); names != nil && len(names.IDs) == 0 {
			names.Pattern = text
		}
		return nil
	}
}

func takeSeparator(a *Account, value any, _ map[string]any) error {
	text, isText := value.(string)
	if !isText {
		return errors.New("text")
	}
	a.Separator = text
	return nil
}

// connectionFields are the fields of a connection that extra_conn_words may name; user means login
// (SecretsManagerBackend._standardize_secret_keys).
var connectionFields = []string{"login", "user", "password", "host", "port", "schema", "conn_type", "extra"}

func takeWords(a *Account, value any, _ map[string]any) error {
	if value == nil {
		return nil
	}
	expected := fmt.Errorf("an object of lists of texts, whose names are among %s", strings.Join(connectionFields, ", "))
	object, isObject := value.(map[string]any)
	if !isObject {
		return expected
	}
	words := map[string][]string{}
	for field, value := range object {
		list, isList := value.([]any)
		if !isList || !slices.Contains(connectionFields, field) {
			return expected
		}
		for _, element := range list {
			word, isText := element.(string)
			if !isText {
				return expected
			}
			words[field] = append(words[field], word)
		}
	}
	a.ConnectionWords = words
	return nil
}

func takeURLEncoded(a *Account, value any, _ map[string]any) error {
	yes, isBool := value.(bool)
	if value != nil && !isBool {
		return errors.New("true or false")
	}
	a.URLEncoded = yes
	return nil
}

func takeRegion(a *Account, value any, _ map[string]any) error {
	text, err := textOrNull(value)
	switch {
	case err != nil:
		return err
	case text != "" && !IsRegion(text):
		return errors.New("an AWS region such as eu-central-1")
	case text != "":
		a.Region = text
	}
	return nil
}

// takeEndpoint is for Secrets Manager alone: STS has never used it (AwsConnectionWrapper.get_service_endpoint_url).
func takeEndpoint(a *Account, value any, _ map[string]any) error {
	text, err := textOrNull(value)
	switch {
	case err != nil:
		return err
	case text != "" && !IsEndpoint(text):
		return errors.New("a URL without user, query and fragment")
	case text != "":
		a.EndpointURL, a.STSEndpointURL = text, ""
	}
	return nil
}

func takeServiceConfig(a *Account, value any, _ map[string]any) error {
	expected := errors.New(`an object of objects, such as {"sts": {"endpoint_url": "https://..."}}`)
	if value == nil {
		return nil
	}
	services, isObject := value.(map[string]any)
	if !isObject {
		return expected
	}
	for name, service := range services {
		config, isObject := service.(map[string]any)
		endpoint, err := textOrNull(config["endpoint_url"])
		if !isObject || err != nil || endpoint != "" && !IsEndpoint(endpoint) {
			return expected
		}
		if name == "sts" {
			a.STSEndpointURL = endpoint
		}
	}
	return nil
}

// takeKeys takes the key with its secret; one without the other is nothing to the provider
// (AwsConnectionWrapper._get_credentials), and nothing that anybody wants.
func takeKeys(a *Account, value any, all map[string]any) error {
	id, err := textOrNull(value)
	secret, err2 := textOrNull(all["aws_secret_access_key"])
	token, err3 := textOrNull(all["aws_session_token"])
	if err := errors.Join(err, err2, err3); err != nil {
		return errors.New("texts: quote the keys")
	}
	if (id == "") != (secret == "") {
		return errors.New("both aws_access_key_id and aws_secret_access_key, or neither")
	}
	if id != "" {
		a.Keys = func() (string, string, string) { return id, secret, token }
	}
	return nil
}

// takeRole takes the role with all that belongs to it (AwsConnectionWrapper._get_assume_role_configs).
func takeRole(a *Account, value any, all map[string]any) error {
	arn, err := textOrNull(value)
	if err != nil || arn == "" {
		return err
	}
	if !IsRoleARN(arn) {
		return errors.New("the ARN of a role such as arn:aws:iam::111122223333:role/airflow")
	}
	method, err := textOrNull(all["assume_role_method"])
	if err != nil {
		return errors.New("assume_role_method to be text")
	}
	switch method {
	case "", "assume_role":
		return a.takeAssumedRole(arn, all)
	case "assume_role_with_web_identity":
		return a.takeWebIdentity(arn, all)
	}
	return errors.New("assume_role_method to be assume_role or assume_role_with_web_identity: instead of SAML give the pod a role by IRSA or EKS Pod Identity")
}

func (a *Account) takeAssumedRole(arn string, all map[string]any) error {
	role := Role{ARN: arn}
	old, err := textOrNull(all["external_id"])
	if err != nil {
		return errors.New("external_id to be text")
	}
	role.ExternalID = old
	if err := takeRoleKwargs(all, &role.SessionName, &role.Duration, &role.ExternalID); err != nil {
		return err
	}
	a.Role = &role
	return nil
}

// takeWebIdentity takes federation by a token in a file (BaseSessionFactory._get_web_identity_credential_fetcher). It comes
// before keys and a profile.
func (a *Account) takeWebIdentity(arn string, all map[string]any) error {
	if all["assume_role_with_web_identity_federation"] != "file" {
		return errors.New("assume_role_with_web_identity_federation to be file: others are not supported, so give the pod a role by IRSA or EKS Pod Identity")
	}
	file, err := textOrNull(all["assume_role_with_web_identity_token_file"])
	if err != nil {
		return errors.New("assume_role_with_web_identity_token_file to be text")
	}
	token := WebIdentity{RoleARN: arn, TokenFile: file}
	if err := takeRoleKwargs(all, &token.SessionName, &token.Duration, nil); err != nil {
		return err
	}
	a.WebIdentity, a.Keys, a.Profile = &token, nil, ""
	return nil
}

// takeRoleKwargs reads what is passed on to STS.
func takeRoleKwargs(all map[string]any, sessionName *string, duration *Duration, externalID *string) error {
	given, isObject := all["assume_role_kwargs"].(map[string]any)
	if !isObject && all["assume_role_kwargs"] != nil {
		return errors.New("assume_role_kwargs to be an object")
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		text, isText := given[name].(string)
		number, isNumber := given[name].(json.Number)
		switch {
		case name == "ExternalId" && isText && externalID != nil:
			*externalID = text
		case name == "RoleSessionName" && isText:
			*sessionName = text
		case name == "DurationSeconds" && isNumber:
			seconds, err := number.Int64()
			if err != nil || seconds < 900 || seconds > 43200 {
				return errors.New("DurationSeconds in assume_role_kwargs to be a whole number from 900 to 43200")
			}
			*duration = Duration(time.Duration(seconds) * time.Second)
		default:
			return errors.New("assume_role_kwargs to have RoleSessionName as text, DurationSeconds as a number, for assume_role ExternalId as text, and nothing else: " +
				"the init container has no MFA, session policies and tags")
		}
	}
	return nil
}

func takeConfigKwargs(_ *Account, value any, _ map[string]any) error {
	if _, isObject := value.(map[string]any); value != nil && !isObject {
		return errors.New("an object")
	}
	return nil
}

func takeVerify(_ *Account, value any, _ map[string]any) error {
	if value == nil || value == true {
		return nil
	}
	return errors.New("true: for roots of your own name their file in AWS_CA_BUNDLE of the container, whose volume the init container then mounts as well")
}

func takeUseSSL(_ *Account, value any, _ map[string]any) error {
	if value == nil || value == true {
		return nil
	}
	return errors.New("true: for an endpoint without TLS set endpoint_url to its http address")
}
