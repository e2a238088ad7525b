package chif

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	maxRedirects = 5 // hops, as HPE's client (chif-protocol §4.3)
	maxRetries   = 3 // further attempts at a request (chif-protocol §4.4)
	retryPause   = time.Second
	// cleanupTimeout bounds the deletion of a blob that a failed request left.
	cleanupTimeout = 5 * time.Second
)

// TransportOptions are the settings of a Transport; the zero value is good.
type TransportOptions struct {
	// MaxChannels is how many channels may be open at once, at most 4; default
	// 2. The host has 16 by default and shares them with HPE's own agents.
	MaxChannels int
	// IdleTimeout is how long an unused channel stays open; default 60 s.
	IdleTimeout time.Duration
	// BusyTimeout is how long to wait for a channel while all are taken; default
	// 30 s. After an iLO reset it is at least 120 s.
	BusyTimeout time.Duration
	// IgnoreSecurityState tries REST even in security states in which the iLO is
	// documented to refuse it.
	IgnoreSecurityState bool
	// OnReset is called once for each reset of the iLO that shows on a channel.
	// It must not call the Transport.
	OnReset func()
}

// Transport is an http.RoundTripper that carries requests to the local iLO over
// a small pool of CHIF channels. It is safe for concurrent use.
//
// Scheme, host and user of a request's URL are ignored: there is one iLO. A
// redirection is followed here, by its path, because its host means nothing in
// band. gzip is undone unless the request has an Accept-Encoding of its own.
//
// What is certain not to have reached the iLO is tried again; so are GET and
// HEAD whose answer was lost. Any other method whose answer was lost fails with
// ErrOutcomeUnknown and is never sent twice.
type Transport struct {
	pool *pool

	mu      sync.Mutex
	closed  bool
	cleanup sync.WaitGroup // deletions of blobs; Add only while not closed
}

// NewTransport returns a Transport on a device. It opens nothing yet. It fails
// with ErrInvalidRequest if MaxChannels is below 0 or over 4.
func NewTransport(d Device, o TransportOptions) (*Transport, error) {
	if o.MaxChannels == 0 {
		o.MaxChannels = 2
	}
	if o.MaxChannels < 0 || o.MaxChannels > 4 {
		return nil, fmt.Errorf("%w: MaxChannels is %d, not 1 to 4", ErrInvalidRequest, o.MaxChannels)
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = 60 * time.Second
	}
	if o.BusyTimeout <= 0 {
		o.BusyTimeout = 30 * time.Second
	}
	return &Transport{pool: newPool(d, o)}, nil
}

// Close ends what is in flight, with ErrClosed, closes all channels and waits
// until nothing of the Transport runs any more.
func (t *Transport) Close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.cleanup.Wait()
	t.pool.close()
	return nil
}

// CloseIdleConnections closes the channels that no request uses;
// http.Client.CloseIdleConnections calls it.
func (t *Transport) CloseIdleConnections() { t.pool.closeIdle() }

// Connect waits until a channel is open, as a request would, and leaves it to
// the next request. A request that must not be abandoned once it was sent can so
// have its waiting abandoned.
func (t *Transport) Connect(ctx context.Context) error {
	l, err := t.pool.get(ctx)
	if err == nil {
		t.pool.put(l)
	}
	return err
}

// Status asks the iLO for its SMIF status.
func (t *Transport) Status(ctx context.Context) (Status, error) {
	for attempt := 0; ; attempt++ {
		l, err := t.pool.get(ctx)
		if err != nil {
			return Status{}, err
		}
		s, err := l.Status(ctx)
		t.pool.put(l)
		if err == nil || !errors.Is(err, ErrReset) || attempt == maxRetries {
			return s, err
		}
	}
}

// RoundTrip carries one request to the iLO and reads its whole answer. Errors
// match the sentinels of this package; an HTTP status, whatever it is, is not
// an error.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	m, err := newMessage(r)
	if err != nil {
		return nil, err
	}
	for range maxRedirects + 1 {
		resp, err := t.deliver(r.Context(), m)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", m.method, m.path, err)
		}
		path, again := redirect(resp)
		if !again {
			resp.Request = r
			return resp, nil
		}
		m.path = path
	}
	return nil, fmt.Errorf("%s %s: %w: more than %d redirections", m.method, m.path, ErrProtocol, maxRedirects)
}

// deliver attempts m until it has an answer, or an error that another attempt
// would not mend or must not follow.
func (t *Transport) deliver(ctx context.Context, m *message) (*http.Response, error) {
	pause := retryPause
	for attempt := 0; ; attempt++ {
		resp, err := t.attempt(ctx, m)
		if err == nil {
			return resp, nil
		}
		if !m.idempotent() && !errors.Is(err, ErrNotSent) {
			return nil, fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
		}
		if ctx.Err() != nil || attempt == maxRetries || !m.mayRetry(err) {
			return nil, err
		}
		if errors.Is(err, ErrReset) { // opening the next channel waits for the iLO
			continue
		}
		if sleepErr := sleep(ctx, pause); sleepErr != nil {
			return nil, fmt.Errorf("%w; %w", err, sleepErr)
		}
		pause *= 2
	}
}

// mayRetry tells whether another attempt could mend err. For a damaged body it
// asks, once, for the next one without gzip.
func (m *message) mayRetry(err error) bool {
	var code Code
	switch {
	case errors.Is(err, errBadGzip), errors.Is(err, errTruncated):
		again := m.header.Get("Accept-Encoding") == "gzip" && m.gunzip
		m.header.Set("Accept-Encoding", "identity")
		return again
	case errors.As(err, &code):
		// A blob that vanished between REST and READ is made again by the next REST.
		return code.transient() || code == CodeNotFound
	case errors.Is(err, errEmptyAnswer):
		return true
	case errors.Is(err, ErrReset), errors.Is(err, ErrTimeout):
		return true
	}
	return false
}

// attempt sends m once and fetches its answer.
func (t *Transport) attempt(ctx context.Context, m *message) (*http.Response, error) {
	l, err := t.pool.get(ctx)
	if err != nil {
		return nil, notSent(err)
	}
	request, rsp := m.bytes(), newBlobName()
	a, left, err := l.send(ctx, request, rsp)
	var resp *http.Response
	switch {
	case errors.Is(err, ErrRefused):
		err = notSent(refusal(l.status, err))
	case errors.Is(err, ErrNotSent):
	case err != nil:
		left = append(left, rsp)
	case a.inBlob:
		resp, err = l.fetch(ctx, m, rsp)
		for tries := 0; err != nil && l.dead != nil && tries < maxRetries && ctx.Err() == nil; tries++ {
			// The answer still lies in the iLO: another channel can fetch it.
			t.pool.put(l)
			if l, err = t.pool.get(ctx); err != nil {
				return nil, err // nobody serves the deletion of rsp either
			}
			resp, err = l.fetch(ctx, m, rsp)
		}
		left = append(left, l.discard(ctx, rsp)...)
	default:
		resp, err = m.parseAnswer(a.inline)
	}
	t.discardLater(left, l.dead)
	t.pool.put(l)
	return resp, err
}

// send hands an HTTP request to the iLO, inside a packet or, if it is too large
// for that, by blob.
func (c *Conn) send(ctx context.Context, request []byte, rsp blobName) (a restAnswer, left []blobName, err error) {
	if len(request) <= maxImmediate {
		a, err = c.restImmediate(ctx, request, rsp)
		return a, nil, err
	}
	return c.restBlob(ctx, request, rsp)
}

// fetch reads the answer that the iLO left under rsp.
func (c *Conn) fetch(ctx context.Context, m *message, rsp blobName) (*http.Response, error) {
	raw, err := c.readBlob(ctx, rsp, nil)
	if err != nil {
		return nil, err
	}
	resp, err := m.parseAnswer(raw)
	if errors.Is(err, errTruncated) { // INFO may have been asked too early (chif-protocol §7 row 21)
		if raw, err = c.readBlob(ctx, rsp, raw); err == nil {
			resp, err = m.parseAnswer(raw)
		}
	}
	return resp, err
}

// refusal explains an answer of 0xFFFF to a REST packet (chif-protocol §5.3).
func refusal(s Status, err error) error {
	if s.securityAware() && s.SecurityState == SecurityHigh {
		return fmt.Errorf("%w: security state %s: %w", ErrCredentialsRequired, s.SecurityState, err)
	}
	return fmt.Errorf("%w (security state %s; host authentication required, a high security state, or an iLO without REST over CHIF)",
		err, s.SecurityState)
}

// discardLater deletes blobs that a broken channel left in the iLO, on another
// channel and without making the caller wait. After a reset there is nothing to
// delete.
func (t *Transport) discardLater(names []blobName, cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(names) == 0 || t.closed || errors.Is(cause, ErrReset) {
		return
	}
	t.cleanup.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		l, err := t.pool.get(ctx)
		if err != nil {
			return
		}
		for _, name := range names {
			l.discard(ctx, name)
		}
		t.pool.put(l)
	})
}
