package source

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// batchSize is the most that BatchGetSecretValue takes, from its API reference.
const batchSize = 20

// few is how many secrets are not worth a batch. The time is the same, one round trip; a batch of n saves n-1 calls
// where it is allowed and wastes one where it is not, so with two it cannot gain more than it may lose.
const few = 2

// permit is what a run knows of whether an identity may read in batches. A call that is denied at every pod's start sets
// off alarms, so there is one at most, whatever the number of accounts that the identity asks: each of their readers asks
// for its first batch alone, one reader after the other, until one is denied.
type permit struct {
	mu     sync.Mutex // held while a first batch is under way, so for as long as its context at most
	denied error      // what came instead of a batch
}

// ask reads a first batch, unless batches are denied.
func (p *permit) ask(batch func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.denied != nil {
		return p.denied
	}
	err := batch()
	if batchesImpossible(err) {
		p.denied = err
	}
	return err
}

// choose says whether to read in batches, and reads the first of them to see whether that is allowed.
func (r *reader) choose(ctx context.Context) (batches bool, err error) {
	if r.shared.mode == contract.ReadSingle {
		return false, nil
	}
	auto := r.shared.mode == contract.ReadAuto
	first := r.next(ctx, batchSize)
	if len(first) == 0 || auto && len(first) <= few {
		r.waiting = slices.Concat(first, r.waiting)
		return false, nil
	}
	err = r.caller.permit.ask(func() error { return r.batch(ctx, first) })
	if !auto || !batchesImpossible(err) {
		return true, err
	}
	r.warnings = append(r.warnings, fmt.Sprintf("BatchGetSecretValue is not allowed%s (%s), so each secret was read by a call of its own: "+
		"to save calls, %s; to save the refused call, set airflow-secrets/read to single",
		r.caller.purpose, errorCode(err), r.batching().toAllow()))
	r.waiting = slices.Concat(first, r.waiting)
	return false, nil
}

// batchesImpossible says whether no batch will work, whatever is in it. Some emulators of AWS do not know them.
func batchesImpossible(err error) bool {
	code := errorCode(err)
	return isDenied(err) || code == "UnknownOperationException" || code == "InvalidAction" || httpStatus(err) == http.StatusNotImplemented
}

// batch reads up to batchSize secrets with one call. What its answer does not settle is left in unanswered.
func (r *reader) batch(ctx context.Context, group []entry) error {
	open := map[string]entry{} // id → secret without an answer
	input := &secretsmanager.BatchGetSecretValueInput{}
	for _, e := range group {
		open[e.id] = e
		input.SecretIdList = append(input.SecretIdList, e.id)
	}
	for more := true; more; {
		var output *secretsmanager.BatchGetSecretValueOutput
		err := r.try(ctx, r.batching(), func(ctx context.Context) (err error) {
			output, err = r.client.BatchGetSecretValue(ctx, input)
			return err
		})
		if err != nil && !isDenied(err) && aboutSecret(errorCode(err), "") != nil {
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

// take notes what a batch's answer says of each secret, and takes those that it settles out of open. A secret is known by
// its ARN or by its name, whichever was asked for. An error of a kind that is not about the secret, such as throttling,
// settles nothing.
func (r *reader) take(output *secretsmanager.BatchGetSecretValueOutput, open map[string]entry) error {
	for _, v := range output.SecretValues {
		e, asked := open[aws.ToString(v.ARN)]
		if !asked {
			e, asked = open[aws.ToString(v.Name)]
		}
		if !asked {
			continue
		}
		delete(open, e.id)
		if err := r.keep(e, aws.ToString(v.ARN), v.SecretString, v.SecretBinary); err != nil {
			return err
		}
	}
	for _, v := range output.Errors {
		e, asked := open[aws.ToString(v.SecretId)]
		if !asked {
			continue
		}
		if failure := r.refusal(e, aws.ToString(v.ErrorCode), aws.ToString(v.Message)); failure != nil {
			delete(open, e.id)
			r.leaveOut(e, failure)
		}
	}
	return nil
}
