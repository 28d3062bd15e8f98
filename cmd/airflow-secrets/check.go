package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher"
)

const checkUsage = `airflow-secrets check reads AWS as a pod would, and tells what the pod would get. It shows no value.

Usage:
  airflow-secrets check -f FILE [flags]

` + requestUsage + objectsUsage + `  -v, --verbose          the id of each secret that would be delivered
  -o text|json           for people, or the fetcher's report and more as a JSON object (default text)

The settings are the pod's: region, endpoint, prefixes, ids, patterns, kwargs, the roles to assume. The
identity is that of this process (AWS_PROFILE, keys in the environment, SSO, ...), for nobody else has the
token of a service account; only access keys that the pod has, in its environment, in kwargs or in a Secret
that is given with -r, are used as the pod would. So are its airflow-secrets/role-arn and shared-role-arn.
Proxy and certificates are this process's, too. A shared account that lets in the pod's identity alone denies
this process. How much environment variables may hold is taken as in most containers, with 8 MiB of stack.
Nothing is written, and the pod's time limit holds (airflow-secrets/timeout).

Exit codes: 0 all is well; 1 the pod is refused or would not start; 2 the command was wrong, or a Secret or
ConfigMap is missing; 3 the pod would start with something left out.
`

func check(args []string, c console) int {
	var r request
	flags := r.newFlagsWithObjects(c.command)
	output := flags.String("o", "text", "")
	verbose := flags.Bool("verbose", false, "")
	flags.BoolVar(verbose, "v", false, "")
	err := r.parse(flags, args)
	if err == nil && *output != "text" && *output != "json" {
		err = fmt.Errorf("-o is %q, expected text or json", *output)
	}
	if err != nil {
		return c.usage(err, checkUsage)
	}
	_, v, exit, ok := r.inspect(c, subject.look)
	if !ok {
		return exit
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	found, exit := v.ask(ctx)
	print := found.print
	if *output == "json" {
		print = found.printJSON
	}
	if err := print(c.stdout, *verbose); err != nil {
		return c.fail(exitRefused, fmt.Errorf("writing the report: %w", err))
	}
	return exit
}

// ask reads AWS with the pod's settings and this process's identity.
func (v view) ask(ctx context.Context) (checked, int) {
	var out checked
	setup, notes := v.borrowed()
	out.Notes, out.Deliver = notes, cmp.Or(setup.Deliver, contract.DeliverFiles)
	for _, a := range setup.Accounts {
		out.Accounts = append(out.Accounts, askedAccount{Name: a.Name, Account: a.ID, Region: a.Region, As: identity(a)})
	}
	result, err := fetcher.Check(ctx, setup, slog.New(slog.DiscardHandler))
	out.add(result)
	if err != nil {
		out.fail(ctx, err)
		return out, exitRefused
	}
	out.Code, out.Sentence, out.Report = contract.Fetched, "the pod would start, with all of its secrets", &result.Report
	r := result.Report
	switch n := len(out.lost()); {
	case n > 0:
		out.Sentence = fmt.Sprintf("the pod would start, with %d left out", n)
	case len(r.Connections)+len(r.Variables)+len(r.Config)+len(r.Files) == 0 && result.Found.Looked != "":
		out.Sentence = "the pod would start, with nothing at all: no secret was found"
	default:
		return out, exitOK
	}
	return out, exitLeftOut
}

func (f *checked) fail(ctx context.Context, err error) {
	f.Code, f.Sentence = contract.Internal, err.Error()
	var known *contract.Error
	if errors.As(err, &known) {
		f.Code = known.Code
	}
	if ctx.Err() != nil {
		f.Code, f.Sentence = contract.Stopped, "the check was stopped before it was done"
	}
}
