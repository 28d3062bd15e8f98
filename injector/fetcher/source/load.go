package source

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// load is the SDK's configuration for an account: what the account says, else what the environment and its profile say.
func load(ctx context.Context, a contract.Account, tokens *tokenService) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{
		config.WithRegion(a.Region), // an empty one leaves it to the environment
		config.WithHTTPClient(awshttp.NewBuildableClient()),
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }), // see try
		config.WithLogger(logging.Nop{}),
		withIdentities(tokens),
	}
	if a.FIPS {
		options = append(options, config.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	if a.DualStack {
		options = append(options, config.WithUseDualStackEndpoint(aws.DualStackEndpointStateEnabled))
	}
	if err := checkBundle(); err != nil {
		return aws.Config{}, err
	}
	identity, err := identityOf(a, tokens)
	if err != nil {
		return aws.Config{}, err
	}
	if identity != nil {
		options = append(options, config.WithCredentialsProvider(identity))
	} else {
		options = append(options, config.WithSharedConfigProfile(a.Profile)) // an empty one leaves it to the environment
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil && identity != nil {
		cfg, err = withoutProfile(options)
	}
	if err != nil {
		return aws.Config{}, &contract.Error{Code: contract.InvalidEnv, Err: brief(err)}
	}
	return cfg, nil
}

// checkBundle looks for the file with the roots to trust. Its volume is mounted here where the webhook could see its path.
func checkBundle() error {
	file := os.Getenv("AWS_CA_BUNDLE")
	if file == "" {
		return nil
	}
	if _, err := os.Stat(file); err != nil {
		return &contract.Error{Code: contract.InvalidEnv, Detail: "AWS_CA_BUNDLE names a file that this container does not have: write its path out in env of Airflow's container, so that its volume is mounted here as well", Err: err}
	}
	return nil
}

// withoutProfile is the configuration by the options and the environment's variables alone. An identity of its own needs
// no profile, so AWS_PROFILE may name one that this container does not have; the SDK would refuse to go on.
func withoutProfile(options []func(*config.LoadOptions) error) (aws.Config, error) {
	var o config.LoadOptions
	for _, option := range options {
		if err := option(&o); err != nil {
			return aws.Config{}, err
		}
	}
	env, err := config.NewEnvConfig()
	if err != nil {
		return aws.Config{}, err
	}
	cfg := aws.Config{
		Region: cmp.Or(o.Region, env.Region), Credentials: aws.NewCredentialsCache(o.Credentials),
		HTTPClient: o.HTTPClient, Retryer: o.Retryer, Logger: o.Logger, ConfigSources: []any{o, env},
	}
	if ignored := env.IgnoreConfiguredEndpoints; env.BaseEndpoint != "" && (ignored == nil || !*ignored) {
		cfg.BaseEndpoint = &env.BaseEndpoint
	}
	if env.CustomCABundle != "" {
		cfg.HTTPClient, err = trusting(env.CustomCABundle)
	}
	return cfg, err
}

// trusting is a client that trusts the certificates in a file, and no others.
func trusting(file string) (*awshttp.BuildableClient, error) {
	bundle, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading AWS_CA_BUNDLE: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		return nil, fmt.Errorf("reading AWS_CA_BUNDLE: %s holds no certificate, expected PEM", file)
	}
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}), nil
}
