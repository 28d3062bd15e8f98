package source

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aws/smithy-go/middleware"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// maxSecrets bounds how many secrets are read. Airflow slows down with each connection long before that.
const maxSecrets = 10_000

// tally is what all accounts together have found and asked so far, and holds it to its limits.
type tally struct {
	secrets, bytes atomic.Int64

	mu    sync.Mutex
	calls map[string]int  // operation → attempts
	keys  map[string]bool // ARNs of KMS keys
}

func (t *tally) addSecrets(n int) error {
	if t.secrets.Add(int64(n)) <= maxSecrets {
		return nil
	}
	return &contract.Error{Code: contract.TooLarge, Detail: fmt.Sprintf("there are more than %d", maxSecrets)}
}

func (t *tally) addBytes(n int) error {
	if t.bytes.Add(int64(n)) <= contract.MaxFetchedBytes {
		return nil
	}
	return &contract.Error{
		Code:   contract.TooLarge,
		Detail: fmt.Sprintf("their values come to more than %d bytes (%d secrets found so far)", contract.MaxFetchedBytes, t.secrets.Load()),
	}
}

func (t *tally) addKey(arn string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.keys == nil {
		t.keys = map[string]bool{}
	}
	t.keys[arn] = true
}

// told is how often each operation was called, and the ARNs of the keys. They are copies: a call that the run gave up
// waiting for may be counted after its end.
func (t *tally) told() (calls map[string]int, keys []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.calls), slices.Sorted(maps.Keys(t.keys))
}

// count has each call of a client counted, once it is signed and about to be sent.
func (t *tally) count(stack *middleware.Stack) error {
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("CountCalls",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			t.called(middleware.GetOperationName(ctx))
			return next.HandleFinalize(ctx, in)
		}), middleware.After)
}

func (t *tally) called(operation string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls == nil {
		t.calls = map[string]int{}
	}
	t.calls[operation]++
}
