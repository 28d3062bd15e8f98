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

// Of connections that say nothing only so many are taken at a time, and each is closed after a while: whoever comes then
// waits, and gets an answer.
func TestConnectionsAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the limit of five seconds")
	}
	t.Parallel()
	port := unusedPort(t)
	s := startServer(t, Options{MetricsPort: port})
	s.client.CloseIdleConnections()
	for name, c := range map[string]struct {
		address, url string
		most         int
	}{
		"reviews": {s.address, s.url + "/healthz", maxConnections},
		"metrics": {"127.0.0.1:" + strconv.Itoa(port), "http://127.0.0.1:" + strconv.Itoa(port) + "/metrics", maxScrapers},
	} {
		t.Run(name, func(t *testing.T) {
			silent := make([]net.Conn, c.most)
			for i := range silent {
				connection, err := net.Dial("tcp", c.address)
				must(t, err)
				defer connection.Close()
				silent[i] = connection
			}
			response, err := s.client.Get(c.url)
			must(t, err)
			response.Body.Close()
			if !anyClosed(t, silent) {
				t.Errorf("answered while %d others are open", c.most)
			}
		})
	}
}

// anyClosed says whether the server has closed one of them by now.
func anyClosed(t *testing.T, connections []net.Conn) bool {
	for _, c := range connections {
		must(t, c.SetReadDeadline(time.Now().Add(time.Millisecond)))
		if _, err := bufio.NewReader(c).ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
			return true
		}
	}
	return false
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
	if limit := newServer(nil).IdleTimeout; limit <= 0 || limit > time.Minute {
		t.Errorf("a connection for reviews may be idle for %v", limit)
	}
}
