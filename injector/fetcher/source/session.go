package source

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// session is one account as the pod's identity sees it.
type session struct {
	account contract.Account
	region  string
	id      string // of the AWS account; empty where the credentials do not tell, as access keys do not
	client  *secretsmanager.Client
	http    *http.Client
	log     *slog.Logger
	tally   *tally

	mu     sync.Mutex
	toldAt time.Time // when the log last said that a call is tried again
}

// open finds the region and the identity, and fails at once where there is none.
func open(ctx context.Context, a contract.Account, log *slog.Logger) (*session, error) {
	tokens := new(tokenService)
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(a.Region), // an empty one leaves it to the environment
		config.WithHTTPClient(awshttp.NewBuildableClient()),
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }), // see try
		config.WithLogger(logging.Nop{}),
		withIdentities(tokens),
	)
	if err != nil {
		return nil, &contract.Error{Code: contract.InvalidEnv, Err: brief(err)}
	}
	if cfg.Region == "" {
		return nil, &contract.Error{Code: contract.NoRegion}
	}
	s := &session{account: a, region: cfg.Region, http: httpClient(cfg), log: log}
	cfg.HTTPClient = s.http
	tokens.Client = sts.NewFromConfig(cfg, func(o *sts.Options) { replace(&o.BaseEndpoint, a.EndpointURL) })
	s.client = secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) { replace(&o.BaseEndpoint, a.EndpointURL) })
	if err := checkEndpoint(s.client.Options().BaseEndpoint); err != nil {
		return nil, err
	}
	if err := s.identify(ctx, cfg.Credentials); err != nil {
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

// checkEndpoint refuses an address that no attempt could ever reach; it may come from the environment.
func checkEndpoint(endpoint *string) error {
	if endpoint == nil {
		return nil
	}
	u, err := url.Parse(*endpoint)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		return nil
	}
	shown := *endpoint
	if strings.Contains(shown, "@") {
		shown = "(with a password, so not shown)"
	}
	return &contract.Error{
		Code: contract.InvalidEnv,
		Detail: fmt.Sprintf("the endpoint (airflow-secrets/endpoint-url, else AWS_ENDPOINT_URL) is %q, expected a URL such as "+
			"https://secretsmanager.eu-central-1.amazonaws.com", shown),
	}
}

// httpClient has the transport that the SDK made from the environment (proxy, AWS_CA_BUNDLE), with enough idle
// connections that none of our parallel calls has to shake hands twice, and bounds on time and size.
func httpClient(cfg aws.Config) *http.Client {
	transport := cfg.HTTPClient.(*awshttp.BuildableClient).GetTransport()
	transport.MaxIdleConnsPerHost = singlesAtOnce
	return &http.Client{
		Transport:     bounded{transport},
		Timeout:       attemptTimeout, // for STS: the SDK's credentials cache detaches its calls from our contexts
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded is a transport whose requests and answers are whole and of limited size.
type bounded struct{ *http.Transport }

// maxAnswer has room for a batch of the largest values, each byte of them escaped.
const maxAnswer = batchSize * 64 << 10 * len(`\u0000`)

// RoundTrip sends the request from memory. The SDK closes its request's body as soon as an answer begins, and where the
// transport has yet to see the body's end, it takes that for a failure to write and closes the connection under the
// answer. (It also flushes the headers on their own, to be safe with bodies that it does not know.)
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, fmt.Errorf("reading the request's body: %w", err)
		}
		r = r.WithContext(r.Context()) // a copy: a RoundTripper does not change its argument
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	response, err := b.Transport.RoundTrip(r)
	if err == nil {
		response.Body = http.MaxBytesReader(nil, response.Body, int64(maxAnswer))
	}
	return response, err
}
