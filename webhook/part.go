package webhook

import (
	"context"
	"errors"
	"fmt"
)

// part is one of the things that run side by side in a server, until they are stopped.
type part struct {
	address string // where it listens; empty where it does not
	// ended yields why the part ended by itself, and is closed once it has ended.
	ended chan error
	// stop ends the part and waits for that. It returns what went wrong, unless ended has told it already.
	stop func() error
}

// start runs a part, which ends when its context does. The context is not the caller's: a part outlives the signal to
// stop, until what depends on it has stopped.
func start(doing string, run func(context.Context) error) *part {
	ctx, cancel := context.WithCancel(context.Background())
	p := &part{ended: make(chan error, 1)}
	p.stop = func() error { cancel(); return <-p.ended }
	go func() {
		defer close(p.ended)
		if err := run(ctx); err != nil {
			p.ended <- fmt.Errorf("%s: %w", doing, err)
		}
	}()
	return p
}

// stopInto stops the part and adds what went wrong to an error.
func (p *part) stopInto(err *error) { *err = errors.Join(*err, p.stop()) }
