// The command fakeaws serves the accounts of a store as AWS Secrets Manager and STS, on one address.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

const usage = `fakeaws answers as AWS Secrets Manager and STS do, from a store in a file.

Usage:
  fakeaws --store FILE [--listen ADDRESS]

Flags:
  --store FILE       the accounts, roles, keys, policies and secrets, and what goes wrong with calls, as
                     YAML (the format is in test/fakeaws/README.md)
  --listen ADDRESS   where to listen (127.0.0.1:0); with port 0 the system chooses a port
  --help             print this

It prints "listening on http://127.0.0.1:PORT" as soon as it takes calls, then a line for each call, such as
"ListSecrets ok arn:aws:iam::111122223333:user/AKIAIOSFODNN7EXAMPLE", and serves until it gets SIGINT or SIGTERM. Point a client at it by its endpoint, with any secret key:

  AWS_ENDPOINT_URL=http://127.0.0.1:PORT AWS_REGION=eu-central-1 \
  AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE AWS_SECRET_ACCESS_KEY=any aws secretsmanager list-secrets

Exit codes: 0 stopped by a signal, 1 it could not serve, 2 wrong usage.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("fakeaws", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {}
	listen := flags.String("listen", "127.0.0.1:0", "")
	store := flags.String("store", "", "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case err != nil: // flag has said what is wrong
		return 2
	case *store == "" || flags.NArg() > 0:
		fmt.Fprintln(stderr, "fakeaws: expected --store FILE and no arguments; see fakeaws --help")
		return 2
	}
	if err := serve(ctx, *listen, *store, stdout); err != nil {
		fmt.Fprintln(stderr, "fakeaws:", err)
		return 1
	}
	return 0
}

// serve answers calls until the context ends. Calls that are waiting then are cut off.
func serve(ctx context.Context, address, store string, stdout io.Writer) error {
	file, err := os.Open(store)
	if err != nil {
		return fmt.Errorf("opening the store: %w", err)
	}
	defer file.Close()
	aws, err := fakeaws.Load(file)
	if err != nil {
		return fmt.Errorf("reading the store %s: %w", store, err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", address, err)
	}
	server := &http.Server{Handler: aws, ReadHeaderTimeout: 10 * time.Second}
	closed := context.AfterFunc(ctx, func() { server.Close() })
	defer closed()
	fmt.Fprintf(stdout, "listening on http://%s\n", listener.Addr())
	aws.Tell(func(r fakeaws.Request) {
		told := append([]string{r.Operation, r.Outcome, cmp.Or(r.Caller, "unknown")}, r.SecretIDs...)
		fmt.Fprintln(stdout, strings.Join(told, " "))
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}
