package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/airflow-secrets/airflow-secrets/certs"
	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// get returns the status of a path.
func (s *running) get(t *testing.T, path string) int {
	t.Helper()
	response, err := s.client.Get(s.url + path)
	must(t, err)
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	must(t, err)
	return response.StatusCode
}

func TestHealth(t *testing.T) {
	t.Parallel()
	s := startServer(t, Options{DrainPeriod: 5 * time.Second}) // long enough for three requests on a slow machine
	if live, ready := s.get(t, "/healthz"), s.get(t, "/readyz"); live != 200 || ready != 200 {
		t.Errorf("serving: /healthz %d, /readyz %d", live, ready)
	}
	s.cancel()
	eventually(t, "unready while draining", func() bool { return s.get(t, "/readyz") == 503 })
	if live := s.get(t, "/healthz"); live != 200 {
		t.Errorf("draining: /healthz %d", live)
	}
	if r := s.post(t, creation(pod(wanted))); !r.Allowed {
		t.Errorf("draining: %+v", r)
	}
}

// Clients do as API servers do: keep their connections, go on for a while after the server has become unready, and
// stop. Not one of their reviews may fail.
func TestNoReviewFailsWhileStopping(t *testing.T) {
	t.Parallel()
	s := startServer(t, Options{DrainPeriod: 5 * time.Second}) // long enough for 80 reviews on a slow machine
	var answered, answeredUnready atomic.Int64
	unready, clients := make(chan struct{}), sync.WaitGroup{}
	for range 4 {
		clients.Go(func() {
			for extra := 20; extra > 0; {
				select {
				case <-unready:
					extra--
					answeredUnready.Add(1)
				default:
				}
				response, err := s.client.Post(s.url+"/mutate", "application/json", strings.NewReader(creation(pod(wanted))))
				if err != nil {
					t.Errorf("a review failed: %v", err)
					return
				}
				if r := readAnswer(t, response); !r.Allowed {
					t.Errorf("a review was denied: %+v", r)
				}
				answered.Add(1)
			}
		})
	}
	eventually(t, "load", func() bool { return answered.Load() > 100 })
	s.cancel()
	eventually(t, "unready", func() bool { return s.get(t, "/readyz") == 503 })
	close(unready)
	clients.Wait()
	s.stop(t)
	if answeredUnready.Load() != 4*20 {
		t.Errorf("%d answers while unready, expected 80", answeredUnready.Load())
	}
	if _, err := net.Dial("tcp", s.address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the stop: %v", err)
	}
}

// A review that is still being decided when the server stops is answered.
func TestReviewInFlightIsFinished(t *testing.T) {
	dir := t.TempDir()
	client := newClient(t, newCertificate(t, dir, 1))
	entered, leave := make(chan struct{}), make(chan struct{})
	a, _, _ := unserved(t, func([]byte, string) injector.Decision {
		close(entered)
		<-leave
		return injector.Decision{Code: "not-annotated"}
	})
	o := Options{Host: "127.0.0.1", Certificates: fromFiles(t, dir, slog.New(slog.DiscardHandler)), Log: slog.New(slog.DiscardHandler)}
	c := start("watching", o.Certificates.Run)
	defer func() { must(t, c.stop()) }()
	s, err := serveReviews(o, newTraffic(o.Certificates.Ready), a)
	must(t, err)
	answers := make(chan error, 1)
	go func() {
		response, err := client.Post("https://"+s.address+"/mutate", "application/json", strings.NewReader(creation(pod(""))))
		if err == nil {
			response.Body.Close()
		}
		answers <- err
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	eventually(t, "the listener closed", func() bool {
		c, err := net.Dial("tcp", s.address)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	close(leave)
	must(t, <-answers)
	must(t, <-stopped)
}

// A client that stalls in the middle of a review is answered and cut off, so that it cannot hold the server.
func TestStalledClientIsCutOff(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the limit of ten seconds")
	}
	t.Parallel()
	s := startServer(t, Options{})
	connection, err := tls.Dial("tcp", s.address, s.client.Transport.(*http.Transport).TLSClientConfig)
	must(t, err)
	defer connection.Close()
	must(t, connection.SetDeadline(time.Now().Add(patience)))
	_, err = fmt.Fprintf(connection, "POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"request\":{\"uid\":\"uid-1\",")
	must(t, err)
	text, err := io.ReadAll(connection) // until the server closes it
	must(t, err)
	for _, expected := range []string{"HTTP/1.1 200 OK", `"uid":"uid-1"`, "came too slowly"} {
		if !strings.Contains(string(text), expected) {
			t.Errorf("answer has no %q: %s", expected, text)
		}
	}
}

func TestCertificateIsReloaded(t *testing.T) {
	s := startServer(t, Options{})
	s.awaitCertificate(t, 1)
	renewed := newCertificate(t, s.dir, 2)
	s.awaitCertificate(t, 2)
	s.client.CloseIdleConnections()
	s.client = newClient(t, renewed)
	if r := s.post(t, creation(pod(wanted))); !r.Allowed {
		t.Errorf("answered %+v", r)
	}
	// A broken pair changes nothing: the last good one is served on, until the next good one.
	must(t, os.WriteFile(filepath.Join(s.dir, certificateFile), []byte("rubbish"), 0o600))
	if r := s.post(t, creation(pod(wanted))); !r.Allowed {
		t.Errorf("with a broken file: %+v", r)
	}
	newCertificate(t, s.dir, 3)
	s.awaitCertificate(t, 3)
}

// The kubelet changes all files of a Secret's volume at once, by pointing a link to another folder.
func TestCertificateOfAVolumeIsReloaded(t *testing.T) {
	dir := t.TempDir()
	project := func(serial int64, folder string) {
		must(t, os.Mkdir(filepath.Join(dir, folder), 0o700))
		newCertificate(t, filepath.Join(dir, folder), serial)
		must(t, os.Symlink(folder, filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	project(1, "..one")
	for _, file := range []string{certificateFile, keyFile} {
		must(t, os.Symlink(filepath.Join("..data", file), filepath.Join(dir, file)))
	}
	s := startServerWith(t, dir, Options{})
	s.awaitCertificate(t, 1)
	project(2, "..two")
	must(t, os.RemoveAll(filepath.Join(dir, "..one")))
	s.awaitCertificate(t, 2)
}

// awaitCertificate waits until the certificate with this serial number is served.
func (s *running) awaitCertificate(t *testing.T, serial int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("certificate %d", serial), func() bool {
		c, err := tls.Dial("tcp", s.address, &tls.Config{InsecureSkipVerify: true})
		must(t, err)
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64() == serial
	})
}

func TestTLSVersions(t *testing.T) {
	for _, c := range []struct {
		tls12   bool
		version uint16
		refused bool
	}{{false, tls.VersionTLS13, false}, {false, tls.VersionTLS12, true}, {true, tls.VersionTLS13, false}, {true, tls.VersionTLS12, false}, {true, tls.VersionTLS11, true}} {
		s := startServer(t, Options{TLS12: c.tls12})
		connection, err := tls.Dial("tcp", s.address, &tls.Config{InsecureSkipVerify: true, MinVersion: c.version, MaxVersion: c.version})
		if err == nil {
			connection.Close()
		}
		if refused := err != nil && strings.Contains(err.Error(), "protocol version"); refused != c.refused || err != nil && !refused {
			t.Errorf("TLS12 is %v, a client of %s: %v", c.tls12, tls.VersionName(c.version), err)
		}
		s.stop(t)
	}
}

func TestHTTP11Only(t *testing.T) {
	s := startServer(t, Options{})
	c, err := tls.Dial("tcp", s.address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	must(t, err)
	defer c.Close()
	if protocol := c.ConnectionState().NegotiatedProtocol; protocol != "http/1.1" {
		t.Errorf("protocol is %s", protocol)
	}
}

// untrusted is a certificate that API servers do not take, until it is.
type untrusted struct {
	*certs.Files
	trusted atomic.Bool
}

func (u *untrusted) Ready() error {
	if u.trusted.Load() {
		return nil
	}
	return errors.New("caBundle does not verify it")
}

// A server whose certificate no API server would take is not ready, says why, and answers all the same.
func TestReadyWhenTheCertificateIs(t *testing.T) {
	dir := t.TempDir()
	newCertificate(t, dir, 1)
	u := &untrusted{Files: fromFiles(t, dir, slog.New(slog.DiscardHandler))}
	s := startServerWith(t, dir, Options{Certificates: u})
	response, err := s.client.Get(s.url + "/readyz")
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	if response.StatusCode != 503 || string(text) != "not ready: caBundle does not verify it\n" {
		t.Errorf("/readyz is %d: %s", response.StatusCode, text)
	}
	if live := s.get(t, "/healthz"); live != 200 {
		t.Errorf("/healthz %d", live)
	}
	u.trusted.Store(true)
	if code := s.get(t, "/readyz"); code != 200 {
		t.Errorf("/readyz is %d once it is trusted", code)
	}
}

// Headers are read to their limit and no further, so that many connections with large ones take little memory.
func TestHeadersAreBounded(t *testing.T) {
	s := startServer(t, Options{})
	request, err := http.NewRequest(http.MethodGet, s.url+"/healthz", nil)
	must(t, err)
	request.Header.Set("X", strings.Repeat("x", 2*maxHeaders))
	response, err := s.client.Do(request)
	must(t, err)
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("HTTP status %d", response.StatusCode)
	}
}

// A client that has begun a request and never ends it does not hold the server, so that the kubelet need not kill it.
func TestStalledClientDoesNotHoldTheStop(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for net/http's limit of five seconds")
	}
	t.Parallel()
	s := startServer(t, Options{})
	for _, begun := range []string{"", "POST /mutate HTTP/1.1\r\nHost:", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nPOST /mutate"} {
		connection, err := tls.Dial("tcp", s.address, s.client.Transport.(*http.Transport).TLSClientConfig)
		must(t, err)
		defer connection.Close()
		_, err = fmt.Fprint(connection, begun)
		must(t, err)
	}
	s.post(t, creation(pod(wanted)))
	s.stop(t) // which is bounded
}

func TestServersInOneProcess(t *testing.T) {
	port := unusedPort(t)
	one, two, three := startServer(t, Options{MetricsPort: port}), startServer(t, Options{MetricsPort: unusedPort(t)}), startServer(t, Options{})
	if one.address == two.address {
		t.Fatalf("both at %s", one.address)
	}
	three.stop(t)
	if text := scrape(t, port); !strings.Contains(text, "airflow_secrets_certificate_ready 1") {
		t.Errorf("one that has stopped took the first one's metrics with it: %s", text)
	}
	one.post(t, creation(pod(wanted)))
	one.stop(t)
	if r := two.post(t, creation(pod(wanted))); !r.Allowed {
		t.Errorf("the second, after the first has stopped: %+v", r)
	}
}

// unusedPort is one that nobody listens on.
func unusedPort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func TestMetrics(t *testing.T) {
	port := unusedPort(t)
	s := startServer(t, Options{MetricsPort: port})
	s.post(t, creation(pod(wanted)))
	s.post(t, creation(pod(wanted+`,"airflow-secrets/regoin":"x"`)))
	text := scrape(t, port)
	for _, expected := range []string{
		`airflow_secrets_reviews_total{code="injected",status="200"} `,
		`airflow_secrets_reviews_total{code="invalid-annotations",status="422"} `,
		`airflow_secrets_review_duration_seconds_bucket{le="+Inf"} `,
		`airflow_secrets_reviews_total{code="internal-error",status="500"} `,
		`airflow_secrets_reviews_total{code="invalid-review",status="400"} `,
		`airflow_secrets_reviews_total{code="review-too-large",status="413"} `,
		`controller_runtime_webhook_requests_total{code="200",webhook="/mutate"} `,
		`certwatcher_read_certificate_total `,
		`airflow_secrets_certificate_expiry_timestamp_seconds{certificate="serving"} `,
		`airflow_secrets_certificate_ready 1`,
	} {
		if !strings.Contains(text, expected) {
			t.Errorf("no %s in %s", expected, text)
		}
	}
}

func TestServersOfAProcessShareMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	for range 2 {
		m, err := newMetrics(registry)
		must(t, err)
		m.count(contract.Declined, 200, time.Millisecond)
	}
	families, err := registry.Gather()
	must(t, err)
	for _, f := range families {
		if n := f.Metric[0].GetCounter().GetValue() + float64(f.Metric[0].GetHistogram().GetSampleCount()); n != 2 {
			t.Errorf("%s is %v, expected 2", f.GetName(), n)
		}
	}
}

func scrape(t *testing.T, port int) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	response, err := client.Get("http://127.0.0.1:" + strconv.Itoa(port) + "/metrics")
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	return string(text)
}

// What keeps a server from starting is told with what was tried and what to do.
func TestStartFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port

	cases := map[string]struct {
		options Options
		says    []string
	}{
		"port taken":          {Options{Port: port, MetricsPort: unusedPort(t)}, []string{"127.0.0.1:" + strconv.Itoa(port), "address already in use", "--port"}},
		"metrics port taken":  {Options{MetricsPort: port}, []string{"metrics", "address already in use", "--metrics-port"}},
		"no such own address": {Options{Host: "192.0.2.1"}, []string{"listening for reviews", "192.0.2.1"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.options.Host == "" {
				c.options.Host = "127.0.0.1"
			}
			dir := t.TempDir()
			newCertificate(t, dir, 1)
			c.options.Injector, c.options.Log = &injector.Injector{}, slog.New(slog.DiscardHandler)
			c.options.Certificates = fromFiles(t, dir, c.options.Log)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			err := Run(ctx, c.options)
			for _, part := range c.says {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("error is %v, expected it to say %q", err, part)
				}
			}
		})
	}
}
