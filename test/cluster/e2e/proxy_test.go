package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
)

// TestListen has programs in kubectl's place, and wants none of them to be there once they are to be gone.
func TestListen(t *testing.T) {
	for name, c := range map[string]struct {
		says    string // what follows in the program
		address string
		wants   []string // of the error
	}{
		"proxy":        {"echo Starting to serve on 127.0.0.1:41; exec /bin/sleep 60", "127.0.0.1:41", nil},
		"port-forward": {"echo 'Forwarding from 127.0.0.1:42 -> 8080'; echo Handling; exec /bin/sleep 60", "127.0.0.1:42", nil},
		"fails":        {"echo services af-api-server not found >&2; exit 3", "", []string{"kubectl proxy --port=0", "exit status 3", "af-api-server not found"}},
		"other words":  {"echo hello; exec /bin/sleep 60", "", []string{"hello", "expected an address"}},
	} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			cluster := fakeKubectl(t, "echo $$ > pid; "+c.says)
			address, end, err := cluster.Listen(t.Context(), "proxy", "--port=0")
			if address != c.address || (err == nil) != (c.wants == nil) {
				t.Fatalf("the address is %q, %v, expected %q", address, err, c.address)
			}
			for _, want := range c.wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v, expected %q in it", err, want)
				}
			}
			if err == nil {
				if !alive(t, cluster) {
					t.Error("it has ended by itself")
				}
				end()
				end()
			}
			if alive(t, cluster) {
				t.Error("it is still there")
			}
		})
	}
}

func TestListenEndsWithTheContext(t *testing.T) {
	cluster := fakeKubectl(t, "echo $$ > pid; exec /bin/sleep 60") // it says nothing
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		command.Until(ctx, time.Minute, func(context.Context) error {
			text, err := os.ReadFile(filepath.Join(cluster.Source, "pid"))
			if err == nil && !strings.HasSuffix(string(text), "\n") {
				err = errors.New("its number is not written yet")
			}
			return err
		})
	}()
	if address, _, err := cluster.Listen(ctx, "proxy"); err == nil || alive(t, cluster) {
		t.Errorf("the address is %q, %v, expected an error and no process", address, err)
	}
}

// fakeKubectl is a cluster whose kubectl is a shell's commands. They run in its folder Source.
func fakeKubectl(t *testing.T, commands string) *Cluster {
	t.Helper()
	c := &Cluster{Logs: t.TempDir(), Source: t.TempDir(), Path: t.TempDir()}
	if err := os.WriteFile(filepath.Join(c.Path, "kubectl"), []byte("#!/bin/sh\n"+commands+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return c
}

// alive says whether the process is there whose number is in the file pid.
func alive(t *testing.T, c *Cluster) bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.Source, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
