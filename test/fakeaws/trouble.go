package fakeaws

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Effect is what happens to a call instead of what it asks for.
type Effect string

// The effects.
const (
	// Throttle answers ThrottlingException (STS: Throttling), which SDKs retry.
	Throttle Effect = "throttle"
	// Fail answers InternalServiceError (STS: InternalFailure) with HTTP 500, which SDKs retry.
	Fail Effect = "fail"
	// Unavailable answers ServiceUnavailable with HTTP 503, which SDKs retry.
	Unavailable Effect = "unavailable"
	// Drop closes the connection without an answer.
	Drop Effect = "drop"
	// Hang never answers. The call ends when its client leaves; until then httptest.Server.Close waits.
	Hang Effect = "hang"
)

// Effects lists the effects that can be ordered.
func Effects() []Effect { return []Effect{Throttle, Fail, Unavailable, Drop, Hang} }

// Trouble is something that befalls calls.
type Trouble struct {
	// Operation and Account, the caller's, say which calls are concerned: those that fit both, an empty one fitting all.
	Operation string
	Account   string
	// Secret, by its name, narrows the trouble to the reading of that secret: in a batch, it becomes one of the Errors.
	// Only Throttle, Fail and Unavailable can be ordered for it, and no latency.
	Secret string
	// Calls is how many calls it befalls, the first ones. Zero: every call.
	Calls int
	// Latency is how long a call waits, before its effect too.
	Latency time.Duration
	// Effect may be empty, for calls that are slow and else well.
	Effect Effect
}

// trouble is a Trouble, and how many calls it has befallen.
type trouble struct {
	Trouble
	befallen int
}

// Order makes the trouble happen from now on. Where several concern a call, their latencies add up and the effect that
// was ordered first counts, the others being spared for later calls. It panics on what cannot be ordered.
func (s *Server) Order(t Trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	must(t, t.check())
	s.troubles = append(s.troubles, &trouble{Trouble: t})
}

// Recover ends all troubles. Quotas and paging stay.
func (s *Server) Recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.troubles = nil
}

func (t Trouble) check() error {
	if t.Operation != "" {
		if err := checkOperation(t.Operation); err != nil {
			return err
		}
	}
	switch {
	case t.Effect == "" && t.Latency <= 0:
		return fmt.Errorf("there is neither an effect nor a latency, expected one of %q or a latency", Effects())
	case t.Effect != "" && !slices.Contains(Effects(), t.Effect):
		return fmt.Errorf("effect is %q, expected one of %q", t.Effect, Effects())
	case t.Secret != "" && (t.Latency > 0 || t.Effect == Drop || t.Effect == Hang):
		return fmt.Errorf("the trouble of secret %q befalls calls as a whole, expected one of %q and no latency", t.Secret, []Effect{Throttle, Fail, Unavailable})
	}
	return nil
}

// checkOperation says whether there is such an operation, so that a slip of the pen is not silence.
func checkOperation(name string) error {
	if secretsOperations[name] == nil && stsOperations[name] == nil {
		return fmt.Errorf("operation is %q, expected one such as GetSecretValue or AssumeRole", name)
	}
	return nil
}

// suffer lets happen to the call what is ordered for calls as a whole.
func (c *call) suffer(ctx context.Context) error {
	latency, err := c.server.strike(c)
	if latency == 0 {
		return err
	}
	wait := time.NewTimer(latency)
	defer wait.Stop()
	select {
	case <-wait.C:
		return err
	case <-ctx.Done():
		return errUnanswered
	}
}

// strike finds how long the call takes and how it fails, and counts it against its quota.
func (s *Server) strike(c *call) (latency time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.troubles {
		if !t.concerns(c, "") || err != nil && t.Effect != "" {
			continue
		}
		t.befallen++
		latency += t.Latency
		if t.Effect != "" {
			err = t.Effect.failure(c.protocol)
		}
	}
	if err == nil && s.overQuota(c) {
		err = c.protocol.fault(throttled)
	}
	return latency, err
}

// befall is what is ordered for the reading of one secret. The server's lock is held.
func (s *Server) befall(c *call, secret string) error {
	for _, t := range s.troubles {
		if t.concerns(c, secret) {
			t.befallen++
			return t.Effect.failure(c.protocol)
		}
	}
	return nil
}

func (t *trouble) concerns(c *call, secret string) bool {
	return t.Secret == secret &&
		(t.Operation == "" || t.Operation == c.operation) &&
		(t.Account == "" || t.Account == c.caller.accountID()) &&
		(t.Calls == 0 || t.befallen < t.Calls)
}

func (e Effect) failure(p protocol) error {
	switch e {
	case Drop:
		return errDropped
	case Hang:
		return errUnanswered
	case Fail:
		return p.fault(internalError)
	case Unavailable:
		return p.fault(unavailable)
	default:
		return p.fault(throttled)
	}
}
