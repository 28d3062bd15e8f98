package source

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// Where access keys are in the environment.
const (
	keyIDEnv     = "AWS_ACCESS_KEY_ID"
	secretKeyEnv = "AWS_SECRET_ACCESS_KEY"
	tokenEnv     = "AWS_SESSION_TOKEN"
	tokenFileEnv = "AWS_WEB_IDENTITY_TOKEN_FILE"
)

// identityOf is the identity that the account itself names, the first of those that are set. It is nil where the SDK finds
// one, in a profile that the account names or wherever its own chain looks.
func identityOf(a contract.Account, tokens *tokenService) (aws.CredentialsProvider, error) {
	switch {
	case a.Keys != nil:
		return credentials.NewStaticCredentialsProvider(a.Keys()), nil
	case a.KeysFromEnv:
		return keysFromSecret()
	case a.WebIdentity != nil:
		file := cmp.Or(a.WebIdentity.TokenFile, os.Getenv(tokenFileEnv))
		if file == "" {
			return nil, &contract.Error{Code: contract.NoCredentials, Detail: fmt.Sprintf("the role %s is to be assumed with a token, and %s, which names its file, is not set",
				a.WebIdentity.RoleARN, tokenFileEnv)}
		}
		return stscreds.NewWebIdentityRoleProvider(tokens, a.WebIdentity.RoleARN, stscreds.IdentityTokenFile(file),
			func(o *stscreds.WebIdentityRoleOptions) {
				o.RoleSessionName = cmp.Or(a.WebIdentity.SessionName, sessionName())
				o.Duration = cmp.Or(time.Duration(a.WebIdentity.Duration), o.Duration)
			}), nil
	}
	return nil, nil
}

// keysFromSecret are the keys of the Secret that an annotation names, whatever else is in the environment.
func keysFromSecret() (aws.CredentialsProvider, error) {
	id, secret := os.Getenv(contract.KeyIDEnv), os.Getenv(contract.SecretKeyEnv)
	if id == "" || secret == "" {
		return nil, &contract.Error{Code: contract.NoKeys, Detail: setOrNot(contract.KeyIDEnv, os.LookupEnv) + ", " + setOrNot(contract.SecretKeyEnv, os.LookupEnv)}
	}
	keys := credentials.NewStaticCredentialsProvider(id, secret, os.Getenv(contract.SessionTokenEnv))
	keys.Value.Source = keysOfSecret
	return keys, nil
}

// keysOfSecret says where such keys are from.
const keysOfSecret = "the Secret that airflow-secrets/credentials-secret names"

// assuming gives a role's credentials.
func assuming(r contract.Role, service roleService) aws.CredentialsProvider {
	return aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(service, r.ARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = cmp.Or(r.SessionName, sessionName())
		o.Duration = cmp.Or(time.Duration(r.Duration), o.Duration)
		if r.ExternalID != "" {
			o.ExternalID = &r.ExternalID
		}
	}))
}

// identify gets the credentials before any call needs them, so that what fails here is known to be the identity: the
// pod's own, and then the role's that it is to assume.
func (s *session) identify(ctx context.Context) (err error) {
	s.id, err = s.own.get(ctx, s.ownCredentials)
	if err != nil || s.account.Role == nil {
		return err
	}
	s.id, err = s.caller.get(ctx, s.roleCredentials)
	return err
}

func (s *session) ownCredentials(ctx context.Context) (got aws.Credentials, err error) {
	err = s.try(ctx, s.identifying(), func(ctx context.Context) (err error) {
		got, err = s.own.credentials.Retrieve(ctx)
		if err == nil {
			return s.checkKeys(got)
		}
		if heals(err) && !fromInstanceMetadata(s.own.credentials) || isDenied(err) {
			return err
		}
		return &contract.Error{Code: contract.NoCredentials, Detail: "looked" + s.own.purpose + " at " + s.credentialSources(os.LookupEnv), Err: brief(err)}
	})
	return got, err
}

func (s *session) roleCredentials(ctx context.Context) (got aws.Credentials, err error) {
	err = s.try(ctx, s.assumingRole(), func(ctx context.Context) (err error) {
		got, err = s.caller.credentials.Retrieve(ctx)
		return err
	})
	return got, err
}

// identifying gets the pod's own credentials. Where that is refused, it is by a role's trust policy.
func (s *session) identifying() operation {
	switch a := s.account; {
	case a.Keys != nil || a.KeysFromEnv: // no call is needed for them
	case a.WebIdentity != nil:
		return operation{
			doing:  "assuming the role " + a.WebIdentity.RoleARN + " with the pod's token" + s.own.purpose,
			remedy: "let the role's trust policy allow the pod's service account by this cluster's OpenID provider",
		}
	case a.Profile != "":
		return operation{
			doing:  "getting AWS credentials by the profile " + a.Profile + s.own.purpose,
			remedy: "let the trust policy of the profile's role, and the policy of whom it is assumed by, allow sts:AssumeRole",
		}
	}
	return operation{
		doing: "getting AWS credentials for the pod" + s.own.purpose,
		remedy: "let the role's trust policy allow the pod's service account (IRSA: by this cluster's OpenID provider; " +
			"EKS Pod Identity: by pods.eks.amazonaws.com)",
	}
}

// assumingRole needs both sides to agree.
func (s *session) assumingRole() operation {
	r, setting := *s.account.Role, "airflow-secrets/external-id"
	if s.isShared() {
		setting = "airflow-secrets/shared-external-id"
	}
	externalID := "; if that asks for an external id, set " + setting
	if r.ExternalID != "" {
		externalID = ", with the external id that is set here (" + setting + ")"
	}
	return operation{
		doing:  "assuming the role " + r.ARN + s.caller.purpose,
		action: "sts:AssumeRole", resource: r.ARN,
		remedy: ", and let the trust policy of the role allow sts:AssumeRole to that identity" + externalID,
	}
}

// checkKeys refuses what no request can carry. A line break at a key's end, from echo KEY | base64, is the usual one; the
// transport would fail at each attempt, and so not at once.
func (s *session) checkKeys(c aws.Credentials) error {
	names := []string{"the access key id", "the secret access key", "the session token"}
	switch {
	case s.account.Keys != nil:
		names = []string{"aws_access_key_id of the backend's kwargs", "aws_secret_access_key of the backend's kwargs", "aws_session_token of the backend's kwargs"}
	case c.Source == config.CredentialsSourceName:
		names = []string{keyIDEnv, secretKeyEnv, tokenEnv}
	default:
		for i := range names {
			names[i] += " from " + c.Source
		}
	}
	for i, key := range []string{c.AccessKeyID, c.SecretAccessKey, c.SessionToken} {
		if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return &contract.Error{Code: contract.InvalidEnv, Detail: names[i] + " has a line break, a space or another character that no key has " +
				"(it is not shown): write it anew, with echo -n or printf where a script does it"}
		}
	}
	return nil
}

// fromInstanceMetadata says whether the credentials would be the node's. That is where the SDK looks when it found
// nothing else, and in most pods nobody answers there, so it is not worth waiting for.
func fromInstanceMetadata(provider aws.CredentialsProvider) bool {
	p, ok := provider.(aws.CredentialProviderSource)
	return ok && slices.Contains(p.ProviderSources(), aws.CredentialSourceIMDS)
}

// credentialSources says what was looked at for an identity, in that order, and what was there.
func (s *session) credentialSources(lookup func(string) (string, bool)) string {
	switch a := s.account; {
	case a.Keys != nil:
		return "the keys of the backend's kwargs"
	case a.WebIdentity != nil:
		return "the token file of the role " + a.WebIdentity.RoleARN
	case a.Profile != "":
		return "the profile " + a.Profile
	}
	var sources []string
	for _, name := range []string{
		keyIDEnv, secretKeyEnv, tokenFileEnv, "AWS_ROLE_ARN", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	} {
		sources = append(sources, setOrNot(name, lookup))
	}
	return strings.Join(sources, ", ") + ", a shared profile, the node's instance metadata"
}

// setOrNot names a variable and says whether it has a value.
func setOrNot(name string, lookup func(string) (string, bool)) string {
	if value, ok := lookup(name); ok && value != "" {
		return name + " (set)"
	}
	return name + " (not set)"
}

// withIdentities sets how the SDK's chain gets credentials from elsewhere: from STS for a service account's token or for a
// profile with a role, from EKS Pod Identity's agent on the node, and from the node's instance metadata, which keeps the
// SDK's own short timeouts and three attempts. AWS_ROLE_SESSION_NAME and a profile's role_session_name are kept.
func withIdentities(tokens *tokenService) config.LoadOptionsFunc {
	return func(o *config.LoadOptions) error {
		o.WebIdentityRoleCredentialOptions = func(o *stscreds.WebIdentityRoleOptions) {
			o.Client = tokens
			o.RoleSessionName = cmp.Or(o.RoleSessionName, sessionName())
		}
		o.AssumeRoleCredentialOptions = func(o *stscreds.AssumeRoleOptions) {
			if client, ok := o.Client.(*sts.Client); ok {
				o.Client = roleService{tokens, client.Options().Credentials}
			}
			o.RoleSessionName = cmp.Or(o.RoleSessionName, sessionName())
		}
		o.EndpointCredentialOptions = func(o *endpointcreds.Options) {
			o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(attemptTimeout)
		}
		o.EC2RoleCredentialOptions = func(o *ec2rolecreds.Options) { o.Client = imds.New(imds.Options{}) }
		return nil
	}
}

// tokenService is STS. It exists before its client does, because LoadDefaultConfig makes the credentials before it knows
// the endpoint and makes STS ignore it.
type tokenService struct{ *sts.Client }

// roleService is STS for whoever has the credentials source.
type roleService struct {
	*tokenService
	source aws.CredentialsProvider
}

// AssumeRole is STS's operation of that name.
func (r roleService) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput, options ...func(*sts.Options)) (*sts.AssumeRoleOutput, error) {
	return r.Client.AssumeRole(ctx, in, append(options, func(o *sts.Options) { o.Credentials = r.source })...)
}
