package source

import (
	"context"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"golang.org/x/sync/errgroup"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
)

// Calls under way at once. A batch answers with up to 1.3 MB, which the container's memory has to hold, and has a quota
// that all pods of a region share; single reads are small and have a hundred times that quota.
const (
	batchesAtOnce = 5
	singlesAtOnce = 20
)

// reader reads one account's secrets while the names of those that are discovered are still arriving.
type reader struct {
	*session
	asked   []entry // by their ids
	pages   <-chan []entry
	waiting []entry // have arrived and are not being read

	mu         sync.Mutex
	outcomes   []outcome
	answered   int      // secrets that AWS gave or refused
	denied     []denial // of these, by a policy
	unanswered []entry  // were in a batch and not in its answer
	warnings   []string
}

// readAll reads all that is asked for and all that arrives.
//
// What is named by its id is read by single calls, beside the rest: a policy for GetSecretValue alone is enough for it,
// and nothing has to be listed first. Only the mode batch takes it for batches, unless it is in another account, which
// BatchGetSecretValue does not reach. Files are always read singly.
func (r *reader) readAll(ctx context.Context) error {
	singly := r.files()
	if err := r.shared.addSecrets(len(r.asked) + len(singly)); err != nil {
		return err
	}
	if r.shared.mode == contract.ReadBatch && !r.account.ByARN() {
		r.waiting = r.asked
	} else {
		singly = slices.Concat(r.asked, singly)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.readSingly(ctx, singly) })
	group.Go(func() error { return r.readArriving(ctx) })
	return group.Wait()
}

func (r *reader) readSingly(ctx context.Context, all []entry) error {
	calls, ctx := errgroup.WithContext(ctx)
	calls.SetLimit(singlesAtOnce)
	for i := range all {
		calls.Go(func() error { return r.single(ctx, all[i:i+1]) })
	}
	return calls.Wait()
}

// readArriving reads what waits and what arrives, in batches or not.
func (r *reader) readArriving(ctx context.Context) error {
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
	return r.spread(ctx, singlesAtOnce, 1, r.single)
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

// single reads the one secret of its group, in the region that its ARN names.
func (r *reader) single(ctx context.Context, group []entry) error {
	e := group[0]
	var output *secretsmanager.GetSecretValueOutput
	err := r.try(ctx, r.getting(e), func(ctx context.Context) (err error) {
		output, err = r.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &e.id}, func(o *secretsmanager.Options) {
			o.Region = r.regionOf(e)
		})
		return err
	})
	if err == nil {
		return r.keep(e, aws.ToString(output.ARN), output.SecretString, output.SecretBinary)
	}
	if failure := r.refusal(e, errorCode(err), errorMessage(err)); failure != nil {
		r.leaveOut(e, failure)
		return nil
	}
	return err
}

// keep notes a secret's value. The SDK gives either a text or bytes.
func (r *reader) keep(e entry, arn string, text *string, binary []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answered++
	for _, u := range e.uses {
		value, failure := u.take(text, binary)
		r.outcomes = append(r.outcomes, r.outcome(e, u, arn, value, failure))
	}
	return r.shared.addBytes(len(aws.ToString(text)) + len(binary))
}

// take makes of a secret what it is read for.
func (u use) take(text *string, binary []byte) (secret.Value, *contract.Error) {
	switch {
	case text == nil && binary == nil:
		return secret.Value{}, &contract.Error{Code: contract.SecretMissing}
	case u.kind == contract.Files && text == nil:
		return content(string(binary), u.member)
	case u.kind == contract.Files:
		return content(*text, u.member)
	case text == nil:
		return secret.Value{}, &contract.Error{Code: contract.SecretBinary}
	}
	return secret.New(*text), nil
}

// leaveOut notes that a secret cannot be read.
func (r *reader) leaveOut(e entry, failure *contract.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answered++
	if failure.Code == contract.SecretDenied && !r.endsAsARN(e) {
		r.denied = append(r.denied, denial{e, failure})
	}
	for _, u := range e.uses {
		r.outcomes = append(r.outcomes, r.outcome(e, u, e.id, secret.Value{}, failure))
	}
}

func (s *session) outcome(e entry, u use, arn string, value secret.Value, failure *contract.Error) outcome {
	switch {
	case u.id == "":
		value, failure = secret.Value{}, &contract.Error{Code: contract.SecretNoID, Detail: "it is " + e.name + naming("in", s.account)}
	case failure != nil && (u.asked || s.isShared()) && failure.Detail == "":
		failure.Detail = "it is " + s.whereIs(e)
	}
	return outcome{Secret{Kind: u.kind, ID: u.id, ARN: arn, Account: s.account.Name, Value: value, Asked: u.asked}, failure}
}
