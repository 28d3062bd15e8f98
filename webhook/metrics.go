package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// metrics counts reviews. Its labels have few values, whatever is sent: nothing in them comes from a review.
type metrics struct {
	reviews *prometheus.CounterVec
	seconds prometheus.Histogram
}

// newMetrics registers the metrics, or takes those that another server of this process has registered.
func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	reviews, err := register(registry, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "airflow_secrets_reviews_total",
		Help: "Admission reviews answered, by the code of their outcome and the status in their answer (200, 400, 413, 422 or 500).",
	}, []string{"code", "status"}))
	if err != nil {
		return nil, err
	}
	seconds, err := register(registry, prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "airflow_secrets_review_duration_seconds",
		Help: "Time from a review's headers to its written answer.",
		// From a small pod to a client that is cut off; controller-runtime's own histogram has a bucket a decade only.
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 10},
	}))
	if err != nil {
		return nil, err
	}
	for _, trouble := range []contract.Code{contract.Internal, contract.InvalidReview, contract.ReviewTooLarge} {
		status, _ := statusOf(injector.Decision{Code: trouble})
		reviews.WithLabelValues(string(trouble), strconv.Itoa(int(status))) // from 0: Prometheus sees no increase to the first value of a series
	}
	return &metrics{reviews: reviews, seconds: seconds}, nil
}

func register[C prometheus.Collector](registry prometheus.Registerer, collector C) (C, error) {
	err := registry.Register(collector)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing, nil
		}
	}
	if err != nil {
		return collector, fmt.Errorf("registering metrics: %w", err)
	}
	return collector, nil
}

func (m *metrics) count(outcome contract.Code, status int32, took time.Duration) {
	m.reviews.WithLabelValues(string(outcome), strconv.Itoa(int(status))).Inc()
	m.seconds.Observe(took.Seconds())
}

// serveMetrics serves the metrics of this process, by plain HTTP since scrapers know no certificate of ours. On port 0
// it serves nothing.
func serveMetrics(host string, port int, log *slog.Logger) (*part, error) {
	if port == 0 {
		return &part{stop: func() error { return nil }}, nil
	}
	address := net.JoinHostPort(host, strconv.Itoa(port))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for metrics: %w; choose another port with --metrics-port, or 0 for none", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(ctrlmetrics.Registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	server := newServer(bounded(mux), maxScrapers, log)
	server.SetKeepAlivesEnabled(false) // a scrape a minute gains nothing by them
	p := start("serving metrics on "+address, func(ctx context.Context) error { return serveUntil(ctx, server, listener, scrapeLimit) })
	p.address = address
	return p, nil
}

// maxScrapers bounds connections for metrics. Few scrape, each by one connection.
const maxScrapers = 64

// scrapeLimit bounds how long a scrape holds the stop. The next process can be scraped.
const scrapeLimit = time.Second

// serveUntil serves until ctx is done and the requests of that moment are answered, or have taken too long.
func serveUntil(ctx context.Context, server *http.Server, listener net.Listener, limit time.Duration) error {
	shutdown := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		limited, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		err := server.Shutdown(limited)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		shutdown <- err
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-shutdown
}
