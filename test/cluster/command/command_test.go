package command

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestInterrupted ends a shell that waits for a child: only if both are interrupted does it come to clearing away.
func TestInterrupted(t *testing.T) {
	// As main does. Tests that run in the background ignore SIGINT, and what a shell is born to ignore it cannot trap.
	_, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	started := filepath.Join(t.TempDir(), "started")
	go func() {
		defer cancel()
		Until(ctx, time.Minute, func(context.Context) error {
			_, err := os.Stat(started)
			return err
		})
	}()
	said, err := Run(ctx, "sh", "-c", `trap 'echo cleared away; exit 3' INT; touch "$0"; sleep 300; echo slept`, started)
	if err == nil || said != "cleared away\n" {
		t.Errorf("%q, %v, expected that it clears away and fails", said, err)
	}
}

func TestUntilSaysWhyNot(t *testing.T) {
	for name, c := range map[string]struct {
		limit time.Duration
		try   func(ctx context.Context) error
		want  string
	}{
		"each try fails": {time.Second, func(context.Context) error { return errors.New("not yet") }, "not yet"},
		"the only try hangs": {time.Millisecond, func(ctx context.Context) error {
			<-ctx.Done()
			return errors.New("running kubectl: killed")
		}, "running kubectl"},
	} {
		if err := Until(t.Context(), c.limit, c.try); err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, expected the deadline and %q", name, err, c.want)
		}
	}
}
