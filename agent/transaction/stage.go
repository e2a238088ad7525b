package transaction

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/equal"
	"github.com/ilod/ilod/agent/freshness"
	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/agent/schema"
)

// header is that of a write which is not to wait for the commit:
// "Ilod-Transaction: immediate".
const (
	header    = "Ilod-Transaction"
	immediate = "immediate"
)

type sessionKey struct{}

// WithSession has the requests of a context belong to a client session.
func WithSession(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, sessionKey{}, id)
}

// write is one that is staged.
type write struct {
	api.Staged
	header http.Header
	body   []byte
	change map[string]any // body
	base   *resource      // the resource when it was staged
	owner  string         // path of the resource whose settings that is
}

// RoundTrip stages a write of a client session with an open transaction: the
// answer is 202, or the iLO's own that there is no such resource. Everything
// else is passed on, and so are writes to sessions and those whose header
// Ilod-Transaction is "immediate".
//
// Besides those of Next, errors are ErrAction, *ViolationError, ErrStale (If-Match
// or If-None-Match does not hold), ErrLarge, ErrCommitting, ErrExpired, ErrLost and ErrHeld.
func (m *Manager) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, "":
		return m.o.Next.RoundTrip(r)
	}
	how, given := r.Header[header]
	if given {
		r = r.Clone(r.Context())
		delete(r.Header, header)
	}
	session, _ := r.Context().Value(sessionKey{}).(string)
	if given && !slices.Equal(how, []string{immediate}) {
		closeBody(r)
		m.Spoil(r.Context(), session, r.Method, r.URL.RequestURI(), header+" can only be "+immediate)
		return nil, &ViolationError{[]Violation{{Key: "HeaderInvalid", Args: []string{header}, Text: header + " can only be " + immediate}}}
	}
	key := ilopath.Canonical(r.URL.EscapedPath())
	if apart(key) {
		return m.o.Next.RoundTrip(r)
	}
	if given || session == "" {
		return m.direct(r, key)
	}
	t, err := m.find(session)
	switch {
	case err != nil:
		closeBody(r)
		return nil, err
	case t == nil:
		return m.direct(r, key)
	}
	defer closeBody(r)
	if err := m.enter(r.Context(), t); err != nil {
		return nil, err
	}
	defer t.leave()
	return m.stage(r, t, key)
}

// apart are paths whose writes take no part in transactions.
func apart(key string) bool {
	return ilopath.Within(key, "/redfish/v1/sessionservice/sessions") || ilopath.Within(key, "/redfish/v1/sessions")
}

// heldFor is how long a write waits for a commit that is about its resource.
const heldFor = 30 * time.Second

// direct sends a write at once, but not into the middle of a commit that is about
// the same resource. An action has a path of its own, and waits for nothing.
func (m *Manager) direct(r *http.Request, key string) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), heldFor)
	release, err := m.locks.take(ctx, true, key)
	cancel()
	if err != nil {
		closeBody(r)
		return nil, fmt.Errorf("%w: %w", ErrHeld, err)
	}
	defer release()
	return m.o.Next.RoundTrip(r)
}

// Spoil marks the open transaction of a client session as errant, if it has one: a
// write that would have been part of it was refused before it came here. A commit
// must not apply the rest.
func (m *Manager) Spoil(ctx context.Context, session, method, uri, why string) {
	if apart(ilopath.Canonical(uri)) {
		return
	}
	t, err := m.find(session)
	if err != nil || t == nil || m.enter(ctx, t) != nil {
		return
	}
	defer t.leave()
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.used = m.o.Now(); t.errant {
		return
	}
	t.errant = true
	t.add(&write{Staged: api.Staged{Number: len(t.writes) + 1, Method: method, Path: uri, Error: why}})
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// setBody gives a request a body.
func setBody(r *http.Request, body []byte) {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
}

// add keeps a write, of the refused ones only as many as there may be writes; the
// caller holds mu.
func (t *transaction) add(w *write) {
	if len(t.writes) < maxWrites+1 {
		t.writes = append(t.writes, w)
		t.weight += w.weight()
	}
}

// stage adds a write to a transaction. One that is refused stays in it as the
// reason why it is errant.
func (m *Manager) stage(r *http.Request, t *transaction, key string) (*http.Response, error) {
	w := &write{
		Staged: api.Staged{Number: len(t.writes) + 1, Method: r.Method, Path: r.URL.RequestURI()},
		header: http.Header{"Accept": {"application/json"}, "Odata-Version": {"4.0"}},
	}
	refusal, err := m.prepare(r, t, key, w)
	switch {
	case err != nil:
		w.Error = err.Error()
	case refusal != nil:
		w.Error = "the iLO answers " + refusal.Status
	}
	m.mu.Lock()
	t.used = m.o.Now()
	if w.Error != "" {
		t.errant = true
		w.body, w.change, w.Body = nil, nil, nil
	}
	t.add(w)
	m.mu.Unlock()
	if err != nil || refusal != nil {
		return refusal, err
	}
	answer := encode(api.Receipt{Staged: w.Number, Transaction: "/ilod/v1/transaction"})
	return &http.Response{
		Status: "202 Accepted", StatusCode: http.StatusAccepted, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Odata-Version": {"4.0"}},
		Body:   io.NopCloser(bytes.NewReader(answer)), ContentLength: int64(len(answer)),
	}, nil
}

// prepare checks a write. A refusal is the iLO's answer to the question what
// there is to be changed.
func (m *Manager) prepare(r *http.Request, t *transaction, key string, w *write) (refusal *http.Response, err error) {
	switch {
	case !slices.Contains([]string{http.MethodPatch, http.MethodPut, http.MethodPost, http.MethodDelete}, r.Method):
		return nil, invalid("OperationNotAllowed", nil, "a transaction does not take the method "+r.Method)
	case r.Method == http.MethodPost && strings.Contains(key, "/actions/"):
		return nil, ErrAction
	case len(t.writes) >= maxWrites:
		return nil, fmt.Errorf("%w: the transaction holds %d writes: commit it, and stage the rest in another one", ErrLarge, maxWrites)
	}
	if err := w.readBody(r); err != nil {
		return nil, err
	}
	if err := m.room(t, w); err != nil {
		return nil, err
	}
	resp, err := m.target(r.Context(), t, w)
	if err != nil || resp != nil {
		return resp, err
	}
	if err := m.allowed(r.Context(), w); err != nil {
		return nil, err
	}
	if !holds(r.Header, w.base.etag) {
		return nil, ErrStale
	}
	if w.base.allow != nil && !w.base.allows(w.Method) {
		return nil, invalid("OperationNotAllowed", nil, w.Path+" does not take the method "+w.Method)
	}
	w.Undoable = w.step(nil, w.base, w.base.body).undoable()
	if err := m.reset(r.Context(), t, w); err != nil {
		return nil, err
	}
	return nil, m.check(r.Context(), w)
}

// holds tells whether the preconditions of a write to something that exists are
// true (RFC 9110 §13.1); an empty ETag is that of an iLO that gives none. An iLO
// knows no time of modification, so If-Unmodified-Since does not count.
func holds(h http.Header, etag string) bool {
	match, none := h["If-Match"], h["If-None-Match"]
	return (match == nil || freshness.IfMatch(match, etag)) && (none == nil || !freshness.IfMatch(none, etag))
}

func invalid(key string, args []string, text string) error {
	return &ViolationError{[]Violation{{Key: key, Args: args, Text: text}}}
}

// readBody takes over the body.
func (w *write) readBody(r *http.Request) error {
	if given := r.Header.Get("Content-Encoding"); given != "" && given != "identity" {
		return invalid("HeaderInvalid", []string{"Content-Encoding"}, "a write that is staged may not be compressed")
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxStaged+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the request: %w", err)
	case len(body) > maxStaged:
		return fmt.Errorf("%w: the body has more than %d KiB: leave out what stays as it is, make several writes of it, or send it at once with the header %s: %s", ErrLarge, maxStaged>>10, header, immediate)
	case w.Method == http.MethodDelete && len(body) == 0:
		return nil
	}
	change, bad := schema.ParseObject(body)
	if bad != nil {
		return &ViolationError{[]Violation{*bad}}
	}
	w.change = change
	w.body = body
	w.header["Content-Type"] = []string{"application/json"}
	if given := r.Header["Content-Type"]; given != nil {
		w.header["Content-Type"] = given
	}
	w.Body, _ = redact(w.change)
	return nil
}

// target finds the resource that a write will change: another than it names, if
// what is written to that one has to wait for a boot.
func (m *Manager) target(ctx context.Context, t *transaction, w *write) (refusal *http.Response, err error) {
	if w.base, refusal, err = m.base(ctx, t, w.Path); err != nil || refusal != nil {
		return refusal, err
	}
	if w.Method != http.MethodPatch && w.Method != http.MethodPut || w.base.allows(w.Method) {
		return nil, nil
	}
	if settings := w.base.settings(w.Path); settings != "" {
		w.Path, w.owner = settings, w.Path
		w.base, refusal, err = m.base(ctx, t, settings)
	}
	return refusal, err
}

// reset finds the resource whose settings a write is about, and whether the server
// has to be reset for it: not for what is in effect already.
func (m *Manager) reset(ctx context.Context, t *transaction, w *write) error {
	owner := cmp.Or(w.owner, t.ownerOf(ilopath.Canonical(w.Path)))
	if owner == "" {
		return nil
	}
	r, refusal, err := m.base(ctx, t, owner)
	if err != nil {
		return err
	}
	if refusal == nil && ilopath.Canonical(r.settings(owner)) == ilopath.Canonical(w.Path) {
		w.owner = owner
	}
	w.ResetRequired = w.owner == "" || w.change == nil || !equal.Asked(r.body, w.change)
	return nil
}

// ownerOf is the resource to which the settings at a canonical path belong, or
// empty: one that the transaction has read and that leads there, or else the one
// that the name gives. Nothing in the settings themselves leads back.
func (t *transaction) ownerOf(key string) string {
	for _, owner := range slices.Sorted(maps.Keys(t.bases)) {
		if s := t.bases[owner].settings(owner); s != "" && ilopath.Canonical(s) == key {
			return owner
		}
	}
	if owner, named := strings.CutSuffix(key, "/settings"); named {
		return owner
	}
	return ""
}

// base is a resource as it was when the first write to it was staged.
func (m *Manager) base(ctx context.Context, t *transaction, uri string) (*resource, *http.Response, error) {
	key := ilopath.Canonical(uri)
	if known := t.bases[key]; known != nil {
		return known, nil, nil
	}
	resp, body, err := m.get(ctx, uri)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body = io.NopCloser(bytes.NewReader(body))
		return nil, resp, nil
	}
	r, err := parse(uri, resp, body)
	if err == nil {
		t.bases[key] = r
		m.mu.Lock()
		t.weight += weight(r.body, 0)
		m.mu.Unlock()
	}
	return r, nil, err
}

// check asks whether schemas and registries allow a write. What cannot be
// checked is for the iLO to judge.
func (m *Manager) check(ctx context.Context, w *write) error {
	if m.o.Check == nil || w.body == nil {
		return nil
	}
	path, _, _ := strings.Cut(w.Path, "?")
	current, err := json.Marshal(w.base.body)
	if err != nil {
		return err
	}
	violations, err := m.o.Check(ctx, Write{Method: w.Method, Path: path, Body: w.body, Current: current})
	switch {
	case len(violations) > 0:
		return &ViolationError{violations}
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		m.o.Log.WithError(err).WithField("path", path).Warn("a write could not be checked before it was staged")
	}
	return nil
}
