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
	own     *caller // before it assumes a role
	caller  *caller // who asks for secrets; own, where there is no role
	id      string  // of the caller's AWS account; empty where its credentials do not tell
	client  *secretsmanager.Client
	http    *http.Client
	log     *slog.Logger
	shared  *run

	mu      sync.Mutex
	deleted []outcome // what listing found scheduled for deletion
	toldAt  time.Time // when the log last said that a call is tried again
}

// connect makes ready to call, and fails where the settings forbid it. It calls nobody yet.
func connect(ctx context.Context, a contract.Account, shared *run, log *slog.Logger) (*session, error) {
	rules, err := rulesOf(a)
	if err != nil {
		return nil, err
	}
	tokens := new(tokenService)
	cfg, err := load(ctx, a, tokens)
	if err != nil {
		return nil, err
	}
	if err := checkRegion(cfg.Region, a); err != nil {
		return nil, err
	}
	s := &session{account: a, rules: rules, region: cfg.Region, http: httpClient(cfg), log: log, shared: shared}
	cfg.HTTPClient = s.http
	cfg.APIOptions = append(cfg.APIOptions, shared.count)
	tokens.Client = sts.NewFromConfig(cfg, func(o *sts.Options) { replace(&o.BaseEndpoint, a.STSEndpointURL) })
	identity := beforeRole(a)
	s.own = shared.caller(identity, a, cfg.Credentials)
	s.caller = s.own
	if a.Role != nil {
		identity.role = *a.Role
		s.caller = shared.caller(identity, a, assuming(*a.Role, roleService{tokens, s.own.credentials}))
	}
	cfg.Credentials = s.caller.credentials
	s.client = secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) { replace(&o.BaseEndpoint, a.EndpointURL) })
	if err := checkEndpoints(s.client.Options(), tokens.Options()); err != nil {
		return nil, err
	}
	return s, nil
}

// isShared says whether it is the account that backs up one's own.
func (s *session) isShared() bool { return s.account.Name == contract.SharedAccount }

// place is a region, and the account where that is the shared one, for people.
func (s *session) place(region string) string { return region + naming("of", s.account) }

// close gives the connections back.
func (s *session) close() { s.http.CloseIdleConnections() }

// replace sets an endpoint, unless it is empty.
func replace(endpoint **string, url string) {
	if url != "" {
		*endpoint = &url
	}
}

// checkRegion refuses what is no region. A line break at its end, from echo in a script, would spoil each call.
func checkRegion(region string, a contract.Account) error {
	setting := "airflow-secrets/region"
	if a.Name == contract.SharedAccount {
		setting = "airflow-secrets/shared-region, else " + setting
	}
	switch {
	case region == "":
		return &contract.Error{Code: contract.NoRegion, Detail: strings.TrimPrefix(naming("for", a), " ")}
	case !legalRegion.MatchString(region):
		return &contract.Error{
			Code:   contract.InvalidEnv,
			Detail: fmt.Sprintf("the region%s (%s, else AWS_REGION) is %q, expected one such as eu-central-1", naming("of", a), setting, region),
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

// naming names the shared account behind a preposition and a space. It is empty for one's own, which goes without saying.
func naming(preposition string, a contract.Account) string {
	if a.Name != contract.SharedAccount {
		return ""
	}
	return strings.TrimSuffix(" "+preposition+" the shared account "+a.ID, " ")
}
