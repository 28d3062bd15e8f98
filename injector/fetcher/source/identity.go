package source

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// identify gets the credentials before any call needs them, so that what fails here is known to be the identity.
func (s *session) identify(ctx context.Context, provider aws.CredentialsProvider) error {
	return s.try(ctx, identifying, func(ctx context.Context) error {
		credentials, err := provider.Retrieve(ctx)
		s.id = credentials.AccountID
		if err == nil || heals(err) && !fromInstanceMetadata(provider) || isDenied(err) {
			return err
		}
		return &contract.Error{Code: contract.NoCredentials, Detail: "looked at " + credentialSources(os.LookupEnv), Err: brief(err)}
	})
}

// fromInstanceMetadata says whether the credentials would be the node's. That is where the SDK looks when it found
// nothing else, and in most pods nobody answers there, so it is not worth waiting for.
func fromInstanceMetadata(provider aws.CredentialsProvider) bool {
	p, ok := provider.(aws.CredentialProviderSource)
	return ok && slices.Contains(p.ProviderSources(), aws.CredentialSourceIMDS)
}

// credentialSources says what the SDK's chain looked at, in its order, and what was there.
func credentialSources(lookup func(string) (string, bool)) string {
	var sources []string
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	} {
		state := "not set"
		if value, ok := lookup(name); ok && value != "" {
			state = "set"
		}
		sources = append(sources, name+" ("+state+")")
	}
	return strings.Join(sources, ", ") + ", a shared profile, the node's instance metadata"
}

// withIdentities sets how the SDK's chain gets credentials from elsewhere: from STS for a service account's token, from
// EKS Pod Identity's agent on the node, and from the node's instance metadata, which keeps the SDK's own short timeouts
// and three attempts.
func withIdentities(tokens *tokenService) config.LoadOptionsFunc {
	return func(o *config.LoadOptions) error {
		o.WebIdentityRoleCredentialOptions = func(o *stscreds.WebIdentityRoleOptions) {
			o.Client = tokens
			if o.RoleSessionName == "" {
				o.RoleSessionName = sessionName()
			}
		}
		o.EndpointCredentialOptions = func(o *endpointcreds.Options) {
			o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(attemptTimeout)
		}
		o.EC2RoleCredentialOptions = func(o *ec2rolecreds.Options) { o.Client = imds.New(imds.Options{}) }
		return nil
	}
}

// tokenService is STS for web identities. It exists before its client does, because LoadDefaultConfig makes the
// credentials before it knows the endpoint and makes STS ignore it.
type tokenService struct{ *sts.Client }

// sessionName shows in CloudTrail which pod a call came from: a pod's host name is its name.
func sessionName() string {
	host, _ := os.Hostname() // without one the name is still valid
	name := notForSessionNames.ReplaceAllString("airflow-secrets-"+host, "")
	return name[:min(len(name), maxSessionName)]
}

// From the STS API reference, parameter RoleSessionName.
var notForSessionNames = regexp.MustCompile(`[^\w+=,.@-]`)

const maxSessionName = 64
