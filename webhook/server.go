// Package webhook answers the API server's admission reviews over TLS: it reads a review, lets the injector decide, and
// says so in HTTP, in a log line and in metrics.
package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

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

// Limits on waits. controller-runtime's server has its own for the TLS handshake, for headers and their size, and for idle
// connections, but none for a request's body nor for writing an answer.
const (
	// readLimit bounds reading a request. It is what the API server itself waits where a webhook configuration names no
	// timeoutSeconds.
	readLimit = 10 * time.Second
	// exchangeLimit bounds the whole of it. It leaves time to tell the client of a request that was cut off.
	exchangeLimit = readLimit + 5*time.Second
	// startLimit bounds the time until the server answers a TLS handshake of its own.
	startLimit = 10 * time.Second
	// freePortAttempts is how many free ports are tried, since another process may take one before it is listened on.
	freePortAttempts = 10
)

// Run serves until ctx is done, then drains and stops. Several may run in one process; they share its metrics.
//
// It returns nil after an orderly stop. An error says what could not be started, or what failed while serving.
func Run(ctx context.Context, o Options) (err error) {
	metrics, err := newMetrics(ctrlmetrics.Registry)
	if err != nil {
		return err
	}
	if _, err := register(ctrlmetrics.Registry, o.Certificates); err != nil {
		return err
	}
	certificate := start("keeping the serving certificate", o.Certificates.Run)
	defer certificate.stopInto(&err)

	scrapes, err := serveMetrics(o.Host, o.MetricsPort)
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

// serveReviews starts to answer reviews and returns once it does. Where no port is named, it looks for a free one:
// controller-runtime's server opens its own listener, takes 0 for its default, and does not tell the address.
func serveReviews(o Options, t *traffic, reviews http.Handler) (*part, error) {
	if o.Port != 0 {
		return serveReviewsOn(o, o.Port, t, reviews)
	}
	for range freePortAttempts {
		port, err := freePort(o.Host)
		if err != nil {
			return nil, err
		}
		p, err := serveReviewsOn(o, port, t, reviews)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return p, err
		}
	}
	return nil, fmt.Errorf("looking for a free port: each of %d was taken before it could be used; name one with --port", freePortAttempts)
}

func serveReviewsOn(o Options, port int, t *traffic, reviews http.Handler) (*part, error) {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", bounded(http.HandlerFunc(healthz)))
	mux.Handle("GET /readyz", bounded(http.HandlerFunc(t.readyz)))
	server := ctrlwebhook.NewServer(ctrlwebhook.Options{Host: o.Host, Port: port, TLSOpts: []func(*tls.Config){o.restrictTLS}, WebhookMux: mux})
	server.Register("/mutate", bounded(t.watched(reviews)))

	address := net.JoinHostPort(o.Host, strconv.Itoa(port))
	p := start("serving reviews on "+address, server.Start)
	p.address = address
	if err := p.await(server.StartedChecker()); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// bounded gives every exchange its deadlines, for clients that send or read too slowly.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connection := http.NewResponseController(w)
		now := time.Now()
		if err := errors.Join(connection.SetReadDeadline(now.Add(readLimit)), connection.SetWriteDeadline(now.Add(exchangeLimit))); err != nil {
			panic(http.ErrAbortHandler) // the connection is gone: there is nobody to answer
		}
		next.ServeHTTP(w, r)
	})
}

// await returns once the server has answered a TLS handshake with its certificate, as check tries it.
func (p *part) await(check func(*http.Request) error) error {
	limit := time.After(startLimit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-p.ended:
			return fmt.Errorf("%w; see --host and --port", err)
		case <-limit:
			return fmt.Errorf("starting on %s: no TLS handshake succeeded within %v: %w", p.address, startLimit, check(nil))
		case <-tick.C:
			if check(nil) == nil {
				return nil
			}
		}
	}
}

// freePort asks the system for a port that nobody listens on.
func freePort(host string) (int, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	return port, nil
}
