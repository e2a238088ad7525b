package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
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
	all = NewConnections(func(c net.Conn) (Peer, error) { return c.(as).Peer, nil }, g.Role, g.log)
	server = NewServer(g, g.log)
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
		if all.open != 0 || all.excess != 0 || len(all.of) != 0 || len(all.all) != 0 {
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

// busy has a request under way on each connection, which takes as long as ilo.
func busy(conns []net.Conn) []net.Conn {
	for _, c := range conns {
		go func() {
			_, _ = io.WriteString(c, "GET /redfish/v1/Systems/1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}()
	}
	synctest.Wait()
	return conns
}

// hanging is an iLO that answers for its root alone, until the end.
func hanging(end <-chan struct{}) *next {
	return &next{answer: func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != "/redfish/v1/" {
			select {
			case <-end:
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
		return respond(200, "{}"), nil
	}}
}

// TestTooManyConnections: one user alone cannot keep another one out, and nobody
// root.
func TestTooManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		roles := testRoles
		roles.Admin.Users = []string{"anna"}
		for n := range 4 {
			roles.Reader.Users = append(roles.Reader.Users, strconv.Itoa(5000+n))
		}
		end := make(chan struct{})
		l, _, _ := serveCounted(t, newGateway(t, Options{Roles: roles, Next: hanging(end)}))
		defer close(end)
		mine := busy(l.connect(operator, maxShare))
		excess := l.connect(operator, 2)
		if got := status(t, excess[0]); got != "503" {
			t.Errorf("one too many: %s", got)
		}
		if rest, err := io.ReadAll(excess[0]); err != nil || !strings.Contains(string(rest), "Retry-After: 5\r\n") || !strings.Contains(string(rest), "Connection: close\r\n") {
			t.Errorf("%v: %s", err, rest)
		}
		other := l.connect(reader, 1)
		if got := status(t, other[0]); got != "200" {
			t.Errorf("another user: %s", got)
		}
		others := append(busy(l.connect(reader, maxShare-1)), other...)
		for n := range 4 { // until the reserve
			busy(l.connect(Peer{UID: uint32(5000 + n)}, (maxConnections-reserved-2*maxShare)/4))
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
		for _, c := range append(mine, others...) {
			c.Close()
		}
		synctest.Wait()
		if got := status(t, l.connect(operator, 1)[0]); got != "200" {
			t.Errorf("after some have gone: %s", got)
		}
	})
}

// TestConnectionsThatAreNotInUseMakeRoom: a user with too many loses the one that has
// been idle for longest, and never one with a request under way, or one whose request
// is only slow to come. Root loses none.
func TestConnectionsThatAreNotInUseMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		l, _, _ := serveCounted(t, newGateway(t, Options{Next: hanging(end)}))
		finish := sync.OnceFunc(func() { close(end) })
		defer finish()
		working, slow := busy(l.connect(operator, 1))[0], l.connect(operator, 1)[0]
		var idle []net.Conn
		for range maxShare - 2 {
			idle = append(idle, l.connect(operator, 1)...)
			served(t, idle[len(idle)-1])
			time.Sleep(time.Microsecond)
		}
		if got := status(t, l.connect(operator, 1)[0]); got != "503" {
			t.Errorf("while all are new: %s", got)
		}
		time.Sleep(silence)
		served(t, l.connect(operator, 1)[0])
		if !gone(idle[0]) || gone(idle[1]) {
			t.Error("not the one that was idle for longest has gone")
		}
		served(t, slow)
		roots := l.connect(root, maxShare+1)
		time.Sleep(silence)
		served(t, l.connect(root, 1)[0])
		for _, c := range roots {
			served(t, c)
		}
		finish()
		if b, err := bufio.NewReader(working).ReadString('\n'); !strings.Contains(b, "200") {
			t.Errorf("the one with a request under way: %q, %v", b, err)
		}
	})
}

// remote is a connection of the TLS listener, without its TLS.
type remote struct{ net.Conn }

func (remote) LocalAddr() net.Addr { return &net.TCPAddr{} }

// TestWhoDoesNotSayWhoItIsMakesRoom: on the TLS listener, for those who do.
func TestWhoDoesNotSayWhoItIsMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, _ := serveCounted(t, newGateway(t, Options{Accounts: testAccounts}))
		connect := func() net.Conn {
			client, server := net.Pipe()
			l.conns <- remote{server}
			return client
		}
		var silent []net.Conn
		for range maxShare {
			silent = append(silent, connect())
		}
		if got := status(t, connect()); got != "503" {
			t.Errorf("while all are new: %s", got)
		}
		time.Sleep(silence)
		for range maxShare {
			served(t, connect())
		}
		for _, c := range silent {
			if !gone(c) {
				t.Fatal("a connection without a request is still there")
			}
		}
	})
}

// served asks over a connection and reads the answer.
func served(t *testing.T, c net.Conn) {
	t.Helper()
	if got := status(t, c); got != "200" {
		t.Fatal(got)
	}
	_, _ = io.ReadFull(c, make([]byte, restOfAnswer(t, c)))
}

// gone tells whether the server has closed a connection.
func gone(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	_, err := c.Read(make([]byte, 1))
	_ = c.SetReadDeadline(time.Time{})
	return errors.Is(err, io.EOF)
}

// restOfAnswer reads the header of an answer, and returns the length of its body.
func restOfAnswer(t *testing.T, c net.Conn) (n int) {
	t.Helper()
	var header []byte
	for b := make([]byte, 1); !bytes.HasSuffix(header, []byte("\r\n\r\n")); header = append(header, b...) {
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
	}
	_, length, _ := strings.Cut(string(header), "Content-Length: ")
	if _, err := fmt.Sscan(length, &n); err != nil {
		t.Fatal(err)
	}
	return n
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
