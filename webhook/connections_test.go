package webhook

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"
)

// A body that never comes holds no connection, whichever path it was announced for.
func TestSilentBodiesAreCutOff(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the limit of ten seconds")
	}
	t.Parallel()
	port := unusedPort(t)
	s := startServer(t, Options{MetricsPort: port})
	var connections []net.Conn
	for _, path := range []string{"/mutate", "/nothing", "/healthz"} {
		c, err := tls.Dial("tcp", s.address, s.client.Transport.(*http.Transport).TLSClientConfig)
		must(t, err)
		_, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", path)
		must(t, err)
		connections = append(connections, c)
	}
	plain, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
	must(t, err)
	_, err = fmt.Fprint(plain, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
	must(t, err)
	for _, c := range append(connections, plain) {
		defer c.Close()
		must(t, c.SetDeadline(time.Now().Add(patience)))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("still open: %v", err)
		}
	}
}

// Whoever comes is answered, however many connections say nothing or do not come to an end, and only so many of these stay.
func TestConnectionsAreBounded(t *testing.T) {
	port := unusedPort(t)
	s := startServer(t, Options{MetricsPort: port})
	secured := s.client.Transport.(*http.Transport).TLSClientConfig
	metrics := "127.0.0.1:" + strconv.Itoa(port)
	for name, c := range map[string]struct {
		open func() (net.Conn, error)
		url  string
		most int
	}{
		"silence": {func() (net.Conn, error) { return net.Dial("tcp", s.address) }, s.url + "/healthz", maxConnections},
		"a review that does not end": {func() (net.Conn, error) {
			return begun(tls.Dial("tcp", s.address, secured))("POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
		}, s.url + "/healthz", maxConnections},
		"metrics": {func() (net.Conn, error) { return net.Dial("tcp", metrics) }, "http://" + metrics + "/metrics", maxScrapers},
	} {
		t.Run(name, func(t *testing.T) {
			all := make([]net.Conn, c.most+20)
			for i := range all {
				connection, err := c.open()
				must(t, err)
				defer connection.Close()
				all[i] = connection
			}
			s.client.CloseIdleConnections()
			response, err := s.client.Get(c.url)
			must(t, err)
			response.Body.Close()
			eventually(t, "the first of them closed", func() bool { return countClosed(t, all) >= 20 })
		})
	}
}

// begun sends a part of a request.
func begun(connection net.Conn, err error) func(string) (net.Conn, error) {
	return func(part string) (net.Conn, error) {
		if err == nil {
			_, err = io.WriteString(connection, part)
		}
		return connection, err
	}
}

// countClosed is how many of them, from the first on, the server has closed by now.
func countClosed(t *testing.T, connections []net.Conn) int {
	for i, c := range connections {
		must(t, c.SetReadDeadline(time.Now().Add(time.Millisecond)))
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			return i
		}
	}
	return len(connections)
}

// A scraper's connection ends with its answer, and any other that is not used ends too.
func TestIdleConnectionsEnd(t *testing.T) {
	port := unusedPort(t)
	startServer(t, Options{MetricsPort: port})
	c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(patience)))
	_, err = fmt.Fprint(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
	must(t, err)
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || !response.Close {
		t.Errorf("the connection stays: %v, %v", response.Close, err)
	}
	if limit := newServer(nil, 1, nil).IdleTimeout; limit <= 90*time.Second || limit > 10*time.Minute {
		t.Errorf("a connection for reviews may be idle for %v, expected a little longer than an API server keeps it", limit)
	}
}
