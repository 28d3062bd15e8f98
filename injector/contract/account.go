package contract

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract/pattern"
)

// Account is one AWS account's Secrets Manager in one region: who asks it, and which of its secrets are wanted.
type Account struct {
	// Name tells the accounts of a configuration apart in reports: OwnAccount or SharedAccount.
	Name string `json:"name"`
	// ID is the AWS account's, twelve digits, where it is another one than that of the identity. Its secrets are then asked
	// for by ARN, unless Role is a role of that account.
	ID string `json:"id,omitempty"`
	// Region, such as eu-central-1. Empty: what the environment says (AWS_REGION, AWS_DEFAULT_REGION).
	Region string `json:"region,omitempty"`
	// EndpointURL and STSEndpointURL replace the addresses of Secrets Manager and STS. Empty: AWS's own, or what the
	// environment says.
	EndpointURL    string `json:"endpointURL,omitempty"`
	STSEndpointURL string `json:"stsEndpointURL,omitempty"`
	// FIPS and DualStack choose AWS's endpoints of that kind, beside what the environment says.
	FIPS      bool `json:"fips,omitempty"`
	DualStack bool `json:"dualStack,omitempty"`

	// Keys, KeysFromEnv (KeyIDEnv and so on, whatever else the environment says), WebIdentity and Profile are ways to an
	// identity: the first that is set is taken, and else what the AWS SDK finds. Keys never travel: see their type.
	Keys        Keys         `json:"-"`
	KeysFromEnv bool         `json:"keysFromEnv,omitempty"`
	WebIdentity *WebIdentity `json:"webIdentity,omitempty"`
	Profile     string       `json:"profile,omitempty"`
	// Role is assumed from that identity, unless it is nil.
	Role *Role `json:"role,omitempty"`

	// Separator stands between a prefix and an Airflow id in a secret's name. It may be empty.
	Separator string `json:"separator"`
	// Connections, Variables and Config say where each kind is found. A nil one is turned off. Options of Airflow's (Config)
	// are never discovered: without ids none is read.
	Connections *Names `json:"connections,omitempty"`
	Variables   *Names `json:"variables,omitempty"`
	Config      *Names `json:"config,omitempty"`
	// Files are secrets that are delivered as they are.
	Files []File `json:"files,omitempty"`

	// ConnectionWords are more words for the fields of a connection in JSON (SecretsManagerBackend's extra_conn_words), and
	// URLEncoded says that its fields are URL-encoded (are_secret_values_urlencoded, gone in version 9 of the provider).
	ConnectionWords map[string][]string `json:"connectionWords,omitempty"`
	URLEncoded      bool                `json:"urlEncoded,omitempty"`
}

// Names is how the Airflow ids of one kind map to the names of secrets, and which of them are wanted.
type Names struct {
	// Prefix of the names, with or without separators at its end.
	Prefix string `json:"prefix"`
	// Exact keeps separators at the end of Prefix, as SharedSecretsManagerBackend does for the shared account.
	Exact bool `json:"exact,omitempty"`
	// IDs are the ids to read. Without any, all below the prefix are read.
	IDs []string `json:"ids,omitempty"`
	// Pattern is what an id below the prefix must match to be read, by Python's re.match, ignoring case. Empty: any id.
	Pattern string `json:"pattern,omitempty"`
}

// SecretPrefix is what the name of each wanted secret starts with, separator included: airflow/connections must not
// also find airflow/connections-old/x.
//
// Trailing separators of the prefix are dropped as Airflow's SecretsManagerBackend does, by Python's str.rstrip, which
// takes the separator for a set of characters. Where nothing is left of the prefix, a name is the bare id
// (SecretsManagerBackend._get_secret).
func (n Names) SecretPrefix(separator string) string {
	if n.Exact {
		return n.Prefix + separator
	}
	prefix := strings.TrimRight(n.Prefix, separator)
	if prefix == "" {
		return ""
	}
	return prefix + separator
}

// Role is an IAM role to assume (STS AssumeRole).
type Role struct {
	ARN string `json:"arn"`
	// ExternalID is asked for by the role's trust policy, unless it is empty.
	ExternalID string `json:"externalID,omitempty"`
	// SessionName replaces the one that says which pod it is.
	SessionName string `json:"sessionName,omitempty"`
	// Duration of the credentials; zero leaves it to AWS.
	Duration Duration `json:"duration,omitzero"`
}

// WebIdentity is a role to assume by a token (STS AssumeRoleWithWebIdentity).
type WebIdentity struct {
	RoleARN string `json:"roleARN"`
	// TokenFile holds a token of the pod's service account. Empty: the file that AWS_WEB_IDENTITY_TOKEN_FILE names.
	TokenFile string `json:"tokenFile,omitempty"`
	// SessionName and Duration are those of Role.
	SessionName string   `json:"sessionName,omitempty"`
	Duration    Duration `json:"duration,omitzero"`
}

// Keys gives an AWS access key: id, secret and, where there is one, session token. It is a function so that nothing that
// prints or encodes an Account can show them.
type Keys func() (id, secret, token string)

// File is a secret that is delivered as it is, text or binary.
type File struct {
	// Path below the folder FilesDirectory, with slashes.
	Path string `json:"path"`
	// Secret is its name or ARN.
	Secret string `json:"secret"`
	// Key is a member of the JSON object in the secret, whose value is wanted alone. Empty: the whole secret.
	Key string `json:"key,omitempty"`
}

// Kinds are what Airflow looks up in the account, but for those that are turned off.
func (a Account) Kinds() []KindOfNames {
	var kinds []KindOfNames
	for _, k := range []KindOfNames{{Connections, a.Connections}, {Variables, a.Variables}, {Options, a.Config}} {
		if k.Names != nil {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// KindOfNames is a kind and where its things are found.
type KindOfNames struct {
	Kind
	*Names
}

// Discovers says whether what there is has to be listed.
func (k KindOfNames) Discovers() bool { return len(k.IDs) == 0 && k.Kind != Options }

// ByARN says whether the account's secrets have to be asked for by ARN: whoever asks is of another account.
func (a Account) ByARN() bool {
	return a.ID != "" && (a.Role == nil || AccountOf(a.Role.ARN) != a.ID)
}

// AccountOf is the account in an ARN, or empty.
func AccountOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[4]
}

func (a Account) validate() error {
	switch {
	case a.Name == "":
		return errors.New("name is empty")
	case a.ID != "" && !IsAccountID(a.ID):
		return fmt.Errorf("id is %q, expected twelve digits", a.ID)
	}
	for _, k := range a.Kinds() {
		if slices.Contains(k.IDs, "") {
			return fmt.Errorf("%s: an id is empty", k.Kind)
		}
		if k.Discovers() && k.SecretPrefix(a.Separator) == "" {
			return fmt.Errorf("%s: prefix is %q, expected one that does not name every secret of the account", k.Kind, k.Prefix)
		}
		if i := slices.IndexFunc(k.IDs, func(id string) bool { return !IsFilePath(id) }); k.Kind == Options && i >= 0 {
			return fmt.Errorf("%s: id is %q, expected one that can be the name of a file", k.Kind, k.IDs[i])
		}
		if _, err := pattern.Compile(k.Pattern); err != nil {
			return fmt.Errorf("%s: pattern: expected %w", k.Kind, err)
		}
	}
	for _, f := range a.Files {
		if err := f.validate(); err != nil {
			return err
		}
	}
	if a.Role != nil && a.Role.ARN == "" || a.WebIdentity != nil && a.WebIdentity.RoleARN == "" {
		return errors.New("a role has no ARN")
	}
	return nil
}

// validate keeps a file in its folder, whoever wrote the configuration.
func (f File) validate() error {
	if f.Secret == "" {
		return fmt.Errorf("the file %q has no secret", f.Path)
	}
	if !IsFilePath(f.Path) {
		return fmt.Errorf("the file %q: expected a relative path that names a file", f.Path)
	}
	return nil
}

// IsFilePath says whether a path names a file below a folder, in the one way there is to write it: no empty element, and
// none that starts with two dots, as the names do that the fetcher keeps for itself.
func IsFilePath(name string) bool {
	return name != "" && name != "." && !path.IsAbs(name) && path.Clean(name) == name &&
		!slices.ContainsFunc(strings.Split(name, "/"), func(element string) bool { return strings.HasPrefix(element, "..") })
}

// accountForm is that of an account's id.
var accountForm = regexp.MustCompile(`^[0-9]{12}$`)

// IsAccountID says whether a text can be the id of an AWS account.
func IsAccountID(text string) bool { return accountForm.MatchString(text) }

// regionForm is that of every region there has been: us-gov-west-1, cn-north-1, us-isob-east-1.
var regionForm = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)

// IsRegion says whether a text can be the name of an AWS region.
func IsRegion(text string) bool { return regionForm.MatchString(text) }

// roleForm is that of a role's ARN (IAM identifiers).
var roleForm = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9/_+=,.@-]{1,512}$`)

// IsRoleARN says whether a text can be the ARN of an IAM role.
func IsRoleARN(text string) bool { return roleForm.MatchString(text) }

// IsEndpoint says whether a text can be the address of an AWS service: a URL without user, query and fragment.
func IsEndpoint(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(text, "?#") {
		return false
	}
	_, err = strconv.ParseUint(cmp.Or(u.Port(), "443"), 10, 16)
	return err == nil
}

// clone is a copy that shares nothing that TakeKwargs changes.
func (a Account) clone() Account {
	for _, names := range []**Names{&a.Connections, &a.Variables, &a.Config} {
		if *names != nil {
			own := **names
			*names = &own
		}
	}
	return a
}
