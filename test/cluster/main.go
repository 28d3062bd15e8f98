// Command cluster checks airflow-secrets on a real Kubernetes: one that it starts on this machine, or the one that
// KUBECONFIG names. make e2e is this.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/kube"
)

const usage = `Checks airflow-secrets on a real Kubernetes.

Usage, in the repository's folder, after make build:
  go run ./test/cluster [flags]

Flags:
  --list         list the checks
  --only NAMES   run these only, and those that they need; joined by commas
  --build        make what takes long (the cluster's programs, Airflow's images), as far as
                 the cache lacks it, and end
  --keep         after the checks go on until Ctrl-C, with the cluster as it is
  --bare         no images, no installation, no checks: just the cluster, until Ctrl-C
  --help         print this

Without KUBECONFIG it starts a Kubernetes of one node here, from the real programs. They are built from their Go modules
once, into the user's cache folder; that takes some twelve minutes of two cores. It needs root, and says at once what else
is missing. Whatever it starts ends with it. (Tried with control groups of version 1.)

With KUBECONFIG it uses that cluster, by the kubectl and helm of the PATH, and LOAD_IMAGE must be a command that makes
the image in an archive known to all its nodes, such as "kind load image-archive"; the archive's path is added. Nodes
must be able to run images of this machine's architecture. Checks that look into etcd or at the node are left out, each by
name. The installation and the namespaces that the checks make are removed at the end, unless --keep; images stay on the
nodes. A cluster that has airflow-secrets already is refused.

Exit codes: 0 all passed, 1 a check failed or the cluster could not be had, 2 wrong usage.
`

func main() {
	kube.FirstProcess()
	os.Exit(run(untilSignal(), os.Args[1:], os.Stdout, os.Stderr))
}

// untilSignal is a context that ends with the first signal that asks us to. A second one does not wait for the cluster to be
// given back; but one that follows within two seconds is the first again: timeout and make pass on what all of them got.
func untilSignal() context.Context {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, func() {
		time.Sleep(2 * time.Second)
		stop()
	})
	return ctx
}

// asked is the command line.
type asked struct {
	list, build, keep, bare bool
	only                    []string
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "cluster:", err)
		return 2
	}
	selected, err := e2e.Select(all(), a.only)
	if err != nil {
		fmt.Fprintln(stderr, "cluster:", err)
		return 2
	}
	if a.list {
		for _, check := range selected {
			fmt.Fprintf(stdout, "%-24s %s\n", check.Name, check.Says)
		}
		return 0
	}
	started := time.Now()
	task := func() error { return prove(ctx, stdout, a, selected) }
	if a.build {
		task = func() error { return build(ctx, stdout) }
	}
	if err := task(); err != nil {
		fmt.Fprintf(stderr, "cluster: %v\n", err)
		return 1
	}
	fmt.Fprintf(stdout, "done in %.0f s\n", time.Since(started).Seconds())
	return 0
}

func parse(args []string) (asked, error) {
	var a asked
	var only string
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&a.list, "list", false, "")
	flags.BoolVar(&a.build, "build", false, "")
	flags.BoolVar(&a.keep, "keep", false, "")
	flags.BoolVar(&a.bare, "bare", false, "")
	flags.StringVar(&only, "only", "", "")
	if err := flags.Parse(args); err != nil {
		return a, err
	}
	if only != "" {
		a.only = strings.Split(only, ",")
	}
	if flags.NArg() > 0 {
		return a, fmt.Errorf("unexpected argument %q: flags are all it takes", flags.Arg(0))
	}
	return a, nil
}

// prove gets a cluster, runs the checks and gives the cluster back.
func prove(ctx context.Context, out io.Writer, a asked, checks []e2e.Check) (err error) {
	c, giveBack, err := obtain(ctx, out, a.bare)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, giveBack(a.keep)) }()
	fmt.Fprintf(out, "logs: %s\n", c.Logs)
	defer fmt.Fprintf(out, "logs: %s\n", c.Logs)
	if c.Node != nil {
		var cancel context.CancelFunc
		ctx, cancel = c.Node.WhileUp(ctx)
		defer cancel()
	}
	if !a.bare {
		stop, failed := c.KeepLogs(ctx)
		if failed != nil {
			return failed
		}
		defer stop()
		err = e2e.Run(ctx, out, c, checks)
	}
	if (a.keep || a.bare) && ctx.Err() == nil {
		fmt.Fprintf(out, "the cluster is yours until Ctrl-C:\n  export KUBECONFIG=%s PATH=%s\n", c.Kubeconfig, c.Path)
		<-ctx.Done()
	}
	return err
}
