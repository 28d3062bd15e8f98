package source

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// session is one account as the pod's identity sees it.
type session struct {
	account contract.Account
	rules   []rule
	region  string
	id      string // of the AWS account; empty where the credentials do not tell, as access keys do not
	client  *secretsmanager.Client
	http    *http.Client
	log     *slog.Logger
	shared  *run

	mu     sync.Mutex
	toldAt time.Time // when the log last said that a call is tried again
}

// open finds the region and the identity, and fails at once where there is none.
func open(ctx context.Context, a contract.Account, shared *run, log *slog.Logger) (*session, error) {
	rules, err := rulesOf(a)
	if err != nil {
		return nil, err
	}
	tokens := new(tokenService)
	cfg, err := load(ctx, a, tokens)
	if err != nil {
		return nil, err
	}
	if err := checkRegion(cfg.Region); err != nil {
		return nil, err
	}
	s := &session{account: a, rules: rules, region: cfg.Region, http: httpClient(cfg), log: log, shared: shared}
	cfg.HTTPClient = s.http
	cfg.APIOptions = append(cfg.APIOptions, shared.count)
	tokens.Client = sts.NewFromConfig(cfg, func(o *sts.Options) { replace(&o.BaseEndpoint, a.STSEndpointURL) })
	own := cfg.Credentials
	if a.Role != nil {
		cfg.Credentials = assuming(*a.Role, roleService{tokens, own})
	}
	s.client = secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) { replace(&o.BaseEndpoint, a.EndpointURL) })
	if err := checkEndpoints(s.client.Options(), tokens.Options()); err != nil {
		return nil, err
	}
	if err := s.identify(ctx, own, cfg.Credentials); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// close gives the connections back.
func (s *session) close() { s.http.CloseIdleConnections() }

// replace sets an endpoint, unless it is empty.
func replace(endpoint **string, url string) {
	if url != "" {
		*endpoint = &url
	}
}

// checkRegion refuses what is no region. A line break at its end, from echo in a script, would spoil each call.
func checkRegion(region string) error {
	switch {
	case region == "":
		return &contract.Error{Code: contract.NoRegion}
	case !legalRegion.MatchString(region):
		return &contract.Error{
			Code:   contract.InvalidEnv,
			Detail: fmt.Sprintf("the region (airflow-secrets/region, else AWS_REGION) is %q, expected one such as eu-central-1", region),
		}
	}
	return nil
}

var legalRegion = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// checkEndpoints refuses addresses that no attempt could ever reach; they may come from the environment.
func checkEndpoints(secrets secretsmanager.Options, tokens sts.Options) error {
	at, of := secrets.EndpointOptions, tokens.EndpointOptions
	return cmp.Or(
		checkEndpoint(secrets.BaseEndpoint, "of Secrets Manager", "https://secretsmanager.eu-central-1.amazonaws.com", at.UseFIPSEndpoint, at.UseDualStackEndpoint),
		checkEndpoint(tokens.BaseEndpoint, "of STS", "https://sts.eu-central-1.amazonaws.com", of.UseFIPSEndpoint, of.UseDualStackEndpoint),
	)
}

func checkEndpoint(endpoint *string, service, example string, fips aws.FIPSEndpointState, dualStack aws.DualStackEndpointState) error {
	where := "the endpoint " + service + " (airflow-secrets/endpoint-url, else AWS_ENDPOINT_URL)"
	switch {
	case endpoint == nil:
		return nil
	case !isReachable(*endpoint):
		return &contract.Error{Code: contract.InvalidEnv, Detail: fmt.Sprintf("%s is %s, expected a URL such as %s", where, shown(*endpoint), example)}
	case fips == aws.FIPSEndpointStateEnabled, dualStack == aws.DualStackEndpointStateEnabled:
		return &contract.Error{Code: contract.InvalidEnv, Detail: where + " is set, and so are AWS's own for FIPS or dual-stack, which it would replace: leave one of them out"}
	}
	return nil
}

func isReachable(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// shown is an endpoint as it may be told.
func shown(endpoint string) string {
	if strings.Contains(endpoint, "@") {
		return "(with a password, so not shown)"
	}
	return fmt.Sprintf("%q", endpoint)
}
