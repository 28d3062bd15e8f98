package source

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// attemptTimeout bounds one attempt. Secrets Manager answers in well under a second; an endpoint that accepts and never
// answers would hold a call for ever.
const attemptTimeout = 10 * time.Second

// try makes a call, and makes it again for as long as its failure can heal and ctx has time left. Its errors are
// *contract.Error.
//
// The SDK's own retrying would give up after a few attempts, or when its token bucket is empty, though the run has time
// left; and once ctx has ended it no longer knows what it was waiting for.
func (s *session) try(ctx context.Context, op operation, call func(context.Context) error) error {
	started := time.Now()
	var last error // failure that could heal; one that ctx's end caused tells nothing
	for attempts := 1; ; attempts++ {
		err := once(ctx, call)
		switch {
		case err == nil:
			return nil
		case ctx.Err() == nil && !heals(err):
			return op.refused(err)
		case ctx.Err() == nil:
			last = err
			s.tell(op, attempts, err)
			sleep(ctx, backoff(attempts))
		}
		if ctx.Err() != nil {
			return op.gaveUp(attempts, time.Since(started), cmp.Or(last, err))
		}
	}
}

// once makes one attempt, within its own deadline.
func once(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return call(ctx)
}

// The wait before a further attempt doubles from the first to the longest. When a node's pods start together, what they
// wait is drawn at random, so that they do not come back together.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 5 * time.Second
)

// backoff is the wait after so many attempts: between half and all of what the doubling gives.
func backoff(attempts int) time.Duration {
	doublings := min(attempts-1, 10) // more would overflow long after longestWait
	most := min(firstWait<<doublings, longestWait)
	return most/2 + rand.N(most/2)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// tell logs that a call is tried again, at most once in longestWait however many calls there are, so that whoever
// watches a pod that does not start sees why.
func (s *session) tell(op operation, attempts int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.toldAt) >= longestWait {
		s.toldAt = now
		s.log.Warn("trying again", slog.String("code", string(healingCode(err))), slog.String("while", op.doing),
			slog.Int("attempts", attempts), slog.String("cause", brief(err).Error()))
	}
}

// heals says whether a call that failed with err may succeed later, though nobody changes anything.
func heals(err error) bool {
	var (
		known       *contract.Error
		certificate *tls.CertificateVerificationError
		notTLS      tls.RecordHeaderError
		tooLarge    *http.MaxBytesError
		skew        interface{ RetryableError() bool }
		sending     interface{ ConnectionError() bool }
		network     net.Error
	)
	switch {
	case errors.As(err, &known), errors.As(err, &certificate), errors.As(err, &notTLS), errors.As(err, &tooLarge),
		errors.Is(err, http.ErrSchemeMismatch):
		return false
	case errors.As(err, &skew) && skew.RetryableError():
		return true // the SDK has seen by how much our clock is wrong and signs the next attempt accordingly
	case isThrottle(err), healingCodes[errorCode(err)], httpStatus(err) >= http.StatusInternalServerError:
		return httpStatus(err) != http.StatusNotImplemented
	case errors.As(err, &sending), errors.As(err, &network), isTimeout(err):
		return true
	}
	keysUnread := errorCode(err) == "InvalidIdentityToken" && strings.Contains(errorMessage(err), "retrieve verification key")
	return keysUnread || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// healingCodes are AWS's error codes that stand for trouble of its own, beside those of throttling. IDPCommunicationError
// is STS not reaching the cluster's OpenID provider.
var healingCodes = map[string]bool{
	"InternalServiceError": true, "InternalServiceErrorException": true, "InternalFailure": true, "InternalError": true,
	"ServiceUnavailable": true, "ServiceUnavailableException": true, "RequestTimeout": true, "RequestTimeoutException": true,
	"IDPCommunicationError": true,
}

// healingCode is the outcome of a run that ends while waiting for err to heal.
func healingCode(err error) contract.Code {
	switch {
	case isThrottle(err):
		return contract.Throttled
	case isTimeout(err):
		return contract.TimedOut
	}
	return contract.Unavailable
}

func isThrottle(err error) bool {
	_, throttle := retry.DefaultThrottleErrorCodes[errorCode(err)]
	return throttle || httpStatus(err) == http.StatusTooManyRequests
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}

// errorCode is AWS's name for the error, or empty if it has none.
func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// errorMessage is AWS's text for the error, or empty if it has none.
func errorMessage(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorMessage()
	}
	return ""
}

// httpStatus is the status of the answer that the error came in, or 0.
func httpStatus(err error) int {
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}
