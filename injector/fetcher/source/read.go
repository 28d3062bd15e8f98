package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"golang.org/x/sync/errgroup"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
)

// batchSize is the most that BatchGetSecretValue takes, from its API reference.
const batchSize = 20

// few is how many secrets are not worth a batch. The time is the same, one round trip; a batch of n saves n-1 calls
// where it is allowed and wastes one where it is not, so with two it cannot gain more than it may lose.
const few = 2

// Calls under way at once. A batch answers with up to 1.3 MB, which the container's memory has to hold, and has a quota
// that all pods of a region share; single reads are small and have a hundred times that quota.
const (
	batchesAtOnce = 5
	singlesAtOnce = 20
)

// result is what reading one secret gave.
type result struct {
	entry
	value   secret.Value
	failure *contract.Error // why there is no value; nil if there is one
}

// reader reads one account's secrets while their names are still arriving.
type reader struct {
	*session
	mode    contract.Read
	pages   <-chan []entry
	waiting []entry // have arrived and are not being read

	mu         sync.Mutex
	results    []result
	unanswered []entry // were in a batch and not in its answer
	warnings   []string
}

// readAll reads everything that arrives, and fails if not one secret may be read.
func (r *reader) readAll(ctx context.Context) error {
	batches, err := r.choose(ctx)
	if err != nil {
		return err
	}
	if batches {
		if err := r.spread(ctx, batchesAtOnce, batchSize, r.batch); err != nil {
			return err
		}
		r.waiting = r.unanswered
	}
	if err := r.spread(ctx, singlesAtOnce, 1, r.single); err != nil {
		return err
	}
	return r.allDenied()
}

// choose says whether to read in batches. Where that depends on their being allowed, it reads the first of them to see,
// and does so alone: a call that is denied at every pod's start sets off alarms, so there is one at most.
func (r *reader) choose(ctx context.Context) (batches bool, err error) {
	if r.mode != contract.ReadAuto {
		return r.mode == contract.ReadBatch, nil
	}
	first := r.next(ctx, batchSize)
	if len(first) > few {
		err = r.batch(ctx, first)
	}
	if len(first) > few && !batchesImpossible(err) {
		return true, err
	}
	if err != nil {
		r.warnings = append(r.warnings, fmt.Sprintf("BatchGetSecretValue is not allowed (%s), so each secret was read by a call of its own: "+
			"to save calls, add to the identity's policy %s; to save the refused call, set airflow-secrets/read to single",
			errorCode(err), r.batching().statement()))
	}
	r.waiting = slices.Concat(first, r.waiting)
	return false, nil
}

// batchesImpossible says whether no batch will work, whatever is in it. Some emulators of AWS do not know them.
func batchesImpossible(err error) bool {
	code := errorCode(err)
	return isDenied(err) || code == "UnknownOperationException" || code == "InvalidAction" || httpStatus(err) == http.StatusNotImplemented
}

// spread hands the secrets that wait and those still to arrive to read, size at a time, to so many calls at once.
func (r *reader) spread(ctx context.Context, atOnce, size int, read func(context.Context, []entry) error) error {
	calls, ctx := errgroup.WithContext(ctx)
	calls.SetLimit(atOnce)
	for group := r.next(ctx, size); len(group) > 0; group = r.next(ctx, size) {
		calls.Go(func() error { return read(ctx, group) })
	}
	return calls.Wait()
}

// next is the next size secrets, or fewer where they are the last. It is empty when there are no more or ctx has ended.
func (r *reader) next(ctx context.Context, size int) []entry {
	for len(r.waiting) < size {
		select {
		case <-ctx.Done():
			return nil
		case page, more := <-r.pages:
			if !more {
				size = len(r.waiting)
				break
			}
			r.waiting = append(r.waiting, page...)
		}
	}
	group := r.waiting[:size:size]
	r.waiting = r.waiting[size:]
	return group
}

// batch reads up to batchSize secrets with one call. What its answer does not settle is left in unanswered.
func (r *reader) batch(ctx context.Context, group []entry) error {
	open := map[string]entry{} // ARN → secret without an answer
	input := &secretsmanager.BatchGetSecretValueInput{}
	for _, e := range group {
		open[e.arn] = e
		input.SecretIdList = append(input.SecretIdList, e.arn)
	}
	for more := true; more; {
		var output *secretsmanager.BatchGetSecretValueOutput
		err := r.try(ctx, r.batching(), func(ctx context.Context) (err error) {
			output, err = r.client.BatchGetSecretValue(ctx, input)
			return err
		})
		if err != nil && !isDenied(err) && refusal(errorCode(err), "") != nil {
			break // one of its secrets failed the whole batch
		}
		if err == nil {
			err = r.take(output, open)
		}
		if err != nil {
			return err
		}
		input.NextToken = output.NextToken
		more = aws.ToString(output.NextToken) != ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range open {
		r.unanswered = append(r.unanswered, e)
	}
	return nil
}

// take notes what a batch's answer says of each secret, and takes those that it settles out of open. An error of a kind
// that is not about the secret, such as throttling, settles nothing.
func (r *reader) take(output *secretsmanager.BatchGetSecretValueOutput, open map[string]entry) error {
	for _, v := range output.SecretValues {
		e, asked := open[aws.ToString(v.ARN)]
		if !asked {
			continue
		}
		delete(open, e.arn)
		if err := r.keep(e, v.SecretString, v.SecretBinary); err != nil {
			return err
		}
	}
	for _, v := range output.Errors {
		e, asked := open[aws.ToString(v.SecretId)]
		failure := refusal(aws.ToString(v.ErrorCode), aws.ToString(v.Message))
		if asked && failure != nil {
			delete(open, e.arn)
			r.note(result{entry: e, failure: failure})
		}
	}
	return nil
}

// single reads the one secret of its group.
func (r *reader) single(ctx context.Context, group []entry) error {
	e := group[0]
	var output *secretsmanager.GetSecretValueOutput
	err := r.try(ctx, r.getting(e), func(ctx context.Context) (err error) {
		output, err = r.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &e.arn})
		return err
	})
	if err == nil {
		return r.keep(e, output.SecretString, output.SecretBinary)
	}
	if failure := refusal(errorCode(err), errorMessage(err)); failure != nil {
		r.note(result{entry: e, failure: failure})
		return nil
	}
	return err
}

// keep notes a secret's value. The SDK gives either a text or bytes.
func (r *reader) keep(e entry, text *string, binary []byte) error {
	got := result{entry: e}
	switch {
	case text != nil:
		got.value = secret.New(*text)
	case binary != nil:
		got.failure = &contract.Error{Code: contract.SecretBinary}
	default:
		got.failure = &contract.Error{Code: contract.SecretMissing}
	}
	r.note(got)
	return r.tally.addBytes(got.value.Len())
}

func (r *reader) note(got result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, got)
}

// allDenied is the error of a run that found secrets and may read none of them: that is a policy, not a bad secret.
func (r *reader) allDenied() error {
	for _, got := range r.results {
		if got.failure == nil || got.failure.Code != contract.SecretDenied {
			return nil
		}
	}
	if len(r.results) == 0 {
		return nil
	}
	op := r.gettingAny(r.results[0].arn)
	return &contract.Error{
		Code:   contract.AccessDenied,
		Detail: fmt.Sprintf("%s (%d): add to the identity's policy %s", op.doing, len(r.results), op.statement()),
		Err:    errors.New(r.results[0].failure.Detail),
	}
}
