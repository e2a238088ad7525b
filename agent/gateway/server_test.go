package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/platform"
)

// pipes is a listener whose connections are in this process, so that its time
// is that of the test's bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { close(p.closed); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// TestClientsThatStall: however a client stops, its connection ends and nothing
// of it reaches the iLO or stays.
func TestClientsThatStall(t *testing.T) {
	for name, c := range map[string]struct {
		send   string
		reads  bool // the client takes what comes
		within time.Duration
		asked  int
	}{
		"sends nothing":          {"", false, idleTimeout + time.Second, 0},
		"half a header":          {"GET /redfish/v1 HTTP/1.1\r\nHost: x\r\n", false, headerTimeout + time.Second, 0},
		"half a body":            {"POST /redfish/v1/Systems/x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345", true, bodyTimeout + time.Second, 0},
		"half a chunk":           {"POST /redfish/v1/Systems/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12", true, bodyTimeout + time.Second, 0},
		"half a refused body":    {"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345", true, bodyTimeout + time.Second, 0},
		"never reads":            {"GET /redfish/v1/big HTTP/1.1\r\nHost: x\r\n\r\n", false, writeTimeout + time.Second, 1},
		"never reads its own":    {"GET /ilod/v1/metrics HTTP/1.1\r\nHost: x\r\n\r\n", false, writeTimeout + time.Second, 0},
		"idle after its answer":  {"GET /redfish/v1/Systems/x HTTP/1.1\r\nHost: x\r\n\r\n", true, idleTimeout + time.Second, 1},
		"half a header, again":   {"GET /redfish/v1/Systems/x HTTP/1.1\r\nHost: x\r\n\r\nGET /redf", true, idleTimeout + headerTimeout + time.Second, 1},
		"idle after a body":      {"POST /redfish/v1/Systems/x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", true, idleTimeout + time.Second, 1},
		"slow iLO, patient user": {"POST /redfish/v1/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", true, time.Hour + idleTimeout + time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &next{answer: func(r *http.Request) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, "slow") {
						select {
						case <-time.After(time.Hour):
						case <-r.Context().Done():
							return nil, r.Context().Err()
						}
					}
					return respond(200, strings.Repeat("x", 1<<20)), nil
				}}
				g := newGateway(t, Options{Next: n})
				l := newPipes()
				server := NewServer(g, g.log)
				server.ConnContext = func(ctx context.Context, _ net.Conn) context.Context { return WithPeer(ctx, root) }
				served := make(chan error)
				go func() { served <- server.Serve(l) }()
				conn := l.dial()
				defer conn.Close()
				began := time.Now()
				go func() { _, _ = io.WriteString(conn, c.send) }()
				if c.reads {
					got, _ := io.ReadAll(conn)
					if strings.HasSuffix(name, "user") && !strings.HasPrefix(string(got), "HTTP/1.1 200") {
						t.Errorf("%.100s", got)
					}
				} else {
					time.Sleep(c.within)
					_, _ = io.ReadAll(conn) // what was on its way
				}
				if took := time.Since(began); took > c.within {
					t.Errorf("the connection lasted %v", took)
				}
				synctest.Wait()
				if n.count() != c.asked {
					t.Errorf("the iLO was asked %d times", n.count())
				}
				if got := g.counts.inFlight.Load(); got != 0 {
					t.Errorf("%d requests in flight", got)
				}
				if got := g.budget.Held(); got != 0 {
					t.Errorf("%d bytes of bodies", got)
				}
				_ = server.Close()
				<-served
			})
		})
	}
}

// TestKernelIdentity: on a real socket the kernel says who we are.
func TestKernelIdentity(t *testing.T) {
	n := &next{}
	g := newGateway(t, Options{Next: n})
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	var peer Peer
	serve(t, g, l, func(ctx context.Context, c net.Conn) context.Context {
		p, err := platform.PeerOf(c)
		if err != nil {
			t.Error(err)
			return ctx
		}
		peer = Peer(p)
		return WithPeer(ctx, peer)
	})
	resp, err := unixClient(t, l.Addr().String()).Get("http://ilod/redfish/v1/Systems")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	want := http.StatusForbidden
	if g.roles.of(&peer) >= Reader {
		want = http.StatusOK
	}
	if resp.StatusCode != want {
		t.Errorf("%+v gets %d", peer, resp.StatusCode)
	}
}

// TestWebPages: what a page in a browser of this host could try at the TLS
// listener.
func TestWebPages(t *testing.T) {
	n := &next{}
	g := newGateway(t, Options{Next: n, Accounts: testAccounts})
	for _, c := range []struct {
		host   string
		origin string
		status int
	}{
		{"localhost", "", 200}, {"LOCALHOST:8443", "", 200}, {"127.0.0.1:1", "", 200}, {"[::1]:8443", "", 200}, {"[::1]", "", 200},
		{"evil.example", "", 421}, {"localhost.evil.example", "", 421}, {"", "", 421}, {"10.0.0.1", "", 421},
		{"localhost", "https://evil.example", 403}, {"localhost", "null", 403}, {"localhost", "https://localhost", 403},
	} {
		r := httptest.NewRequest("GET", "/redfish/v1/", nil)
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("Host %q, Origin %q: %d", c.host, c.origin, w.Code)
		}
		for name := range w.Header() {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: %s", name, w.Header().Get(name))
			}
		}
	}
}

func TestServer(t *testing.T) {
	log, out := recordLog()
	server := NewServer(http.NotFoundHandler(), log)
	if p := server.Protocols; !p.HTTP1() || p.HTTP2() || p.UnencryptedHTTP2() {
		t.Error(p)
	}
	server.ErrorLog.Print("http: something")
	if !strings.Contains(out.String(), "http: something") {
		t.Error(out)
	}
}
