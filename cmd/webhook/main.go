// Command webhook is the mutating admission webhook: it answers the API server's reviews of new pods over TLS.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/airflow-secrets/airflow-secrets/certs"
	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/webhook"
)

// version is set by the linker: -X main.version=...
var version = "dev"

const help = `webhook answers the API server's admission reviews: a new pod that is annotated
airflow-secrets/inject: "true" gets an init container that fetches its secrets
before Airflow starts. Every other pod is left as it is.

Usage:
  webhook --ca-secret NAME --service NAME --webhook-configuration NAME [flags]
  webhook --cert-dir DIR [flags]

Certificate made by the webhook itself, with caBundle of the webhook configuration
  --ca-secret NAME       Secret with the certificate authority; made if absent
  --service NAME         Service by which API servers reach the webhook
  --webhook-configuration NAME
                         MutatingWebhookConfiguration whose caBundle is kept
  --namespace NAMESPACE  of Secret and Service (default: $POD_NAMESPACE, else that
                         of the service account)
  --ca-validity TIME     of the authority; the next one is made after two thirds of
                         it (default 8760h; at least three times the leaf's)
  --leaf-validity TIME   of the serving certificate, renewed after two thirds of it
                         (default 24h; at least 5s)
  --kubeconfig FILE      how to reach the API server (default: that of the cluster
                         that this runs in)

Certificate from files
  --cert-dir DIR         where tls.crt and tls.key are, both PEM; read again when
                         they change. Kubernetes is never called

Serving
  --port N               HTTPS port of /mutate, /healthz and /readyz
                         (default 9443; 0: a free one, see the log line "listening")
  --metrics-port N       HTTP port of /metrics (default 8080; 0: none)
  --host ADDRESS         listen on this address only (default: on all)
  --tls-min-version V    1.3 or 1.2 (default 1.3)
  --drain-period TIME    on SIGTERM, go on answering until no review has come for
                         this long, three times this long at most (default 5s)

Injecting
  --fetcher-image IMAGE  image of the init container
                         (default %s)
  --fetcher-pull-policy POLICY
                         when nodes pull it: Always, IfNotPresent or Never
                         (default: as Kubernetes has it for the image's tag)
  --defaults FILE        values of annotations for the whole cluster, and which of
                         them pods may not set

  --version              print the version
  --help                 print this page

The log goes to standard output, a JSON object a line: one for each review, which
never holds the pod, and one for each step of a certificate's rotation.

Exit codes: 0 stopped by SIGTERM or SIGINT, 1 it could not serve, 2 wrong usage.
`

// What run returns.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	limitMemory(memoryLimitFile)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the command: what it was told goes in, its exit code comes out.
func run(args []string, stdout, stderr io.Writer) int {
	c, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(stdout, help, defaultImage())
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "webhook: %v\nTry webhook --help.\n", err)
		return exitUsage
	case c.version:
		fmt.Fprintln(stdout, version)
		return exitOK
	}
	if err := serve(c, stdout); err != nil {
		fmt.Fprintf(stderr, "webhook: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// command is what the command line asks for.
type command struct {
	webhook.Options
	selfMade      certs.Options
	certDir       string
	tlsMinVersion string
	defaultsFile  string
	version       bool
}

func parse(args []string) (command, error) {
	c := command{Options: webhook.Options{Injector: &injector.Injector{}}}
	flags := flag.NewFlagSet("webhook", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.certDir, "cert-dir", "", "")
	flags.StringVar(&c.selfMade.Secret, "ca-secret", "", "")
	flags.StringVar(&c.selfMade.Service, "service", "", "")
	flags.StringVar(&c.selfMade.Configuration, "webhook-configuration", "", "")
	flags.StringVar(&c.selfMade.Namespace, "namespace", os.Getenv("POD_NAMESPACE"), "")
	flags.DurationVar(&c.selfMade.CAValidity, "ca-validity", 365*24*time.Hour, "")
	flags.DurationVar(&c.selfMade.LeafValidity, "leaf-validity", 24*time.Hour, "")
	flags.StringVar(&c.selfMade.Kubeconfig, "kubeconfig", "", "")
	flags.IntVar(&c.Port, "port", 9443, "")
	flags.IntVar(&c.MetricsPort, "metrics-port", 8080, "")
	flags.StringVar(&c.Host, "host", "", "")
	flags.StringVar(&c.tlsMinVersion, "tls-min-version", "1.3", "")
	flags.DurationVar(&c.DrainPeriod, "drain-period", 5*time.Second, "")
	flags.StringVar(&c.Injector.FetcherImage, "fetcher-image", defaultImage(), "")
	flags.StringVar((*string)(&c.Injector.FetcherPullPolicy), "fetcher-pull-policy", "", "")
	flags.StringVar(&c.defaultsFile, "defaults", "", "")
	flags.BoolVar(&c.version, "version", false, "")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	c.TLS12 = c.tlsMinVersion == "1.2"
	return c, c.check(flags)
}

func defaultImage() string { return "airflow-secrets-fetcher:" + version }

// check finds what no flag can mean.
func (c command) check(flags *flag.FlagSet) error {
	const maxPort = 65535
	switch {
	case c.version:
		return nil
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q: flags are all it takes", flags.Arg(0))
	case c.Port < 0 || c.Port > maxPort:
		return fmt.Errorf("--port is %d, expected 0 to %d", c.Port, maxPort)
	case c.MetricsPort < 0 || c.MetricsPort > maxPort:
		return fmt.Errorf("--metrics-port is %d, expected 0 to %d", c.MetricsPort, maxPort)
	case c.Port != 0 && c.Port == c.MetricsPort:
		return fmt.Errorf("--port and --metrics-port are both %d, expected two ports", c.Port)
	case c.tlsMinVersion != "1.3" && c.tlsMinVersion != "1.2":
		return fmt.Errorf("--tls-min-version is %q, expected 1.3 or 1.2", c.tlsMinVersion)
	case c.DrainPeriod < 0 || c.DrainPeriod > time.Minute:
		return fmt.Errorf("--drain-period is %v, expected 0s to 1m0s", c.DrainPeriod)
	case c.Injector.FetcherImage == "":
		return errors.New("--fetcher-image is empty, expected the name of an image")
	case !slices.Contains([]corev1.PullPolicy{"", corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever}, c.Injector.FetcherPullPolicy):
		return fmt.Errorf("--fetcher-pull-policy is %q, expected Always, IfNotPresent or Never", c.Injector.FetcherPullPolicy)
	}
	return c.checkCertificate(flags)
}

// serve runs the webhook until a signal comes. A second signal ends the process at once.
func serve(c command, stdout io.Writer) error {
	if c.defaultsFile != "" {
		defaults, err := readDefaults(c.defaultsFile)
		if err != nil {
			return err
		}
		c.Injector.Defaults = defaults
	}
	c.Log = slog.New(slog.NewJSONHandler(stdout, nil))
	adoptLog(c.Log)
	c.Log.Info("starting", "version", version, "fetcherImage", c.Injector.FetcherImage)
	certificates, err := c.certificates()
	if err != nil {
		return err
	}
	c.Certificates = certificates

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop)
	return webhook.Run(ctx, c.Options)
}

// readDefaults reads the cluster-wide values of the annotations.
func readDefaults(file string) (injector.Defaults, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return injector.Defaults{}, fmt.Errorf("reading --defaults: %w", err)
	}
	defaults, err := injector.ParseDefaults(text)
	if err != nil {
		return injector.Defaults{}, fmt.Errorf("--defaults %s: %w", file, err)
	}
	return defaults, nil
}

// adoptLog makes one log of what this process says: controller-runtime's, and net/http's about broken connections,
// which it tells the standard logger. Both are settings of the process, so they are made here and not in the library.
func adoptLog(l *slog.Logger) {
	ctrllog.SetLogger(logr.FromSlogHandler(l.Handler()))
	slog.SetDefault(l)
}
