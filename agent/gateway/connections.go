package gateway

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// maxConnections bounds the open connections of a Connections, and maxShare
// those of one user among them. The last reserved ones are for admins.
const (
	maxConnections = 1024
	maxShare       = maxConnections / 4
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
// the admins; root always gets in.
// It knows who is at their other ends. The zero value is not useful: use
// NewConnections.
type Connections struct {
	identify func(net.Conn) (Peer, error)
	admin    func(*Peer) bool // nil: root alone is one
	log      logrus.FieldLogger

	mu       sync.Mutex
	open     int
	of       map[string]int // by owner
	excess   int
	silent   map[net.Conn]bool // they have sent nothing yet
	stopping bool
}

// NewConnections makes a Connections that asks identify who has connected a Unix
// socket or a named pipe, and admin whether that is an admin; nil: only root.
func NewConnections(identify func(net.Conn) (Peer, error), admin func(*Peer) bool, log logrus.FieldLogger) *Connections {
	return &Connections{identify: identify, admin: admin, log: log, of: map[string]int{}, silent: map[net.Conn]bool{}}
}

// connection is one that is counted.
type connection struct {
	net.Conn
	peer   *knownPeer // nil: not known, or not of a Unix socket
	excess bool
	close  func()
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
	c := &connection{Conn: conn}
	if b, ok := conn.(interface{ SetWriteBuffer(int) error }); ok {
		_ = b.SetWriteBuffer(sendBuffer)
	}
	owner, isRoot, most := "", false, maxConnections-reserved // all that are not known are one user
	if network := conn.LocalAddr().Network(); network == "unix" || network == "pipe" {
		if p, err := s.identify(conn); err != nil {
			s.log.WithError(err).Warn("a client cannot be identified")
		} else {
			c.peer = known(p)
			owner, isRoot = c.peer.owner, p.UID == 0
			if s.admin != nil && s.admin(&p) {
				most = maxConnections
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.excess = !isRoot && (s.open >= most || s.of[owner] >= maxShare); c.excess && s.excess >= maxExcess {
		return nil
	}
	add := func(n int) {
		if c.excess {
			s.excess += n
			return
		}
		s.open += n
		if s.of[owner] += n; s.of[owner] == 0 {
			delete(s.of, owner)
		}
	}
	add(1)
	c.close = sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		add(-1)
	})
	return c
}

// Attach has a server know who its clients are and, when it is shut down, not
// wait for those that have sent nothing. It is called before the server serves.
func (s *Connections) Attach(server *http.Server) {
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		c, ok := plain(conn).(*connection)
		switch {
		case !ok:
		case c.excess:
			return context.WithValue(ctx, excessKey{}, true)
		case c.peer != nil:
			return c.peer.context(ctx)
		}
		return ctx
	}
	server.ConnState = s.state
	server.RegisterOnShutdown(s.closeSilent)
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
	s.mu.Lock()
	stopping := s.stopping
	if state == http.StateNew {
		s.silent[conn] = true
	} else {
		delete(s.silent, conn)
	}
	s.mu.Unlock()
	if stopping && state == http.StateNew {
		_ = plain(conn).Close()
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
	return len(s.silent) > 0
}

// closeSilent ends the connections on which nothing has come, which the server
// would take for busy ones.
func (s *Connections) closeSilent() {
	s.mu.Lock()
	s.stopping = true
	silent := slices.Collect(maps.Keys(s.silent))
	s.mu.Unlock()
	for _, conn := range silent {
		_ = plain(conn).Close()
	}
}
