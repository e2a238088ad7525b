package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// maxConnections bounds the open connections of a Connections, and maxShare
// those of one user among them. The last reserved ones are for admins. Who has no
// role is owed an answer that says so, and gets no more than strangerShare.
const (
	maxConnections = 1024
	maxShare       = maxConnections / 4
	strangerShare  = 16
	reserved       = maxConnections / 8
	// sendBuffer is what the kernel keeps of an answer that its client has not read,
	// in bytes (unix(7), SO_SNDBUF): that memory is the agent's, too.
	sendBuffer = 16 << 10
	// maxExcess bounds the connections beyond these that are told so; further
	// ones are just closed.
	maxExcess = 64
	// silence is how long a client that has just connected may take to send its
	// request when no more are accepted: it is owed an answer.
	silence = time.Second
)

// Connections bounds the open connections of a server's listeners, in total and
// for each user, so that no user can keep the others out, and no number of users
// the admins; root always gets in. A new connection that is too many takes the place
// of one that is not in use: see victim.
// It knows who is at their other ends. The zero value is not useful: use
// NewConnections.
type Connections struct {
	identify func(net.Conn) (Peer, error)
	role     func(*Peer) Role
	log      logrus.FieldLogger
	unknown  logRate

	mu       sync.Mutex
	all      map[*connection]bool // open ones, also those in excess
	open     int                  // of them not in excess
	of       map[string]int       // of these by owner
	excess   int
	stopping bool
}

// NewConnections makes a Connections that asks identify who has connected a Unix
// socket or a named pipe, and role what that one may do.
func NewConnections(identify func(net.Conn) (Peer, error), role func(*Peer) Role, log logrus.FieldLogger) *Connections {
	return &Connections{identify: identify, role: role, log: log, all: map[*connection]bool{}, of: map[string]int{}}
}

// connection is one that is counted.
type connection struct {
	net.Conn
	peer   *knownPeer // nil: not known, or not of a Unix socket
	owner  string     // all that are not known are one user
	excess bool
	close  func()

	// Guarded by the Connections' mu.
	state    http.ConnState
	since    time.Time // of the state
	admitted bool      // a request of somebody with a role has come on it
}

// Close counts it no more.
func (c *connection) Close() error {
	c.close()
	return c.Conn.Close()
}

// Listener counts the connections of l. A TLS listener goes around it.
func (s *Connections) Listener(l net.Listener) net.Listener { return &counted{l, s} }

type counted struct {
	net.Listener
	all *Connections
}

// Accept closes what is far too much and goes on.
func (l *counted) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.all.count(conn); c != nil {
			return c, nil
		}
		_ = conn.Close()
	}
}

// count returns nil for a connection that is far too much.
func (s *Connections) count(conn net.Conn) *connection {
	c := &connection{Conn: conn, since: time.Now()}
	if b, ok := conn.(interface{ SetWriteBuffer(int) error }); ok {
		_ = b.SetWriteBuffer(sendBuffer)
	}
	most, share, isRoot := maxConnections-reserved, maxShare, false
	if network := conn.LocalAddr().Network(); network == "unix" || network == "pipe" {
		if p, err := s.identify(conn); err != nil {
			s.unknown.warn(s.log.WithError(err), "a client cannot be identified")
		} else {
			c.peer = known(p)
			c.owner, isRoot = c.peer.owner, p.UID == 0
			switch s.role(&p) {
			case Admin:
				most = maxConnections
			case Anyone:
				share = strangerShare
			}
		}
	}
	if !isRoot {
		s.makeRoom(c.owner, most, share)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.excess = !isRoot && (s.open >= most || s.of[c.owner] >= share); c.excess && s.excess >= maxExcess {
		return nil
	}
	s.all[c] = true
	s.add(c, 1)
	c.close = sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, c)
		s.add(c, -1)
	})
	return c
}

func (s *Connections) add(c *connection, n int) {
	if c.excess {
		s.excess += n
		return
	}
	s.open += n
	if s.of[c.owner] += n; s.of[c.owner] == 0 {
		delete(s.of, c.owner)
	}
}

// makeRoom ends a connection that is not in use, if one more of an owner would be too
// many: one of the owner's own, or of whoever has most.
func (s *Connections) makeRoom(owner string, most, share int) {
	s.mu.Lock()
	var victim *connection
	switch {
	case s.of[owner] >= share:
		victim = s.victim(owner, true)
	case s.open >= most:
		victim = s.victim(owner, false)
	}
	s.mu.Unlock()
	if victim != nil {
		_ = victim.Close()
	}
}

// victim is the connection that goes first: of those that have waited for their next
// request for a moment, one whose client has sent nothing that was admitted, or else
// the one that has waited longest. Of clients that nobody knows also one that has not
// said yet who it is; others have headerTimeout for that.
func (s *Connections) victim(owner string, own bool) (first *connection) {
	for c := range s.all {
		waits := c.state == http.StateIdle || c.owner == "" && !c.admitted
		if c.excess || own && c.owner != owner || !waits || time.Since(c.since) < silence {
			continue
		}
		if first == nil || cmp.Or(cmp.Compare(s.of[first.owner], s.of[c.owner]), admittedLast(first.admitted, c.admitted), c.since.Compare(first.since)) < 0 {
			first = c
		}
	}
	return first
}

// admittedLast is negative if a was admitted and b was not: b then goes first.
func admittedLast(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// Attach has a server know who its clients are and, when it is shut down, not
// wait for those that have sent nothing. It is called before the server serves.
func (s *Connections) Attach(server *http.Server) {
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		c, ok := plain(conn).(*connection)
		if !ok {
			return ctx
		}
		if c.excess {
			return context.WithValue(ctx, excessKey{}, true)
		}
		if c.peer != nil {
			ctx = c.peer.context(ctx)
		}
		return context.WithValue(ctx, admittedKey{}, func() { s.admit(c) })
	}
	server.ConnState = s.state
	server.RegisterOnShutdown(s.closeSilent)
}

// admittedKey is the key of what is to be called when a request was admitted.
type admittedKey struct{}

func (s *Connections) admit(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.admitted = true
}

// admitted tells the connection of a request that its client has a role.
func admitted(ctx context.Context) {
	if tell, ok := ctx.Value(admittedKey{}).(func()); ok {
		tell()
	}
}

// excessKey is in the context of requests on connections that are too many.
type excessKey struct{}

// plain is the connection inside one with TLS.
func plain(conn net.Conn) net.Conn {
	if t, ok := conn.(*tls.Conn); ok {
		return t.NetConn()
	}
	return conn
}

// excessive refuses the requests of a connection that is too much, and ends it.
func excessive(w http.ResponseWriter, c *call) *failure {
	if c.Context().Value(excessKey{}) == nil {
		return nil
	}
	w.Header().Set("Connection", "close")
	return &failure{status: http.StatusServiceUnavailable, key: "ServiceTemporarilyUnavailable", retry: 5 * time.Second, text: "There are too many connections."}
}

func (s *Connections) state(conn net.Conn, state http.ConnState) {
	c, ok := plain(conn).(*connection)
	if !ok {
		return
	}
	s.mu.Lock()
	c.state, c.since = state, time.Now()
	late := s.stopping && state == http.StateNew
	s.mu.Unlock()
	if late {
		_ = c.Close()
	}
}

// Drain gives the clients of server that have connected and sent nothing yet a
// second to be served; all others lose their connections with their next answer.
// It is called before Shutdown, which serves no request that it has not seen,
// when nothing is accepted any more.
func (s *Connections) Drain(server *http.Server) {
	server.SetKeepAlivesEnabled(false)
	for end := time.Now().Add(silence); s.anySilent() && time.Now().Before(end); {
		time.Sleep(silence / 100)
	}
}

func (s *Connections) anySilent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.silent()) > 0
}

// silent are the connections on which nothing has come yet.
func (s *Connections) silent() (all []*connection) {
	for c := range s.all {
		if c.state == http.StateNew {
			all = append(all, c)
		}
	}
	return all
}

// closeSilent ends the connections on which nothing has come, which the server
// would take for busy ones.
func (s *Connections) closeSilent() {
	s.mu.Lock()
	s.stopping = true
	silent := s.silent()
	s.mu.Unlock()
	for _, c := range silent {
		_ = c.Close()
	}
}
