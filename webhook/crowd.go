package webhook

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// crowd bounds how many connections a server holds, and never has a newcomer wait for others: it takes the place of the one
// that has owed us a request for longest. Nobody has to log in here, so whoever reaches the port could otherwise keep
// everybody else out by connections that say nothing. An API server says all that it has to say within milliseconds.
type crowd struct {
	most int

	mutex sync.Mutex
	open  map[net.Conn]*guest
	// owing have not sent the whole of a request yet, idle have had the answer to their last one; the longest wait is first.
	owing, idle list.List
}

// guest is where a connection waits. While its request is being answered it waits nowhere.
type guest struct {
	in *list.List
	at *list.Element
}

func newCrowd(most int) *crowd { return &crowd{most: most, open: map[net.Conn]*guest{}} }

// watch has a server tell of its connections.
func (c *crowd) watch(server *http.Server) {
	server.ConnState = c.note
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, heardKey{}, func() { c.move(conn, nil) })
	}
}

type heardKey struct{}

// heard says that the whole of a request has been read.
func heard(r *http.Request) {
	if tell, ok := r.Context().Value(heardKey{}).(func()); ok {
		tell()
	}
}

func (c *crowd) note(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.enter(conn)
	case http.StateActive:
		c.move(conn, &c.owing)
	case http.StateIdle:
		c.move(conn, &c.idle)
	case http.StateClosed, http.StateHijacked:
		c.leave(conn)
	}
}

// enter takes a connection in. Where that is one too many, one that waits goes, or the new one if none does.
func (c *crowd) enter(conn net.Conn) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if len(c.open) >= c.most {
		goes := conn
		for _, waiting := range []*list.List{&c.idle, &c.owing} { // rather one that owes
			if longest := waiting.Front(); longest != nil {
				goes = longest.Value.(net.Conn)
			}
		}
		c.forget(goes)
		hangUp(goes)
		if goes == conn {
			return
		}
	}
	c.open[conn] = &guest{}
	c.settle(conn, &c.owing)
}

// move has a connection wait in a list from now on, or nowhere.
func (c *crowd) move(conn net.Conn, to *list.List) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.settle(conn, to)
}

func (c *crowd) leave(conn net.Conn) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.forget(conn)
}

func (c *crowd) forget(conn net.Conn) {
	c.settle(conn, nil)
	delete(c.open, conn)
}

func (c *crowd) settle(conn net.Conn, to *list.List) {
	g := c.open[conn]
	if g == nil { // it has gone
		return
	}
	if g.in != nil {
		g.in.Remove(g.at)
	}
	g.in, g.at = to, nil
	if to != nil {
		g.at = to.PushBack(conn)
	}
}

// hangUp closes what is below TLS, which would send a goodbye first, and wait for that.
func hangUp(conn net.Conn) {
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secured.NetConn()
	}
	_ = conn.Close() // its server finds out
}
