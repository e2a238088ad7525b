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
	maxRedirects = 5 // hops, as HPE's client
	maxRetries   = 3 // further attempts at a request
	retryPause   = time.Second
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
// A request that was certainly not handed to the iLO is tried again where the
// iLO was reset, did not answer, or asks for it; so is a GET or HEAD whose answer
// was lost. Any other method is handed over once: where its answer was lost, or
// is a return code other than success, it fails with ErrOutcomeUnknown.
type Transport struct {
	pool *pool

	closeOnce sync.Once
	requests  sync.WaitGroup // Add only while not closed
	sweeper   sync.WaitGroup // likewise
	sweeps    context.Context
	endSweeps context.CancelFunc
	more      chan struct{} // wakes the sweeper

	mu        sync.Mutex
	closed    bool
	leftovers []leftover
	sweeping  bool // the sweeper runs
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
	t := &Transport{pool: newPool(d, o), more: make(chan struct{}, 1)}
	t.sweeps, t.endSweeps = context.WithCancel(context.Background())
	return t, nil
}

// Close ends what is in flight, with ErrClosed, gives the deletion of its blobs
// a fifth of a second, closes all channels and waits until nothing of the
// Transport runs any more.
func (t *Transport) Close() error {
	t.closeOnce.Do(func() {
		t.mu.Lock()
		t.closed = true
		t.mu.Unlock()
		t.pool.endRequests()
		t.requests.Wait()
		timer := time.AfterFunc(sweepPatience, t.endSweeps)
		t.sweeper.Wait()
		t.sweepDue(time.Now().Add(time.Hour)) // all of them
		timer.Stop()
		t.endSweeps()
		t.pool.close()
	})
	return nil
}

// begin registers a request that Close waits for; t.requests.Done must follow.
func (t *Transport) begin() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	t.requests.Add(1)
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
// match the sentinels of this package, and have a method Timeout; an HTTP status,
// whatever it is, is not an error.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	m, err := newMessage(r, t.pool.requests.Done())
	if err != nil {
		return nil, m.failed(unsent, err)
	}
	if err := t.begin(); err != nil {
		return nil, m.failed(unsent, err)
	}
	defer t.requests.Done()
	for range maxRedirects + 1 {
		resp, fate, err := t.deliver(r.Context(), m)
		if err != nil {
			return nil, m.failed(fate, err)
		}
		path, again := redirect(resp)
		if !again {
			resp.Request = r
			return resp, nil
		}
		m.path = path
	}
	// A redirection says that nothing was done.
	return nil, m.failed(unsent, fmt.Errorf("%w: more than %d redirections", ErrProtocol, maxRedirects))
}

// failed makes err that of the request.
func (m *message) failed(f fate, err error) error {
	return &requestError{method: m.method, path: m.path, fate: f, err: err}
}

// deliver attempts m until it has an answer, or an error that another attempt
// would not mend or must not follow. The fate is that of all attempts together.
func (t *Transport) deliver(ctx context.Context, m *message) (resp *http.Response, all fate, err error) {
	pause := retryPause
	for attempt := 0; ; attempt++ {
		var f fate
		resp, f, err = t.attempt(ctx, m)
		all = max(all, f)
		if err == nil {
			return resp, all, nil
		}
		if all == unknown && !idempotent(m.method) {
			return nil, all, err
		}
		again, plain := m.retry(err)
		if !again || attempt == maxRetries || ctx.Err() != nil {
			return nil, all, err
		}
		m.plain = plain
		if errors.Is(err, ErrReset) { // opening the next channel waits for the iLO
			continue
		}
		switch sleepErr := sleep(ctx, t.pool.requests.Done(), pause); {
		case errors.Is(sleepErr, ErrClosed):
			return nil, all, fmt.Errorf("%w: %v", ErrClosed, err)
		case sleepErr != nil:
			return nil, all, fmt.Errorf("%w; %w", err, ctx.Err())
		}
		pause *= 2
	}
}

// retry tells whether another attempt could mend err, and whether that is to ask
// for an answer without gzip, as is done once after a damaged body.
func (m *message) retry(err error) (again, plain bool) {
	var code Code
	switch {
	case errors.Is(err, errBadGzip), errors.Is(err, errTruncated):
		return m.gunzip && !m.plain, true
	case errors.As(err, &code):
		// A blob that vanished between REST and READ is made again by the next REST.
		again = code.transient() || code == CodeNotFound
	default:
		again = errors.Is(err, errEmptyAnswer) || errors.Is(err, ErrReset) || errors.Is(err, ErrTimeout)
	}
	return again, m.plain
}
