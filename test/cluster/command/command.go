// Package command runs programs whose failure must say what was run and what it said, once
// or until they work.
package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// New is exec.CommandContext, but for how it ends: when ctx does, the program and all that it has started, a process group of
// their own, get SIGINT, at which test/python.sh, for one, removes what it has begun. After ten seconds it is killed, and no
// child that holds its output is waited for.
func New(ctx context.Context, program string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, program, args...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error {
		err := syscall.Kill(-c.Process.Pid, syscall.SIGINT)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	c.WaitDelay = 10 * time.Second
	return c
}

// Run runs a New program and gives what it wrote to standard output. An error holds the command line and what it wrote to
// standard error, or to standard output where it wrote nothing there.
func Run(ctx context.Context, program string, args ...string) (string, error) {
	return Finish(New(ctx, program, args...))
}

// Finish is Run for a command that is set up already.
func Finish(c *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	if err == nil {
		return stdout.String(), nil
	}
	said := strings.TrimSpace(stderr.String())
	if said == "" {
		said = strings.TrimSpace(stdout.String())
	}
	if said != "" {
		said = ": " + said
	}
	return stdout.String(), fmt.Errorf("running %s: %w%s", strings.Join(c.Args, " "), err, said)
}

// Until tries again and again, until it works or the time is over; then it says why it did not work last.
func Until(ctx context.Context, limit time.Duration, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last error
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil { // a try that is cut off says less, but all there is if it was the only one
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting (at most %v): %w", limit, errors.Join(context.Cause(ctx), last))
		case <-time.After(200 * time.Millisecond):
		}
	}
}
