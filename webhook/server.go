// Package webhook answers the API server's admission reviews over TLS: it reads a review, lets the injector decide, and
// says so in HTTP, in a log line and in metrics.
package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/time/rate"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/airflow-secrets/airflow-secrets/injector"
)

// Options is all that can be settled about a webhook server. Certificates, Injector and Log must be set.
type Options struct {
	// Host is the address to listen on, on both ports. Empty: all addresses.
	Host string
	// Port serves /mutate, /healthz and /readyz by HTTPS. 0: a free one; the log line "listening" tells which.
	Port int
	// MetricsPort serves /metrics by plain HTTP. 0: no metrics are served.
	MetricsPort int
	// Certificates gives the serving certificate. The server is ready only when it is.
	Certificates Certificates
	// TLS12 allows TLS 1.2 beside 1.3.
	TLS12 bool
	// Injector decides about each pod.
	Injector *injector.Injector
	// DrainPeriod is how long no review must have come before the server stops. It waits for that three times as long at
	// most, and does not wait at all where it is 0.
	DrainPeriod time.Duration
	// Log receives a line for every review and for what happens to the server.
	Log *slog.Logger
}

// Limits on what clients may take, before a review is read (review.go has those on bodies).
const (
	// headerLimit bounds reading a request's headers, and maxHeaders their size. An API server sends a few hundred bytes.
	headerLimit = 5 * time.Second
	maxHeaders  = 8 << 10
	// maxConnections bounds those that are open. An API server opens one for each review that it waits for, 200 by default
	// (--max-mutating-requests-inflight), and keeps a few.
	maxConnections = 512
	// idleLimit is how long a connection may wait for the next review. It is longer than the 90 seconds of API servers
	// (Go's http.Transport as client-go sets it up), so that it is they who end it: a review that is sent just then would fail.
	idleLimit = 2 * time.Minute
	// readLimit bounds reading a request. It is what the API server itself waits where a webhook configuration names no
	// timeoutSeconds.
	readLimit = 10 * time.Second
	// exchangeLimit bounds the whole of it, and the stop after draining. It leaves time to tell the client of a request that
	// was cut off.
	exchangeLimit = readLimit + 5*time.Second
)

// Run serves until ctx is done, then drains and stops. Several may run in one process; they share its metrics, in which the
// certificate is that of the first.
//
// It returns nil after an orderly stop. An error says what could not be started, or what failed while serving.
func Run(ctx context.Context, o Options) (err error) {
	metrics, err := newMetrics(ctrlmetrics.Registry)
	if err != nil {
		return err
	}
	measured, err := register(ctrlmetrics.Registry, o.Certificates)
	if err != nil {
		return err
	}
	if measured == o.Certificates {
		defer ctrlmetrics.Registry.Unregister(measured)
	}
	certificate := start("keeping the serving certificate", o.Certificates.Run)
	defer certificate.stopInto(&err)

	scrapes, err := serveMetrics(o.Host, o.MetricsPort, o.Log)
	if err != nil {
		return err
	}
	defer scrapes.stopInto(&err)

	traffic := newTraffic(o.Certificates.Ready)
	reviews, err := serveReviews(o, traffic, newAdmission(o.Injector.Decide, metrics, o.Log))
	if err != nil {
		return err
	}
	defer reviews.stopInto(&err)

	traffic.open.Store(true)
	o.Log.Info("listening", "address", reviews.address, "metricsAddress", scrapes.address)
	select {
	case <-ctx.Done():
		o.Log.Info("draining", "period", o.DrainPeriod.String())
		traffic.drain(o.DrainPeriod)
		return nil
	case err := <-reviews.ended:
		return err
	case err := <-scrapes.ended:
		return err
	case err := <-certificate.ended:
		return err
	}
}

// serveReviews listens and begins to answer reviews. The hooks are controller-runtime's, with its metrics; the listener and
// the limits are our own, since its server takes a megabyte of headers, for 32 seconds, on any number of connections.
func serveReviews(o Options, t *traffic, reviews http.Handler) (*part, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /readyz", t.readyz)
	hooks := ctrlwebhook.NewServer(ctrlwebhook.Options{WebhookMux: mux})
	hooks.Register("/mutate", t.watched(reviews))

	listener, err := net.Listen("tcp", net.JoinHostPort(o.Host, strconv.Itoa(o.Port)))
	if err != nil {
		return nil, fmt.Errorf("listening for reviews: %w; see --host and --port", err)
	}
	server := newServer(bounded(hooks.WebhookMux()), maxConnections, o.Log) // all of it: what the mux itself answers may have a body that never comes
	secured := tls.NewListener(listener, o.tlsConfig())
	address := listener.Addr().String()
	p := start("serving reviews on "+address, func(ctx context.Context) error { return serveUntil(ctx, server, secured, exchangeLimit) })
	p.address = address
	return p, nil
}

// newServer has the limits on connections that both ports have.
func newServer(handler http.Handler, connections int, l *slog.Logger) *http.Server {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerLimit, IdleTimeout: idleLimit, MaxHeaderBytes: maxHeaders,
		ErrorLog: log.New(&pacedLog{log: l, pace: rate.NewLimiter(1, 10)}, "", 0)}
	newCrowd(connections).watch(server)
	return server
}

// bounded gives every exchange its deadlines, for clients that send or read too slowly.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connection := http.NewResponseController(w)
		now := time.Now()
		if err := errors.Join(connection.SetReadDeadline(now.Add(readLimit)), connection.SetWriteDeadline(now.Add(exchangeLimit))); err != nil {
			panic(http.ErrAbortHandler) // the connection is gone: there is nobody to answer
		}
		if r.ContentLength == 0 {
			heard(r)
		}
		next.ServeHTTP(w, r)
	})
}
