package source

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// httpClient has the transport that the SDK made from the environment (proxy, AWS_CA_BUNDLE), with enough idle
// connections that none of our parallel calls has to shake hands twice, and bounds on time and size.
func httpClient(cfg aws.Config) *http.Client {
	transport := cfg.HTTPClient.(*awshttp.BuildableClient).GetTransport()
	transport.MaxIdleConnsPerHost = 2 * singlesAtOnce // what is asked for and what is found are read side by side
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
