// Package gateway serves Redfish to the tools of this host. It is the first room of
// the agent: an http.Handler that knows the client and what the client may do.
//
// It passes requests for the iLO on to package clients. It answers the rest itself:
// client sessions, refusals, errors, and the agent's own resources under /ilod/v1/.
// These answers follow the protocol clauses of the Redfish specification (DSP0266).
// The iLO's answers pass unchanged, with two exceptions: the iLO's token never leaves,
// and links in the header have no host.
package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/audit"
	"github.com/ilod/ilod/agent/budget"
	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/silent"
	"github.com/ilod/ilod/agent/transaction"
)

// Options are what a Gateway is made of. Only Next and Clients are needed.
type Options struct {
	// Next is the way to the iLO. Its requests have the URL https://ilo/…, no
	// credentials, a body of known length that GetBody gives again, and a
	// context with class and peer for package schedule, and with their Purse.
	Next http.RoundTripper
	// Clients are the client sessions.
	Clients *clients.Registry
	// Roles say what the users of the Unix socket may do. Root is always an
	// admin; with the zero value nobody else gets in.
	Roles Roles
	// Accounts may log in on a connection without a Peer, which is the TLS
	// listener. Without any, such connections are refused whatever they ask.
	Accounts []Account
	// Problem explains errors of Next and of the functions below that come from
	// rooms which the gateway does not know, such as those of package chif. Nil,
	// or Unknown, leaves them to the gateway.
	Problem func(error) Problem

	// The agent's own resources. One that is nil does not exist.

	// Status returns what GET /ilod/v1/status shows; it must encode as a JSON
	// object.
	Status func(context.Context) any
	// Stop has the agent end, as POST /ilod/v1/stop asks; it does not wait for that.
	Stop func(by string)
	// Metrics returns what GET /ilod/v1/metrics shows beside the gateway's own.
	Metrics func() []Metric
	// Health returns what GET /ilod/v1/health shows; it must encode as a JSON
	// object. header is for its requests, and has their Cache-Control.
	Health func(ctx context.Context, header http.Header) (any, error)
	// Cache is behind /ilod/v1/cache.
	Cache *Cache
	// Audit has what happens to sessions, and is behind /ilod/v1/session-log.
	Audit *audit.Log
	// ILOSessions is behind /ilod/v1/ilo-sessions.
	ILOSessions ILOSessions

	// Transactions are behind /ilod/v1/transaction.
	Transactions *transaction.Manager

	Log logrus.FieldLogger // nil discards

	budget *budget.Budget // of memory for bodies, another one in tests; nil: one of the defaults
}

// Gateway is the http.Handler. It is safe for concurrent use, owns no goroutine
// and needs no closing.
type Gateway struct {
	next     http.RoundTripper
	allowed  func(context.Context, *url.URL) bool // Allowed, which looks at the routes and so at who calls it
	roles    *roles
	accounts []account
	o        Options
	clients  *clients.Registry
	log      logrus.FieldLogger

	budget  *budget.Budget // of memory for bodies
	parsing chan struct{}  // has something in it for each large body that is looked through
	running running        // requests that are under way
	warming sync.Mutex     // held while the cache is warmed
	counts  counters

	wrongLogins, noAnswers logRate
}

// New returns a Gateway. It fails if the options make no sense: a group that
// does not exist, an account that is incomplete or whose password is short.
func New(o Options) (*Gateway, error) {
	if o.Next == nil || o.Clients == nil {
		return nil, errors.New("gateway: no way to the iLO, or no client sessions")
	}
	o.Log = silent.Unless(o.Log)
	if o.budget == nil {
		o.budget = budget.New(budget.DefaultTotal, budget.DefaultReserve, budget.DefaultShare)
	}
	roles, err := o.Roles.compile(lookupGroup)
	if err != nil {
		return nil, err
	}
	accounts, err := compileAccounts(o.Accounts)
	if err != nil {
		return nil, err
	}
	o.Accounts = nil // only hashes of the passwords are kept
	return &Gateway{
		next: o.Next, allowed: Allowed, roles: roles, accounts: accounts, o: o, log: o.Log,
		clients: o.Clients, budget: o.budget, parsing: make(chan struct{}, 2),
	}, nil
}

// lookupGroup asks the system.
func lookupGroup(name string) (uint32, error) {
	group, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	gid, err := strconv.ParseUint(group.Gid, 10, 32)
	return uint32(gid), err
}

// call is one request on its way through the gateway.
type call struct {
	*http.Request
	who     caller
	path    string         // canonical, see canonicalPath
	lease   *clients.Lease // nil: it runs in no client session
	session api.Session    // of the lease, as it was at the beginning
	named   string         // id of the client session whose stale handle the request has
	valid   bool           // nothing is wrong with the credentials
	purse   *budget.Purse  // nil until the caller is known
	leave   func()         // gives back the place among those under way; nil: it has none
}

// ServeHTTP answers one request. Nothing goes to Next unless the caller is known
// and its role suffices.
func (g *Gateway) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w, c := &statusWriter{ResponseWriter: rw}, &call{Request: r}
	w.pace.set = http.NewResponseController(rw).SetWriteDeadline
	g.counts.inFlight.Add(1)
	answered := false
	defer func() {
		if !answered {
			g.spoil(c, "the request was cut off")
		}
		c.purse.Close()
		if c.leave != nil {
			c.leave()
		}
		if c.lease != nil {
			c.lease.Release()
		}
		g.counts.inFlight.Add(-1)
		g.counts.count(r.Method, w.status)
	}()
	if r.ContentLength != 0 {
		// What is not read here the server reads, and that must end too.
		_ = http.NewResponseController(rw).SetReadDeadline(time.Now().Add(bodyTimeout))
	}
	f := excessive(w, c)
	if f == nil {
		f = g.admit(w, c)
	}
	if f != nil {
		g.log.WithFields(logrus.Fields{"method": r.Method, "path": r.URL.Path, "peer": c.who.name, "status": f.status}).Debug("refused")
		g.spoil(c, f.why())
		g.fail(w, c, f)
	}
	answered = true
}

// admit decides about a request and, unless it refuses, has it handled.
func (g *Gateway) admit(w *statusWriter, c *call) *failure {
	if !knownMethods[c.Method] {
		return &failure{status: http.StatusNotImplemented, key: "OperationNotAllowed", text: "The method is not implemented."}
	}
	invalid := g.identify(c)
	c.valid = invalid == nil
	var bad *failure
	if c.path, bad = canonicalPath(c.URL); bad != nil {
		return bad
	}
	g.open(w, c)
	if bad := g.checkHeaders(c); bad != nil {
		return bad
	}
	route, bad := g.judge(w, c, invalid)
	if bad != nil {
		return bad
	}
	if c.who.role > Anyone {
		admitted(c.Context())
	}
	if c.who.role < Admin {
		if c.leave, bad = g.running.enter(c.Context(), c.who.owner); bad != nil {
			return bad
		}
	}
	if !route.sessionless() {
		if bad := g.useDefault(c); bad != nil && route.need > Anyone && !g.excepted(c, route) {
			return bad
		}
	}
	if route.relative() {
		if route, bad = g.resolve(w, c); bad != nil {
			return bad
		}
	}
	if bad := checkQuery(c); bad != nil {
		return bad
	}
	if route.handle == nil {
		return g.proxy(w, c)
	}
	w.Header().Set("Allow", allowed(c.path))
	if g.absent(c.path) {
		return missing(c.URL.Path)
	}
	return route.handle(g, w, c)
}

// judge finds the route of the path, if the caller may take it; invalid is what
// is wrong with its credentials.
func (g *Gateway) judge(w http.ResponseWriter, c *call, invalid *failure) (*route, *failure) {
	route, exists := find(c.path, c.Method)
	switch {
	case invalid != nil && (route == nil || !route.sessionless()):
		return nil, invalid
	case !c.who.known && (route == nil || route.need > Anyone || len(g.accounts) == 0):
		return nil, noValidSession()
	case c.who.known && c.who.role == Anyone:
		w.Header().Set("Connection", "close") // nothing else will come of it
		return nil, c.who.lacks(Reader)
	case !exists:
		return nil, missing(c.URL.Path)
	case route == nil:
		w.Header().Set("Allow", allowed(c.path))
		return nil, &failure{status: http.StatusMethodNotAllowed, key: "OperationNotAllowed"}
	}
	if need := route.role(c.path, c.Method); c.who.role < need {
		return nil, c.who.lacks(need)
	}
	return route, nil
}

// resolve finds the route of a path that is relative to the active path of the
// client session. The room of the client sessions resolves it once more, since
// the active path may have vanished.
func (g *Gateway) resolve(w http.ResponseWriter, c *call) (*route, *failure) {
	if c.lease == nil {
		return nil, g.explain(c, clients.ErrForceSessions)
	}
	u, err := clients.Resolve(c.session.ActivePath, c.Method, c.URL)
	if err != nil {
		w.Header().Set("Allow", strings.ReplaceAll(reads, " ", ", ")) // of the root
		return nil, g.explain(c, err)
	}
	var bad *failure
	if c.path, bad = canonicalPath(u); bad != nil {
		return nil, bad
	}
	if !ofILO(c.path) {
		return nil, missing(c.URL.Path)
	}
	route, bad := g.judge(w, c, nil)
	if bad == nil && route.handle != nil {
		c.Request = c.WithContext(c.Context())
		c.URL = u
	}
	return route, bad
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
	pace   pace
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// ReadFrom lets the server's own buffers do the copying.
func (w *statusWriter) ReadFrom(r io.Reader) (int64, error) { return io.Copy(w.ResponseWriter, r) }

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
