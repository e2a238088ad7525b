package gateway

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
)

func anybody(*Peer) Role { return Operator }

// TestEachConnectionHasItsPlace: of 1024 places a user has 256, one without a role
// 16, the last 128 are for admins, root has one in any case, and 64 more are told that
// they are too many.
func TestEachConnectionHasItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that none has waited for long
		roleOf := func(p *Peer) Role {
			return map[string]Role{"admin": Admin, "": Operator, "nobody": Anyone}[p.User]
		}
		all := NewConnections(func(c net.Conn) (Peer, error) { return c.(as).Peer, nil }, roleOf, logrus.StandardLogger())
		for _, c := range []struct {
			n                    int
			user                 Peer
			places, told, closed int
		}{
			{17, Peer{UID: 1, User: "nobody"}, 16, 1, 0}, {257, Peer{UID: 2}, 256, 1, 0}, {256, Peer{UID: 3}, 256, 0, 0}, {256, Peer{UID: 4}, 256, 0, 0},
			{113, Peer{UID: 5}, 112, 1, 0}, {1, Peer{UID: 6}, 0, 1, 0}, {129, Peer{UID: 7, User: "admin"}, 128, 1, 0},
			{300, Peer{}, 300, 0, 0}, {60, Peer{UID: 6}, 0, 59, 1}, {1, Peer{}, 1, 0, 0},
		} {
			places, told, closed := 0, 0, 0
			for range c.n {
				switch counted := all.count(as{nil, c.user}); {
				case counted == nil:
					closed++
				case counted.excess:
					told++
				default:
					places++
				}
			}
			if places != c.places || told != c.told || closed != c.closed {
				t.Errorf("%d of %d: %d have a place, %d are told, %d closed", c.n, c.user.UID, places, told, closed)
			}
		}
	})
}

// TestAConnectionIsCountedUntilItsFirstClose: not less often, and not twice.
func TestAConnectionIsCountedUntilItsFirstClose(t *testing.T) {
	all := NewConnections(func(c net.Conn) (Peer, error) { return c.(as).Peer, nil }, anybody, logrus.StandardLogger())
	for range 2 {
		near, far := net.Pipe()
		c := all.count(as{near, operator})
		if all.open != 1 || all.of["uid:1001"] != 1 {
			t.Fatalf("open: %+v", all)
		}
		_, _ = c.Close(), c.Close()
		if _, err := far.Read(make([]byte, 1)); err != io.EOF || all.open != 0 || len(all.of) != 0 {
			t.Errorf("closed: %v, %+v", err, all)
		}
	}
}

// local is a connection with another local address.
type local struct {
	as
	network string
	buffer  int
}

func (l *local) LocalAddr() net.Addr            { return &net.UnixAddr{Net: l.network} }
func (l *local) SetWriteBuffer(bytes int) error { l.buffer = bytes; return nil }

// TestWhoIsAskedForItsIdentity: Unix sockets and named pipes are, others have none,
// and who cannot be identified is nobody. What the kernel keeps for any is bounded.
func TestWhoIsAskedForItsIdentity(t *testing.T) {
	for _, c := range []struct {
		network string
		err     error
		known   bool
	}{{"unix", nil, true}, {"pipe", nil, true}, {"tcp", nil, false}, {"unix", errors.New("no answer"), false}} {
		log, logged := recordLog()
		all := NewConnections(func(net.Conn) (Peer, error) { return root, c.err }, anybody, log)
		conn := &local{network: c.network}
		counted := all.count(conn)
		if (counted.peer != nil) != c.known || (all.of["uid:0"] == 1) != c.known || (all.of[""] == 1) == c.known || (logged.Len() > 0) != (c.err != nil) {
			t.Errorf("%s, %v: %+v, %+v, %s", c.network, c.err, counted.peer, all, logged)
		}
		if conn.buffer != 16<<10 {
			t.Errorf("%s: the kernel keeps %d bytes", c.network, conn.buffer)
		}
	}
}

// TestANewConnectionEndsOnceTheServerStops: it has come too late to be served.
func TestANewConnectionEndsOnceTheServerStops(t *testing.T) {
	all := NewConnections(func(c net.Conn) (Peer, error) { return c.(as).Peer, nil }, anybody, logrus.StandardLogger())
	accept := func() (*connection, net.Conn) {
		near, far := net.Pipe()
		c := all.count(as{near, operator})
		all.state(c, http.StateNew)
		return c, far
	}
	_, atSilent := accept()
	busy, atBusy := accept()
	all.state(busy, http.StateActive)
	all.closeSilent()
	_, atLate := accept()
	all.state(busy, http.StateIdle)
	for name, far := range map[string]net.Conn{"silent": atSilent, "late": atLate} {
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: %v", name, err)
		}
	}
	if all.open != 1 {
		t.Errorf("%d are open", all.open)
	}
	go func() { _, _ = io.WriteString(busy, "x") }()
	if _, err := atBusy.Read(make([]byte, 1)); err != nil {
		t.Errorf("busy: %v", err)
	}
	_, _ = busy.Close(), atBusy.Close()
}

// TestTheNextAnswerIsTheLastOnceTheServerDrains: whoever is being served then connects
// to the next agent.
func TestTheNextAnswerIsTheLastOnceTheServerDrains(t *testing.T) {
	for _, drains := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			end := make(chan struct{})
			l, server, all := serveCounted(t, newGateway(t, Options{Next: hanging(end)}))
			c := busy(l.connect(operator, 1))[0]
			if drains {
				all.Drain(server)
			}
			close(end)
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || answer.StatusCode != 200 || answer.Close != drains {
				t.Errorf("drains %v: %v, %+v", drains, err, answer)
			}
		})
	}
}

// TestWhoHasMostMakesRoom: with all places taken one connection that is not in use
// goes for a new one, of whoever has most; a user at its own bound loses one of its
// own.
func TestWhoHasMostMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		roleOf := func(p *Peer) Role { return map[bool]Role{true: Reader, false: Anyone}[p.User == ""] }
		all := NewConnections(func(c net.Conn) (Peer, error) { return c.(as).Peer, nil }, roleOf, logrus.StandardLogger())
		count := func(n int, p Peer) (told bool) {
			for range n {
				conn, _ := net.Pipe()
				c := all.count(as{conn, p})
				all.state(c, http.StateIdle)
				told = c.excess
			}
			return told
		}
		stranger := Peer{UID: 6, User: "x"}
		count(256, Peer{UID: 1})
		count(255, Peer{UID: 2})
		count(255, Peer{UID: 3})
		count(114, Peer{UID: 4})
		count(16, stranger)
		if !count(1, stranger) || !count(1, Peer{UID: 5}) {
			t.Error("new connections make room")
		}
		time.Sleep(silence)
		if count(1, stranger) || all.of["uid:6"] != 16 || all.of["uid:1"] != 256 {
			t.Errorf("a user at its bound: %v", all.of)
		}
		if count(1, Peer{UID: 5}) || all.of["uid:5"] != 1 || all.of["uid:1"] != 255 || all.open != 896 {
			t.Errorf("a user with none, when all is taken: %d, %v", all.open, all.of)
		}
	})
}

// TestAllThatAreNotKnownAreOneUser: as those of the TLS listener are.
func TestAllThatAreNotKnownAreOneUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := NewConnections(nil, nil, logrus.StandardLogger())
		for n := range 257 {
			if told := all.count(&local{network: "tcp"}).excess; told != (n == 256) {
				t.Errorf("connection %d is told that it is too much: %v", n+1, told)
			}
		}
	})
}
