package certs

import (
	"context"
	"math/rand/v2"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// watchPeriod is about how long a watch lasts before the object is read anew, which mends whatever a watch may miss.
const watchPeriod = time.Minute

// sighting is news of an object: how it is now (nil: not there), or why that cannot be told.
type sighting[T any] struct {
	object *T
	err    error
}

// follow tells how an object is and of each change to it, until ctx is done.
func (r resource[T]) follow(ctx context.Context, news chan<- sighting[T]) {
	tell := func(s sighting[T]) {
		select {
		case news <- s:
		case <-ctx.Done():
		}
	}
	retry := newBackoff()
	for ctx.Err() == nil {
		began := time.Now()
		if err := r.followOnce(ctx, tell); err != nil && ctx.Err() == nil {
			tell(sighting[T]{err: err})
		}
		if time.Since(began) > watchPeriod/2 {
			retry = newBackoff()
			continue
		}
		pause(ctx, retry.Step())
	}
}

// followOnce reads the object and watches it for a while.
func (r resource[T]) followOnce(ctx context.Context, tell func(sighting[T])) error {
	object, version, err := r.list(ctx)
	if err != nil {
		return err
	}
	tell(sighting[T]{object: object})
	period := watchPeriod + rand.N(watchPeriod/2) // replicas shall not ask in step
	return r.watch(ctx, version, period, func(changed *T) { tell(sighting[T]{object: changed}) })
}

// newBackoff gives the pauses between attempts.
func newBackoff() wait.Backoff {
	return wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 8, Cap: 10 * time.Second}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
