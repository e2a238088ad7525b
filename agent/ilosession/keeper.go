package ilosession

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/redfisherror"
)

// KeeperOptions are the settings of a Keeper; Next is required.
type KeeperOptions struct {
	// Next carries requests to the iLO, as chif.Transport does: an answer is whole
	// when RoundTrip returns.
	Next http.RoundTripper
	// Ledger records the sessions; nil: one in memory.
	Ledger *Ledger
	// NotSent is that of Options.
	NotSent func(error) bool
	// Credentials are asked for anew before each login; nil, or a nil result: log
	// in without any.
	Credentials func() (*Credentials, error)
	// Serial tells the board's serial number, such as chif's Status does; nil: the
	// iLO is known by its UUID alone.
	Serial func(context.Context) (string, error)
	// Boot is the host's boot id, noted in the ledger.
	Boot string
	// Linger is how long an unused session is kept before it is deleted; default
	// 10 min.
	Linger time.Duration
	// KeepAlive is after what time without traffic a session in use is refreshed
	// until its idle timeout is known; default 5 min, a third of the shortest
	// timeout that an iLO has. Then it is a third of that timeout, and never if
	// there is none.
	KeepAlive time.Duration
	// Resume makes Recover take over a session whose token still works instead of
	// deleting it.
	Resume bool
	// ReapForeign, if not 0, ends in-band REST sessions of other programs that
	// were idle for so long, as long as there is a session here.
	ReapForeign time.Duration
	// Uptime, if not nil, is for how long this host has been up. Then the first
	// Recover after a boot logs in, and ends the sessions of host programs from
	// before the boot: all of them are dead.
	Uptime func() (time.Duration, error)
	// LimitPolicy is for logins that the iLO refuses because its table is full.
	LimitPolicy LimitPolicy
	// Guardian is told about each session; nil: there is none.
	Guardian *Guardian
	// OnLost is called without locks when the iLO has ended the session, or is
	// another iLO; not when the Keeper deletes the session. It must not wait for
	// requests of this Keeper. nil: nobody asks.
	OnLost func(why string)
	// Log takes what nobody else is told; nil: nothing.
	Log logrus.FieldLogger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

const (
	defaultLinger    = 10 * time.Minute
	defaultKeepAlive = 5 * time.Minute
	// maxReplay bounds a request body that is kept for a replay, in bytes. A
	// larger one is sent once.
	maxReplay = 1 << 20
	// maxReplays is how often a request is sent again because the iLO has ended
	// its session.
	maxReplays = 3
	// After a login that failed the next one waits: from the first pause, doubled
	// each time, to the longest. Wrong credentials make the iLO delay its answers
	// and log them (ilo-behaviour §3).
	refusedPause, refusedPauseMax         = 2 * time.Second, time.Minute
	credentialsPause, credentialsPauseMax = 30 * time.Second, 15 * time.Minute
	// loginPatience is how long a request waits for the next login.
	loginPatience = 5 * time.Second
	// reapInterval is how often the table is looked at for foreign sessions.
	reapInterval = time.Minute
	// workTimeout bounds what the Keeper does by itself at one time.
	workTimeout = 3 * time.Minute
)

// ErrNoLogin: a request was not sent, since there is no session for it; why
// follows. Whatever that is, also an outcome that is not known, is about the
// login and not about the request.
var ErrNoLogin = errors.New("there is no session on the iLO")

// errForgotten: a login was no good.
var errForgotten = errors.New("the iLO does not know the session that it has just opened")

// Keeper keeps at most one session on the iLO for everybody. It is an
// http.RoundTripper whose requests run in that session: it logs in when the
// first request needs it, once for all that wait, and again when the iLO has
// ended the session, and it deletes the session when nobody has used it for a
// while. Each session is in the ledger as long as the iLO may have it.
//
// A Keeper is safe for concurrent use. Close must be called.
type Keeper struct {
	o   KeeperOptions
	log logrus.FieldLogger
	now func() time.Time

	ctx        context.Context // ends with Close
	cancel     context.CancelFunc
	readsCtx   context.Context // ends when Close no longer waits for reads
	cutReads   context.CancelFunc
	requests   sync.WaitGroup // in flight
	background sync.WaitGroup // run and change
	wake       chan struct{}  // makes run look anew; holds one
	recovering chan struct{}  // holds one while Recover is at work

	foreign map[string]idleForeign // by id; for run alone
	unused  map[string]time.Time   // since when we know sessions that were never used; for recover alone

	mu       sync.Mutex
	closing  bool
	current  *held
	change   *change // a login or logout under way
	owned    map[string]bool
	identity Identity
	known    []string        // ids last seen in the iLO's table
	only     map[string]bool // nonces that Recover is limited to; nil: all
	refusal  refused
	retry    schedule // of Recover
	reapAt   time.Time
	counts   Status
}

// held is the session in use.
type held struct {
	session *Session
	entry   entry

	checking chan struct{} // holds one while a check is under way
	dead     bool          // guarded by checking

	// Guarded by the Keeper's mu.
	users       int           // requests in flight
	idle        chan struct{} // closed when there are none, for Logout; or nil
	since       time.Time
	lastUse     time.Time
	lastTraffic time.Time
	keepAlive   time.Duration // 0: never
	worked      bool          // the iLO has taken its token
}

// change is a login or logout that others wait for.
type change struct {
	done chan struct{}
	err  error // set before done is closed
}

// refused is what the last login ended with, if it failed.
type refused struct {
	err         error
	until       time.Time
	pause       time.Duration
	credentials *Credentials // that the iLO did not like
}

// NewKeeper returns a Keeper that has not sent anything yet. It panics without
// Next.
func NewKeeper(o KeeperOptions) *Keeper {
	if o.Next == nil {
		panic("ilosession: KeeperOptions.Next is nil")
	}
	if o.Ledger == nil {
		o.Ledger, _ = OpenLedger("", "") // fails only for directories
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		discard := logrus.New()
		discard.Out = io.Discard
		o.Log = discard
	}
	if o.OnLost == nil {
		o.OnLost = func(string) {}
	}
	o.Linger = cmp.Or(o.Linger, defaultLinger)
	o.KeepAlive = cmp.Or(o.KeepAlive, defaultKeepAlive)
	k := &Keeper{
		o: o, log: o.Log, now: o.Now, owned: map[string]bool{},
		wake: make(chan struct{}, 1), recovering: make(chan struct{}, 1),
	}
	o.Ledger.setWarn(func(msg string, err error) { k.log.WithError(err).Warn(msg) })
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.readsCtx, k.cutReads = context.WithCancel(context.Background())
	k.background.Go(k.run)
	return k
}

// RoundTrip sends a request in the session. A GET of the service root needs none
// and starts none. An answer of 401 whose cause is a session that the iLO has
// ended is replaced by that of a replay in a new session, whatever the method: the
// iLO has not executed the request.
//
// Errors: ErrNoLogin with those of Login, for a while after a login that failed
// without another attempt unless that is due within seconds, or with a
// *SessionLimitError; ErrClosed after Close; those of Next.
func (k *Keeper) RoundTrip(req *http.Request) (*http.Response, error) {
	return k.inFlight(req, func(r *http.Request) (*http.Response, error) { return k.exchange(r, true) })
}

// inFlight sends a request for which Close waits, and which it cuts if it is a
// read.
func (k *Keeper) inFlight(req *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	leave, err := k.enter()
	if err != nil {
		closeBody(req)
		return nil, err
	}
	defer leave()
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		ctx, cancel := context.WithCancel(req.Context())
		defer cancel()
		defer context.AfterFunc(k.readsCtx, cancel)()
		req = req.WithContext(ctx)
	}
	return send(req)
}

// enter begins what Close waits for the end of, which is leave.
func (k *Keeper) enter() (leave func(), err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closing {
		return nil, ErrClosed
	}
	k.requests.Add(1) // under mu, so that it cannot follow the Wait of Close
	return k.requests.Done, nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// internal is the Keeper's own way into the session, which does not count as
// use of it.
type internal struct{ k *Keeper }

func (i internal) RoundTrip(req *http.Request) (*http.Response, error) {
	return i.k.exchange(req, false)
}

// exchange sends a request in the session, and again if the session proves to be
// dead. use tells that somebody uses the session by it.
func (k *Keeper) exchange(req *http.Request, use bool) (*http.Response, error) {
	if k.needsNone(req) {
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
		if !refused || again == nil {
			return resp, err
		}
		dead, err := k.isDead(req.Context(), h)
		if err == nil && !dead && replays > 0 {
			return resp, nil
		}
		_ = resp.Body.Close()
		if err != nil { // the caller must not take the 401 for his own
			return nil, fmt.Errorf("whether the iLO has ended the session: %w", err)
		}
		if dead {
			k.discard(h)
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

// needsNone reports a request for the service root while there is no session.
func (k *Keeper) needsNone(req *http.Request) bool {
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

// acquire returns the session, after a login if there is none. The end of ctx
// ends the waiting and not the login. release must follow.
func (k *Keeper) acquire(ctx context.Context, use bool) (*held, error) {
	for patience := loginPatience; ; {
		k.mu.Lock()
		if h := k.current; h != nil {
			h.users++
			k.mu.Unlock()
			return h, nil
		}
		c := k.change
		if c == nil {
			if err := k.mayLogin(use); err != nil {
				pause := k.refusal.until.Sub(k.now())
				k.mu.Unlock()
				if patience -= pause; !use || patience < 0 || !k.sleep(ctx, pause) {
					return nil, err
				}
				continue
			}
			c = k.begin()
			k.background.Go(func() { k.end(c, k.login()) })
		}
		k.mu.Unlock()
		select {
		case <-c.done:
			if c.err != nil {
				return nil, c.err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a login: %w", context.Cause(ctx))
		case <-k.readsCtx.Done(): // also for a write, of which nothing was sent
			return nil, ErrClosed
		}
	}
}

// sleep reports false, at once if possible, if ctx or the Keeper ends first.
func (k *Keeper) sleep(ctx context.Context, pause time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= pause {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-k.readsCtx.Done():
	}
	return false
}

// release ends the use of a session; worked tells that the iLO took its token.
func (k *Keeper) release(h *held, use, worked bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if h.users--; h.users == 0 && h.idle != nil {
		close(h.idle)
		h.idle = nil
	}
	if worked {
		h.worked, k.refusal = true, refused{}
	}
	h.lastTraffic = k.now()
	if use {
		h.lastUse = h.lastTraffic
	}
	k.poke()
}

// begin announces a change of the session; mu is held.
func (k *Keeper) begin() *change {
	k.change = &change{done: make(chan struct{})}
	return k.change
}

func (k *Keeper) end(c *change, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c.err, k.change = err, nil
	close(c.done)
	k.poke()
}

// poke makes run look what is due.
func (k *Keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// isDead asks the iLO whether it still knows the session: a 401 may as well be
// that of one resource.
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
// token (ilo-behaviour §4.5).
func (k *Keeper) discard(h *held) {
	k.mu.Lock()
	current := k.current == h
	if current {
		k.current = nil
		if !h.worked { // or it would be one login after the other
			k.refuse(nil, errForgotten)
		}
	}
	k.mu.Unlock()
	if current {
		k.log.WithField("session", h.session.path).Info("the iLO has ended the session")
		k.forget(h.entry.Nonce)
		k.o.OnLost("the iLO has ended the session")
	}
}

// mayLogin is the error of the last login while it is too early for another; mu
// is held. Other credentials may be tried at once, those that the iLO refused
// only for somebody who asks for it.
func (k *Keeper) mayLogin(use bool) error {
	r := &k.refusal
	if r.err == nil {
		return nil
	}
	wrong := errors.Is(r.err, ErrCredentials)
	if wrong {
		if c, err := k.credentials(); err == nil && !same(c, r.credentials) {
			return nil
		}
	}
	if (use || !wrong) && !k.now().Before(r.until) {
		return nil
	}
	return r.err
}

func same(a, b *Credentials) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func (k *Keeper) credentials() (*Credentials, error) {
	if k.o.Credentials == nil {
		return nil, nil
	}
	c, err := k.o.Credentials()
	if err != nil {
		return nil, fmt.Errorf("credentials for the iLO: %w", err)
	}
	return c, nil
}

// login makes a session the current one. It is one half of a change.
func (k *Keeper) login() error {
	ctx, cancel := context.WithTimeout(k.ctx, loginTimeout)
	defer cancel()
	h, c, err := k.attempt(ctx)
	full := errors.Is(err, ErrSessionLimit)
	// A refusal of no credentials may be that of a full table (ilo-behaviour §3).
	if full || c == nil && errors.Is(err, ErrCredentials) {
		if h = k.adopt(ctx); h != nil {
			full, err = false, nil
		}
	}
	if full {
		if err = k.makeRoom(ctx, c, err); err == nil {
			h, c, err = k.attempt(ctx)
		}
	}
	now := k.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		k.refuse(c, err)
		return err
	}
	k.refusal = refused{pause: k.refusal.pause} // until it has worked
	k.hold(h)
	k.retry.soon(now) // there may be entries that only now can be dealt with
	k.reapAt = now
	return nil
}

// hold makes a session the current one; mu is held.
func (k *Keeper) hold(h *held) {
	now := k.now()
	h.checking = make(chan struct{}, 1)
	h.since, h.lastUse, h.lastTraffic, h.keepAlive = now, now, now, k.o.KeepAlive
	k.owned[h.entry.Nonce] = true
	k.current = h
	k.poke()
}

// refuse notes a login that failed; mu is held.
func (k *Keeper) refuse(c *Credentials, err error) {
	k.counts.Refusals++
	k.counts.LastError = err.Error()
	k.log.WithError(err).Warn("login to the iLO")
	first, longest := refusedPause, refusedPauseMax
	r := refused{err: err}
	switch {
	case k.o.NotSent != nil && k.o.NotSent(err), k.ctx.Err() != nil:
		k.refusal = refused{}
		return
	case errors.Is(err, ErrCredentials):
		first, longest = credentialsPause, credentialsPauseMax
		r.credentials = c
	}
	r.pause = min(max(2*k.refusal.pause, first), longest)
	r.until = k.now().Add(r.pause)
	k.refusal = r
}

// attempt logs in once: intent, POST, record (architecture §5). The intent of a
// login whose outcome is not known stays for Recover.
func (k *Keeper) attempt(ctx context.Context) (*held, *Credentials, error) {
	credentials, err := k.credentials()
	if err != nil {
		return nil, nil, err
	}
	id, iloTime, err := k.identify(ctx)
	if err != nil {
		return nil, credentials, err
	}
	e := entry{Nonce: rand.Text(), Identity: id, Boot: k.o.Boot, User: inBandUser, Time: k.now(), ILOTime: iloTime}
	if credentials != nil {
		e.User = credentials.UserName
	}
	k.mu.Lock()
	e.Before, e.Guardian = k.known, k.only != nil
	k.owned[e.Nonce] = true
	k.mu.Unlock()
	k.o.Guardian.note(e, credentials) // first: it must know of each entry
	k.o.Ledger.put(e)

	s, err := Login(ctx, k.o.Next, Options{Credentials: credentials, NotSent: k.o.NotSent})
	if err != nil {
		switch {
		case mayRemain(err):
			e.End = k.now()
			k.o.Ledger.put(e)
			k.mu.Lock()
			delete(k.owned, e.Nonce)
			k.retry.soon(k.now())
			k.mu.Unlock()
		default:
			k.forget(e.Nonce)
		}
		return nil, credentials, err
	}
	e.Path, e.Opened, e.authorize = s.path, k.now(), s.authorize
	k.o.Ledger.put(e)
	k.o.Guardian.note(e, credentials)
	k.mu.Lock()
	k.counts.Logins++
	k.mu.Unlock()
	k.log.WithField("session", s.path).Info("logged in to the iLO")
	return &held{session: s, entry: e}, credentials, nil
}

// mayRemain reports a login after which there may be a session. An iLO that
// answers 5xx, but for a full table, is not trusted to have done nothing.
func mayRemain(err error) bool {
	if errors.Is(err, ErrMayRemain) {
		return true
	}
	e, ok := errors.AsType[*redfisherror.Error](err)
	return ok && e.Status >= 500 && !errors.Is(err, ErrSessionLimit)
}

// forget removes the entry of a session that is certainly gone.
func (k *Keeper) forget(nonce string) {
	k.o.Ledger.remove(nonce)
	k.o.Guardian.gone(nonce)
	k.mu.Lock()
	delete(k.owned, nonce)
	k.mu.Unlock()
}

// logout deletes the session. It is one half of a change, begun when nobody used
// the session.
func (k *Keeper) logout(h *held) error {
	err := h.session.Close(context.Background())
	if err == nil {
		k.forget(h.entry.Nonce)
		return nil
	}
	err = fmt.Errorf("%w: %w", ErrMayRemain, err)
	k.log.WithError(err).Warn("delete the iLO session")
	k.mu.Lock()
	defer k.mu.Unlock()
	k.counts.LastError = err.Error()
	delete(k.owned, h.entry.Nonce)
	k.retry.later(k.now())
	return err
}

// Close refuses new requests, waits for those in flight and deletes the session,
// even if ctx has ended. When ctx ends the reads in flight are cut; writes never
// are. The session's entry leaves the ledger only if it is certainly gone; if
// not, the error wraps ErrMayRemain, and the next Recover will find it.
func (k *Keeper) Close(ctx context.Context) error {
	k.mu.Lock()
	k.closing = true
	k.mu.Unlock()
	stop := context.AfterFunc(ctx, k.cutReads)
	k.requests.Wait()
	stop()
	k.cutReads()
	k.cancel()
	k.background.Wait()
	k.mu.Lock()
	h := k.current
	k.current = nil
	k.mu.Unlock()
	if h == nil {
		return nil
	}
	return k.logout(h)
}

// run does what becomes due: it deletes an unused session, keeps one in use
// alive, deals with what Recover left and reaps.
func (k *Keeper) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-k.wake:
		case <-timer.C:
		}
		if next := k.due(); !next.IsZero() {
			timer.Reset(max(next.Sub(k.now()), 0))
		}
	}
}

// due does what is due now and returns when to look again, the zero time if
// nothing is planned.
func (k *Keeper) due() (next time.Time) {
	now := k.now()
	k.mu.Lock()
	h := k.current
	var reap, alive, left bool
	plan := func(at time.Time) bool {
		if at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
		return !at.After(now)
	}
	if h != nil && k.change == nil {
		if h.users == 0 && plan(h.lastUse.Add(k.o.Linger)) {
			c := k.begin()
			k.current = nil
			k.mu.Unlock()
			_ = k.logout(h) // it is logged and counted
			k.end(c, nil)
			return now
		}
		alive = h.keepAlive > 0 && plan(h.lastTraffic.Add(h.keepAlive))
		reap = k.o.ReapForeign > 0 && plan(k.reapAt)
	}
	left = !k.retry.at.IsZero() && plan(k.retry.at)
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(k.ctx, workTimeout)
	defer cancel()
	switch {
	case left:
		if err := k.recover(ctx, false); err != nil && k.ctx.Err() == nil {
			k.log.WithError(err).Warn("an iLO session may be left; it will be looked for again")
		}
	case alive:
		k.refresh(ctx, h)
	case reap:
		if err := k.reap(ctx, internal{k}); err != nil && k.ctx.Err() == nil {
			k.log.WithError(err).Warn("reap foreign iLO sessions")
		}
		k.mu.Lock()
		k.reapAt = k.now().Add(reapInterval)
		k.mu.Unlock()
	default:
		return next
	}
	return k.now() // look again
}

// refresh reads the session itself, in it, and learns the idle timeout: what
// UserExpires is after AccessTime, nothing without a timeout (ilo-behaviour §0.4,
// §0.5).
func (k *Keeper) refresh(ctx context.Context, h *held) {
	var own sessionResource
	_, err := getJSON(ctx, internal{k}, h.session.path, &own)
	k.mu.Lock()
	defer k.mu.Unlock()
	h.lastTraffic = k.now() // also when it failed: not in a loop
	if err != nil {
		k.log.WithError(err).Info("keep the iLO session alive")
		return
	}
	ext := own.Oem.Hpe
	if ext == nil {
		ext = own.Oem.Hp
	}
	if ext == nil || ext.AccessTime.IsZero() || ext.UserExpires.IsZero() {
		return
	}
	h.keepAlive = max(ext.UserExpires.Sub(ext.AccessTime.Time)/3, 0)
}

// Status is what a Keeper does and has done.
type Status struct {
	Session       string    `json:"session,omitempty"` // path of the session in use
	Since         time.Time `json:"since,omitzero"`
	LastUse       time.Time `json:"lastUse,omitzero"`
	InUse         int       `json:"inUse"` // requests in flight in the session
	Logins        int       `json:"logins"`
	Replays       int       `json:"replays"`
	Refusals      int       `json:"refusals"` // logins that failed, for whatever reason
	LastError     string    `json:"lastError,omitempty"`
	LedgerEntries int       `json:"ledgerEntries"`         // sessions that the iLO may have of ours, with the one in use
	LedgerError   string    `json:"ledgerError,omitempty"` // why the ledger is not where it should be
}

// Status tells what the Keeper does. It sends nothing to the iLO.
func (k *Keeper) Status() Status {
	entries, ledgerErr := len(k.o.Ledger.entries()), k.o.Ledger.Err()
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.counts
	if h := k.current; h != nil {
		s.Session, s.Since, s.LastUse, s.InUse = h.session.path, h.since, h.lastUse, h.users
	}
	s.LedgerEntries = entries
	if ledgerErr != nil {
		s.LedgerError = ledgerErr.Error()
	}
	return s
}
