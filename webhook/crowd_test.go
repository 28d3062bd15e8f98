package webhook

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/time/rate"
)

// named is a connection that notes that it was closed.
type named struct {
	net.Conn
	name   string
	closed *[]string
}

func (n named) Close() error {
	*n.closed = append(*n.closed, n.name)
	return nil
}

// Where there is no room, the newcomer takes the place of the one that has owed a request for longest, then of the one that
// has been idle for longest, and of nobody whose request is being answered.
func TestWhoGoes(t *testing.T) {
	states := map[string]http.ConnState{"new": http.StateNew, "active": http.StateActive, "idle": http.StateIdle, "closed": http.StateClosed}
	for _, c := range []struct {
		name  string
		steps string // connection:what becomes of it; three have room
		gone  string
	}{
		{"room for all", "a:new b:new c:new", ""},
		{"the first that came", "a:new b:new c:new d:new e:new", "a b"},
		{"a place is free again", "a:new b:new c:new b:closed d:new e:new", "a"},
		{"one that is heard is answered", "a:new a:active a:heard b:new c:new d:new", "b"},
		{"a request that does not end", "a:new a:active b:new c:new d:new", "a"},
		{"one that has begun is given time", "a:new b:new a:active c:new d:new", "b"},
		{"rather one that owes than an idle one", "a:new a:active a:heard a:idle b:new c:new d:new", "b"},
		{"the longest idle", "a:new a:heard b:new b:heard c:new c:heard b:idle a:idle d:new d:heard e:new", "b a"},
		{"an idle one that begins again owes", "a:new a:heard a:idle b:new b:heard b:idle c:new c:heard a:active d:new", "a"},
		{"all are being answered", "a:new a:heard b:new b:heard c:new c:heard d:new", "d"},
		{"told of late", "a:new a:heard b:new b:heard c:new c:heard d:new d:heard d:idle d:closed a:closed e:new f:new", "d e"},
	} {
		t.Run(c.name, func(t *testing.T) {
			crowd, gone := newCrowd(3), []string{}
			for _, step := range strings.Fields(c.steps) {
				name, what, _ := strings.Cut(step, ":")
				connection := named{name: name, closed: &gone}
				if what == "heard" {
					crowd.move(connection, nil)
				} else {
					crowd.note(connection, states[what])
				}
				if waiting := crowd.owing.Len() + crowd.idle.Len(); len(crowd.open) > 3 || waiting > len(crowd.open) {
					t.Errorf("after %s %d are open and %d wait", step, len(crowd.open), waiting)
				}
			}
			if !slices.Equal(gone, strings.Fields(c.gone)) {
				t.Errorf("gone are %v, expected %s", gone, c.gone)
			}
		})
	}
}

// Connections that fail fill no log: some are told of, and how many were not.
func TestFailingConnectionsAreToldOfNowAndThen(t *testing.T) {
	told := &logBuffer{}
	p := &pacedLog{log: slog.New(slog.NewJSONHandler(told, nil)), pace: rate.NewLimiter(0, 2)}
	for range 10 {
		_, err := io.WriteString(p, "http: TLS handshake error\n")
		must(t, err)
	}
	if n := strings.Count(told.String(), "http: TLS handshake error\""); n != 2 {
		t.Errorf("told of %d, expected 2: %s", n, told)
	}
	p.pace.SetLimit(rate.Inf)
	_, err := io.WriteString(p, "one more")
	must(t, err)
	if !strings.Contains(told.String(), `"one more","untold":8`) {
		t.Errorf("the rest is not told of: %s", told)
	}
}
