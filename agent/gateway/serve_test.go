package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/redfisherror"
)

func TestMain(m *testing.M) {
	// A server lingers half a second over a connection that it closes.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// Users of the tests; testRoles says what they may do.
var (
	root     = Peer{UID: 0, User: "root"}
	operator = Peer{UID: 1001, User: "olga"}
	reader   = Peer{UID: 1002, Groups: []uint32{7, 2002}}
	nobody   = Peer{UID: 1003, GID: 1003, User: "nobody", Groups: []uint32{7}}

	testRoles    = Roles{Operator: Members{Users: []string{"olga"}}, Reader: Members{Groups: []string{"2002"}}}
	testAccounts = []Account{{"remote", testPassword, Operator}}
)

const testPassword = "correct horse battery staple"

// next is an iLO of a few lines. It keeps what it was asked.
type next struct {
	answer func(*http.Request) (*http.Response, error)

	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func (n *next) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	n.mu.Lock()
	n.requests, n.bodies = append(n.requests, r), append(n.bodies, string(body))
	n.mu.Unlock()
	if n.answer != nil {
		return n.answer(r)
	}
	return respond(200, `{"@odata.id":"`+r.URL.Path+`"}`, "Content-Type", "application/json"), nil
}

func (n *next) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.requests)
}

// last is the last request and its body.
func (n *next) last() (*http.Request, string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.requests[len(n.requests)-1], n.bodies[len(n.bodies)-1]
}

func respond(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

// newGateway fills in what a test does not care about.
func newGateway(tb testing.TB, o Options) *Gateway {
	tb.Helper()
	if o.Next == nil {
		o.Next = &next{}
	}
	if o.Roles.Operator.Users == nil {
		o.Roles = testRoles
	}
	if o.Clients == nil {
		o.Clients = openClients(tb, clients.DefaultLimits())
	}
	g, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

// openClients is a registry in memory.
func openClients(tb testing.TB, limits api.Limits) *clients.Registry {
	tb.Helper()
	r, err := clients.Open(clients.Options{Limits: limits})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// serveUnix serves g on a Unix socket to clients that are p.
func serveUnix(tb testing.TB, g http.Handler, p Peer) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		tb.Fatal(err)
	}
	serve(tb, g, l, func(ctx context.Context, _ net.Conn) context.Context { return WithPeer(ctx, p) })
	return path
}

func serve(tb testing.TB, g http.Handler, l net.Listener, identify func(context.Context, net.Conn) context.Context) {
	tb.Helper()
	server := NewServer(g, logrus.StandardLogger())
	server.ConnContext = identify
	done := make(chan error)
	go func() { done <- server.Serve(l) }()
	tb.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			tb.Error(err)
		}
	})
}

// unixClient is an HTTP client of a Unix socket.
func unixClient(tb testing.TB, path string) *http.Client {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		DisableCompression:    true,
		MaxIdleConnsPerHost:   64,
		ExpectContinueTimeout: time.Minute,
	}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// ask makes one request of the handler; header are names and values.
func ask(g http.Handler, p *Peer, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost/", strings.NewReader(body))
	u, err := r.URL.Parse(target)
	if err != nil {
		panic(err)
	}
	u.Scheme, u.Host = "", ""
	r.URL, r.RequestURI = u, target
	if body == "" {
		r.ContentLength = 0
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	if p != nil {
		r = r.WithContext(WithPeer(r.Context(), *p))
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

// wantFailure checks what every refusal has in common, and its status and key.
func wantFailure(tb testing.TB, w *httptest.ResponseRecorder, status int, key string) {
	tb.Helper()
	checkFailure(tb, w.Result(), w.Body.Bytes(), status, key)
}

func checkFailure(tb testing.TB, resp *http.Response, body []byte, status int, key string) {
	tb.Helper()
	if resp.StatusCode != status {
		tb.Errorf("status %d, want %d: %s", resp.StatusCode, status, body)
	}
	for name, want := range map[string]string{"OData-Version": "4.0", "Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"} {
		if got := resp.Header.Get(name); got != want {
			tb.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	messages := redfisherror.Parse(body)
	id := registry + key
	if _, ours := own[key]; ours {
		id = ownRegistry + key
	}
	if len(messages) != 1 || messages[0].ID != id || messages[0].Text == "" {
		tb.Errorf("messages %v, want one %s", messages, key)
	}
}

// decode reads a JSON object.
func decode(tb testing.TB, body []byte) map[string]any {
	tb.Helper()
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil {
		tb.Fatalf("%v: %s", err, body)
	}
	return v
}

// recordLog is a log that is kept.
func recordLog() (logrus.FieldLogger, *bytes.Buffer) {
	log, out := logrus.New(), &bytes.Buffer{}
	log.SetOutput(out)
	log.SetLevel(logrus.TraceLevel)
	return log, out
}

func mustParse(tb testing.TB, text string) *url.URL {
	tb.Helper()
	u, err := url.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

func readAll(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}
