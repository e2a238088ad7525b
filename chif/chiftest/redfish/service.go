package redfish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

// maxBody bounds a request body, in bytes.
const maxBody = 64 << 20

// Service is a simulated Redfish service. All methods may be called
// concurrently.
type Service struct {
	o        Options
	messages messages

	mu              sync.Mutex
	clock           clock
	resources       map[string]*resource
	order           []*resource
	directory       directory
	settings        map[string]*settings
	table           table
	accounts        []Account
	requireHostAuth bool
	failedLogins    int // since the last that succeeded
	reads           int // counts GETs for readings that change
	faults          Faults
	stats           Stats
	onReset         func()
}

// New makes a service. An error says which option cannot be.
func New(o Options) (*Service, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	s := &Service{
		o:               o,
		messages:        messagesOf(o.Tree, o.Generation),
		clock:           clock{source: o.Clock, start: o.Clock(), offset: o.ClockOffset, drift: o.ClockDrift},
		accounts:        append([]Account(nil), o.Accounts...),
		requireHostAuth: o.RequireHostAuthentication,
		stats:           Stats{Requests: make(map[string]int)},
	}
	if err := s.index(); err != nil {
		return nil, err
	}
	if err := s.reflectOptions(); err != nil {
		return nil, err
	}
	if err := s.seed(o.Foreign); err != nil {
		return nil, err
	}
	return s, nil
}

// Reset is a reset of the iLO: all sessions are gone, without being counted as
// left or deleted, and the clock jumps if Options.ResetClock says so.
func (s *Service) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table.live = nil
	s.failedLogins = 0
	if !s.o.ResetClock.IsZero() {
		s.clock.set(s.o.ResetClock)
	}
}

// OnReset sets what happens when a client POSTs Manager.Reset: f is called
// once the answer has been handed to the http.ResponseWriter, on the request's
// goroutine, and must not wait for that request to end. Without one, Reset is
// called.
func (s *Service) OnReset(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onReset = f
}

// request is one HTTP request with what was found out about it.
type request struct {
	*http.Request
	path      string // as sent, without query
	key       string // tree.Key of it, aliases resolved
	body      []byte
	session   *session // nil: root, Basic authentication, or no session needed
	readOnly  bool     // only the privilege to log in
	anonymous bool     // the root, or a document, without a session
}

func (q *request) reads() bool { return q.Method == http.MethodGet || q.Method == http.MethodHead }

// reply is one HTTP answer.
type reply struct {
	status int
	header http.Header
	body   []byte
	after  func() // called when the answer has been written
}

// ServeHTTP answers as an iLO does. A request target that is no path, such as
// "https://ilo/redfish/v1/" or "ilo/redfish/v1/", is recognised by
// r.RequestURI.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := &request{Request: r, path: r.URL.EscapedPath()}
	if r.RequestURI != "" {
		q.path, _, _ = strings.Cut(r.RequestURI, "?")
	}
	q.key = tree.Key(q.path)
	if rest, ok := strings.CutPrefix(q.key, "/redfish/v1/sessions"); ok && (rest == "" || rest[0] == '/') {
		q.key = sessionsKey + rest
	}
	if r.Body != nil {
		var err error
		if q.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
			status := http.StatusBadRequest
			if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
				status = http.StatusRequestEntityTooLarge
			}
			s.write(w, q, &reply{status: status})
			return
		}
	}
	answer, delay := s.count(q)
	if q.isLogin() {
		delay += s.loginDelay()
	}
	if wait(r.Context(), delay) != nil {
		answer = &reply{status: http.StatusServiceUnavailable} // nobody waits for it any more
	}
	if answer == nil {
		s.mu.Lock()
		answer = s.answer(q)
		s.mu.Unlock()
	}
	s.write(w, q, answer)
	if answer.after != nil {
		answer.after()
	}
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answer finds the answer; s.mu is held.
func (s *Service) answer(q *request) *reply {
	if !strings.HasPrefix(q.path, "/") {
		return notAllowed("GET")
	}
	if q.isLogin() {
		if r := s.redirect(q); r != nil && q.key == sessionsKey {
			return r
		}
		return s.login(q)
	}
	if r := s.redirect(q); r != nil {
		return r
	}
	if r := s.authenticate(q); r != nil {
		return r
	}
	if r := s.broken(q); r != nil {
		return r
	}
	frozen := s.o.Frozen && q.reads() && s.resources[q.key] != nil
	switch {
	case !frozen && (q.key == sessionsKey || strings.HasPrefix(q.key, sessionsKey+"/")):
		return s.serveSessions(q)
	case q.Method == http.MethodPost && strings.Contains(q.key, "/actions/"):
		return s.act(q)
	}
	x := s.resources[q.key]
	if r := s.serveDocument(q); x == nil && r != nil {
		return r
	}
	if x == nil || s.o.CaseSensitive && !sameSpelling(q.path, x.uri) {
		return s.missing(q)
	}
	if q.reads() {
		return s.serveResource(q)
	}
	if !x.allows(q.Method) {
		return notAllowed(x.methods...)
	}
	if q.readOnly {
		return s.message(http.StatusForbidden, "InsufficientPrivilege")
	}
	if r := s.precondition(q, x.etag); r != nil {
		return r
	}
	switch q.Method {
	case http.MethodPatch, http.MethodPut:
		return s.patch(q, x)
	case http.MethodPost:
		return s.create(q, x)
	case http.MethodDelete:
		return s.delete(q, x)
	}
	return notAllowed(x.methods...)
}

func (s *Service) missing(q *request) *reply {
	return s.message(http.StatusNotFound, "ResourceMissingAtURI", q.path)
}

func (s *Service) write(w http.ResponseWriter, q *request, r *reply) {
	h := w.Header()
	for name, values := range r.header {
		h[name] = values
	}
	h["X_HP-CHRP-Service-Version"] = []string{s.o.ServiceVersion}
	h["Cache-Control"] = []string{"no-cache"}
	h["Date"] = []string{httpDate(s.Now())}
	h["Odata-Version"] = []string{"4.0"}
	h["X-Frame-Options"] = []string{"sameorigin"}
	if _, ok := h["Content-Type"]; !ok && len(r.body) > 0 {
		h["Content-Type"] = []string{"application/json; charset=utf-8"}
	}
	w.WriteHeader(r.status)
	if q.Method != http.MethodHead && len(r.body) > 0 {
		// The client has gone if this fails, and nobody is left to be told.
		_, _ = w.Write(r.body)
	}
}

// reflectOptions shows in the tree what options set, and reads from it what
// they leave open.
func (s *Service) reflectOptions() error {
	s.table.idleTimeout = s.o.IdleTimeout
	if s.o.IdleTimeout == 0 {
		s.table.idleTimeout = s.treeIdleTimeout()
	} else if err := s.showIdleTimeout(); err != nil {
		return fmt.Errorf("option IdleTimeout: %w", err)
	}
	if s.o.RequireHostAuthentication {
		return s.setProperty(managerKey, true, "Oem", "Hpe", "RequireHostAuthentication")
	}
	return nil
}
