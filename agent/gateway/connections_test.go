package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
)

// as is a connection of a user.
type as struct {
	net.Conn
	Peer
}

func (as) LocalAddr() net.Addr { return &net.UnixAddr{Net: "unix"} }

// connect has a user connect n times.
func (p *pipes) connect(user Peer, n int) (clients []net.Conn) {
	for range n {
		client, server := net.Pipe()
		p.conns <- as{server, user}
		clients = append(clients, client)
	}
	return clients
}

func serveCounted(t *testing.T, g *Gateway) (l *pipes, server *http.Server, all *Connections) {
	all = NewConnections(func(c net.Conn) (Peer, error) { return c.(as).Peer, nil }, g.IsAdmin, g.log)
	server = NewServer(g, nil, g.log)
	all.Attach(server)
	l = newPipes()
	done := make(chan error)
	go func() { done <- server.Serve(all.Listener(l)) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		synctest.Wait()
		if all.open != 0 || all.excess != 0 || len(all.of) != 0 || len(all.silent) != 0 {
			t.Errorf("left: %+v", all)
		}
	})
	return l, server, all
}

// status asks over a connection.
func status(t *testing.T, c net.Conn) string {
	t.Helper()
	go func() { _, _ = io.WriteString(c, "GET /redfish/v1/ HTTP/1.1\r\nHost: localhost\r\n\r\n") }()
	b := make([]byte, 12)
	if _, err := io.ReadFull(c, b); err != nil {
		return err.Error()
	}
	return strings.TrimPrefix(string(b), "HTTP/1.1 ")
}

// TestTooManyConnections: one user alone cannot keep another one out, and nobody
// root.
func TestTooManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		roles := testRoles
		roles.Admin.Users = []string{"anna"}
		l, _, _ := serveCounted(t, newGateway(t, Options{Roles: roles}))
		mine := l.connect(operator, maxShare)
		excess := l.connect(operator, 2)
		if got := status(t, excess[0]); got != "503" {
			t.Errorf("one too many: %s", got)
		}
		if rest, err := io.ReadAll(excess[0]); err != nil || !strings.Contains(string(rest), "Retry-After: 5\r\n") || !strings.Contains(string(rest), "Connection: close\r\n") {
			t.Errorf("%v: %s", err, rest)
		}
		if got := status(t, mine[0]); got != "200" {
			t.Errorf("one of the first: %s", got)
		}
		others := l.connect(reader, maxShare)
		if got := status(t, others[maxShare-1]); got != "200" {
			t.Errorf("another user: %s", got)
		}
		for n := range 4 { // until the reserve
			l.connect(Peer{UID: uint32(5000 + n)}, (maxConnections-reserved-2*maxShare)/4)
		}
		if got := status(t, l.connect(nobody, 1)[0]); got != "503" {
			t.Errorf("when all but the reserve are taken: %s", got)
		}
		if got := status(t, l.connect(Peer{UID: 1004, User: "anna"}, 1)[0]); got != "200" {
			t.Errorf("an admin then: %s", got)
		}
		if got := status(t, l.connect(root, 1)[0]); got != "200" {
			t.Errorf("root: %s", got)
		}
		l.connect(operator, maxExcess)
		if got := status(t, l.connect(operator, 1)[0]); got != io.EOF.Error() {
			t.Errorf("far too many: %s", got)
		}
		for _, c := range mine {
			c.Close()
		}
		synctest.Wait()
		if got := status(t, l.connect(operator, 1)[0]); got != "200" {
			t.Errorf("after some have gone: %s", got)
		}
	})
}

// TestStopDoesNotWaitForTheSilent: a client that has connected and sent nothing,
// or half a request, does not hold up the end.
func TestStopDoesNotWaitForTheSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, server, _ := serveCounted(t, newGateway(t, Options{Log: logrus.StandardLogger()}))
		clients := l.connect(operator, 3)
		if _, err := io.WriteString(clients[1], "GET /"); err != nil {
			t.Fatal(err)
		}
		if got := status(t, clients[2]); got != "200" {
			t.Error(got)
		}
		go func() { _, _ = io.Copy(io.Discard, clients[2]) }()
		synctest.Wait()
		began := time.Now()
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestDrain: who has connected before the end is answered, if that is asked for
// soon.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, server, all := serveCounted(t, newGateway(t, Options{Log: logrus.StandardLogger()}))
		clients := l.connect(operator, 2)
		synctest.Wait()
		time.AfterFunc(silence/2, func() {
			if got := status(t, clients[0]); got != "200" {
				t.Error(got)
			}
			_, _ = io.Copy(io.Discard, clients[0])
		})
		began := time.Now()
		all.Drain(server)
		if took := time.Since(began); took != silence {
			t.Errorf("it took %v", took)
		}
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
