// Package gateway serves Redfish to the tools of this host: an http.Handler in
// front of the rooms of package agent that knows who asks and what that one may
// do, hands requests for the iLO on, and answers for itself what the iLO never
// sees: client sessions, refusals, errors, and the agent's own resources under
// /ilod/v1/.
//
// What the gateway answers itself follows the protocol clauses of the Redfish
// specification (DSP0266); what the iLO answers passes unchanged, except that
// its token never leaves.
package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// Options are what a Gateway is made of. Only Next is needed.
type Options struct {
	// Next is the way to the iLO. Its requests have the URL https://ilo/…, no
	// credentials, a body of known length that GetBody gives again, and a
	// context with class and peer for package schedule.
	Next http.RoundTripper
	// Roles say what the users of the Unix socket may do. Root is always an
	// admin; with the zero value nobody else gets in.
	Roles Roles
	// Accounts may log in on a connection without a Peer, which is the TLS
	// listener. Without any, such connections are refused whatever they ask.
	Accounts []Account
	// Hosts are names for that listener in the Host header, in addition to
	// localhost and the loopback addresses.
	Hosts []string
	// Problem explains errors of Next and of the functions below that come from
	// rooms which the gateway does not know, such as those of package chif. Nil,
	// or Unknown, leaves them to the gateway.
	Problem func(error) Problem

	// The agent's own resources. One that is nil does not exist.

	// Status returns what GET /ilod/v1/status shows; it must encode as a JSON
	// object.
	Status func(context.Context) any
	// Metrics returns what GET /ilod/v1/metrics shows beside the gateway's own.
	Metrics func() []Metric
	// Cache is behind /ilod/v1/cache.
	Cache *Cache
	// ILOSessions is behind /ilod/v1/ilo-sessions.
	ILOSessions ILOSessions

	// MaxClientSessions bounds the client sessions; 4096 when 0.
	MaxClientSessions int
	// ClientSessionTimeout is how long an unused client session lives; 30 min
	// when 0.
	ClientSessionTimeout time.Duration

	Log    logrus.FieldLogger // nil discards
	Now    func() time.Time   // nil: time.Now
	Random io.Reader          // of tokens and session ids; nil: crypto/rand
	// LookupGroup finds the id of a group; nil asks the system's files.
	LookupGroup func(name string) (gid uint32, err error)
}

// Gateway is the http.Handler. It is safe for concurrent use, owns no goroutine
// and needs no closing.
type Gateway struct {
	next     http.RoundTripper
	roles    *roles
	accounts []account
	hosts    map[string]bool
	o        Options
	sessions *clientSessions
	log      logrus.FieldLogger

	bodies  atomic.Int64 // bytes of request bodies in memory
	warming sync.Mutex   // held while the cache is warmed
	counts  counters
}

// New returns a Gateway. It fails if the options make no sense: a group that
// does not exist, an account that is incomplete or whose password is short.
func New(o Options) (*Gateway, error) {
	if o.Next == nil {
		return nil, errors.New("gateway: no way to the iLO")
	}
	if o.Log == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		o.Log = silent
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.LookupGroup == nil {
		o.LookupGroup = lookupGroup
	}
	if o.MaxClientSessions <= 0 {
		o.MaxClientSessions = 4096
	}
	if o.ClientSessionTimeout <= 0 {
		o.ClientSessionTimeout = 30 * time.Minute
	}
	roles, err := o.Roles.compile(o.LookupGroup)
	if err != nil {
		return nil, err
	}
	accounts, err := compileAccounts(o.Accounts)
	if err != nil {
		return nil, err
	}
	o.Accounts = nil // only hashes of the passwords are kept
	g := &Gateway{
		next: o.Next, roles: roles, accounts: accounts, o: o, log: o.Log,
		hosts:    map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true},
		sessions: newClientSessions(o.Now, o.Random, o.MaxClientSessions, o.ClientSessionTimeout),
	}
	for _, host := range o.Hosts {
		g.hosts[strings.ToLower(host)] = true
	}
	return g, nil
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
	who  caller
	path string // canonical, see canonicalPath
}

// ServeHTTP answers one request. Nothing goes to Next unless the caller is known
// and its role suffices.
func (g *Gateway) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w := &statusWriter{ResponseWriter: rw}
	g.counts.inFlight.Add(1)
	defer func() {
		g.counts.inFlight.Add(-1)
		g.counts.count(r.Method, w.status)
	}()
	if r.ContentLength != 0 {
		// What is not read here the server reads, and that must end too.
		_ = http.NewResponseController(rw).SetReadDeadline(time.Now().Add(bodyTimeout))
	}
	c := &call{Request: r}
	f := excessive(w, c)
	if f == nil {
		f = g.admit(w, c)
	}
	if f != nil {
		g.log.WithFields(logrus.Fields{"method": r.Method, "path": r.URL.Path, "peer": c.who.name, "status": f.status}).Debug("refused")
		g.fail(w, c, f)
	}
}

// admit decides about a request and, unless it refuses, has it handled.
func (g *Gateway) admit(w *statusWriter, c *call) *failure {
	if !knownMethods[c.Method] {
		return &failure{status: http.StatusNotImplemented, key: "OperationNotAllowed", text: "The method is not implemented."}
	}
	var bad *failure
	if c.path, bad = canonicalPath(c.URL); bad != nil {
		return bad
	}
	valid := g.identify(c)
	if bad := g.checkHeaders(c); bad != nil {
		return bad
	}
	route, exists := find(c.path, c.Method)
	switch {
	case !valid && (route == nil || !route.login()):
		return noValidSession()
	case !c.who.known && (route == nil || route.need > Anyone || len(g.accounts) == 0):
		return noValidSession()
	case c.who.known && c.who.role == Anyone:
		return insufficientPrivilege()
	case !exists:
		return missing(c.URL.Path)
	case route == nil:
		w.Header().Set("Allow", allowed(c.path))
		return &failure{status: http.StatusMethodNotAllowed, key: "OperationNotAllowed"}
	case c.who.role < route.need:
		return insufficientPrivilege()
	}
	if route.handle == nil {
		return g.proxy(w, c)
	}
	if version := c.Header.Get("OData-Version"); version != "" && version != "4.0" {
		return &failure{status: http.StatusPreconditionFailed, key: "HeaderInvalid", args: []string{"OData-Version"}}
	}
	w.Header().Set("Allow", allowed(c.path))
	return route.handle(g, w, c)
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// ReadFrom lets the server's own buffers do the copying.
func (w *statusWriter) ReadFrom(r io.Reader) (int64, error) { return io.Copy(w.ResponseWriter, r) }

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
