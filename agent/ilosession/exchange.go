package ilosession

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/redfisherror"
)

// internal is the Keeper's own way into the session, which does not count as
// use of it.
type internal struct{ k *Keeper }

func (i internal) RoundTrip(req *http.Request) (*http.Response, error) {
	return i.k.inTurn(req, func(r *http.Request) (*http.Response, error) { return i.k.exchange(r, false) })
}

// lent is the Keeper's own way into one session, which neither counts as use of it
// nor starts another when the iLO has ended it.
type lent struct {
	k *Keeper
	h *held
}

func (l lent) RoundTrip(req *http.Request) (*http.Response, error) { return l.k.inTurn(req, l.send) }

func (l lent) send(req *http.Request) (*http.Response, error) {
	l.k.mu.Lock()
	if l.k.current != l.h {
		l.k.mu.Unlock()
		closeBody(req)
		return nil, ErrNoLogin
	}
	l.h.users++
	l.k.mu.Unlock()
	resp, err := l.h.session.RoundTrip(req)
	refused := err == nil && resp.StatusCode == http.StatusUnauthorized
	l.k.release(l.h, false, err == nil && !refused)
	if refused {
		if dead, asked := l.k.isDead(req.Context(), l.h); asked == nil && dead {
			l.k.discard(l.h)
		}
	}
	return resp, err
}

// exchange sends a request in the session, and again if the session proves to be
// dead. use tells that somebody uses the session by it.
func (k *Keeper) exchange(req *http.Request, use bool) (*http.Response, error) {
	if k.needsNoSession(req) {
		return k.o.Next.RoundTrip(req)
	}
	send, again, err := replayable(req)
	if err != nil {
		return nil, err
	}
	for replays := 0; ; replays++ {
		h, err := k.acquire(req.Context(), use)
		if err != nil {
			closeBody(send)
			return nil, fmt.Errorf("%w: %w", ErrNoLogin, err)
		}
		resp, err := h.session.RoundTrip(send)
		refused := err == nil && resp.StatusCode == http.StatusUnauthorized
		k.release(h, use, err == nil && !refused)
		if !refused {
			return resp, err
		}
		dead, err := k.isDead(req.Context(), h)
		if err == nil && !dead && (replays > 0 || again == nil) {
			return resp, nil
		}
		_ = resp.Body.Close()
		if err != nil { // the caller must not take the 401 for his own
			return nil, fmt.Errorf("whether the iLO has ended the session: %w", err)
		}
		if dead {
			k.discard(h)
		}
		if again == nil {
			return nil, fmt.Errorf("%w: it had ended before this request, which was not executed and may be sent again", ErrNoLogin)
		}
		if replays == maxReplays {
			return nil, fmt.Errorf("%w: it has ended %d of them during one request", ErrNoLogin, replays+1)
		}
		send = again()
		k.mu.Lock()
		k.counts.Replays++
		k.mu.Unlock()
	}
}

// needsNoSession reports a request for the service root while there is no session.
func (k *Keeper) needsNoSession(req *http.Request) bool {
	if req.Method != http.MethodGet && req.Method != http.MethodHead || req.URL.RawQuery != "" {
		return false
	}
	if req.URL.Path != root && req.URL.Path+"/" != root {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current == nil
}

// replayable returns the request to send, and a function that makes it once
// more, nil if its body is too large for that.
func replayable(req *http.Request) (send *http.Request, again func() *http.Request, err error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, func() *http.Request { return req }, nil
	}
	head, err := io.ReadAll(io.LimitReader(req.Body, maxReplay+1))
	if err != nil {
		closeBody(req)
		return nil, nil, fmt.Errorf("read the request body: %w", err)
	}
	with := func(body io.ReadCloser) *http.Request {
		r := req.Clone(req.Context())
		r.Body = body
		return r
	}
	if len(head) > maxReplay {
		return with(struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(head), req.Body), req.Body}), nil, nil
	}
	closeBody(req)
	again = func() *http.Request { return with(io.NopCloser(bytes.NewReader(head))) }
	return again(), again, nil
}

// isDead asks the iLO whether it still knows the session: a 401 may also be about
// one resource alone.
func (k *Keeper) isDead(ctx context.Context, h *held) (bool, error) {
	select {
	case h.checking <- struct{}{}:
		defer func() { <-h.checking }()
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	if h.dead {
		return true, nil
	}
	var list sessionCollection
	_, err := getJSON(ctx, h.session, collection, &list)
	if e, answered := errors.AsType[*redfisherror.Error](err); answered && e.Status < 500 {
		h.dead = e.Status == http.StatusUnauthorized
		return h.dead, nil
	}
	return false, err
}

// discard stops using a session that the iLO has ended: it answers 401 to its
// token (ILO.md §4).
func (k *Keeper) discard(h *held) {
	k.mu.Lock()
	current := k.current == h
	forgotten := current && !h.worked
	if current {
		k.current = nil
	}
	if forgotten { // or it would be one login after the other
		k.refuse(nil, errForgotten)
	}
	k.mu.Unlock()
	if current {
		if forgotten {
			k.log.WithError(errForgotten).Warn("login to the iLO")
		}
		k.tell(context.Background(), api.SessionTerminated, h.session.path, "the iLO has ended it")
		k.forget(h.entry.Nonce)
		k.o.OnLost("the iLO has ended the session")
	}
}
