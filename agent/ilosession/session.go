package ilosession

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ilod/ilod/agent/pause"
	"github.com/ilod/ilod/agent/redfisherror"
)

// ErrClosed: the session was used after Close.
var ErrClosed = errors.New("the iLO session is closed")

const (
	// logoutTimeout bounds a log-out; within it up to logoutTries attempts are
	// made, logoutPause apart.
	logoutTimeout = 20 * time.Second
	logoutTries   = 3
	logoutPause   = 500 * time.Millisecond
)

// tokenHeader carries the session's token in both directions.
const tokenHeader = "X-Auth-Token"

// Session is a session on an iLO and an http.RoundTripper whose requests run
// in it. It is safe for concurrent use.
type Session struct {
	rt   http.RoundTripper
	path string
	// authorize adds the token to a request. The token lives in this closure
	// alone, where no verb of fmt, no encoder and no reflection reaches it.
	authorize func(http.Header)
	shown     sessionResource // in the answer to the login; empty from older firmware

	closed  atomic.Bool
	closing sync.Mutex // held while deleting
	deleted bool       // guarded by closing
}

// authorizer returns a function that adds the token to a request.
func authorizer(token string) func(http.Header) {
	return func(h http.Header) { h.Set(tokenHeader, token) }
}

// Path is the path of the session on the iLO, escaped.
func (s *Session) Path() string { return s.path }

// String names the session by its path; the token is in no printed form.
func (s *Session) String() string { return "iLO session " + s.path }

// RoundTrip adds the session's token to a copy of the request and nothing
// else. The token is in no answer, even if the iLO shows the request in it. After Close
// it returns ErrClosed.
func (s *Session) RoundTrip(req *http.Request) (*http.Response, error) {
	if s.closed.Load() {
		closeBody(req)
		return nil, ErrClosed
	}
	req = req.Clone(req.Context())
	if req.Header == nil {
		req.Header = http.Header{}
	}
	s.authorize(req.Header)
	resp, err := s.rt.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if err := s.hide(req, resp); err != nil {
		return nil, err
	}
	return resp, nil
}

// Close deletes the session. It does so even if ctx has ended, in a time of its
// own of at most 20 s, and tries again when the channel or the iLO fails. A
// session that the iLO no longer knows counts as deleted (ILO.md §4).
//
// Whatever Close returns, the session refuses further use; after an error the
// iLO may still hold it, and Close may be called again.
func (s *Session) Close(ctx context.Context) error {
	s.closed.Store(true)
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.deleted {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logoutTimeout)
	defer cancel()
	var err error
	for try := range logoutTries {
		if try > 0 && !pause.For(ctx, logoutPause) {
			break
		}
		var again bool
		if again, err = s.delete(ctx); err == nil {
			s.deleted = true
			return nil
		} else if !again {
			break
		}
	}
	return fmt.Errorf("log out: %w", err)
}

// delete makes one attempt; again reports whether another one may help.
func (s *Session) delete(ctx context.Context) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, "http://ilo"+s.path, nil)
	if err != nil {
		return false, err
	}
	s.authorize(req.Header)
	resp, err := s.rt.RoundTrip(req)
	if err != nil {
		return true, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent, http.StatusNotFound, http.StatusUnauthorized:
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
		return false, nil
	}
	return resp.StatusCode >= 500, redfisherror.FromResponse(resp)
}
