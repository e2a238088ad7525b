package ilosession

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/guard"
	"github.com/ilod/ilod/agent/silent"
)

// KeeperOptions are the settings of a Keeper; Next is required.
type KeeperOptions struct {
	// Next carries requests to the iLO, as chif.Transport does: an answer is whole
	// when RoundTrip returns.
	Next http.RoundTripper
	// Turns, if not nil, gets what the Keeper wants of the iLO for no request of
	// RoundTrip: for operators, and its own work. It calls RoundTrip with the
	// request, or one with a context of its context, when there is a place for it.
	// A login is part of the request that needs it.
	Turns http.RoundTripper
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
	// until its idle timeout is known; at most, and by default, 5 min, a third of the
	// shortest timeout that an iLO has. Then it is a third of that timeout, and never
	// if there is none.
	KeepAlive time.Duration
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
	// Audit is told what happens to sessions on the iLO, without locks; nil: nobody is.
	Audit func(api.SessionEvent)
	// Log takes what nobody else is told; nil: nothing.
	Log logrus.FieldLogger
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
	// and log them (ILO.md §3).
	refusedPause, refusedPauseMax         = 2 * time.Second, time.Minute
	credentialsPause, credentialsPauseMax = 30 * time.Second, 15 * time.Minute
	// loginPatience is how long a request waits for the next login.
	loginPatience = 5 * time.Second
	// reapInterval is how often the table is looked at for foreign sessions.
	reapInterval = time.Minute
	// workTimeout bounds what the Keeper does by itself at one time.
	workTimeout = 3 * time.Minute
)

// ErrNoLogin: a request was not sent, since no session could be opened. The wrapped
// error is about the login, even if it says that the outcome is unknown.
var ErrNoLogin = errors.New("there is no session on the iLO")

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

	life       context.Context // ends with Close
	cancel     context.CancelFunc
	readLife   context.Context // ends when Close no longer waits for reads
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
	wards    map[string]bool // nonces that Recover is limited to; nil: all
	refusal  failedLogin
	retry    retryTimer // of Recover
	reapAt   time.Time
	told     time.Duration // the idle timeout that KeepAlive was said to exceed
	counts   api.ILOStatus
	attempts int // logins that were begun
	// Why the last login failed, and why sessions are left; empty: it did not, none are.
	loginError, leftError string
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

// NewKeeper returns a Keeper that has not sent anything yet. It panics without
// Next.
func NewKeeper(o KeeperOptions) *Keeper {
	if o.Next == nil {
		panic("ilosession: KeeperOptions.Next is nil")
	}
	if o.Ledger == nil {
		o.Ledger, _ = OpenLedger("", "") // fails only for directories
	}
	o.Log = silent.Unless(o.Log)
	if o.Audit == nil {
		o.Audit = func(api.SessionEvent) {}
	}
	if o.OnLost == nil {
		o.OnLost = func(string) {}
	}
	o.Linger = cmp.Or(o.Linger, defaultLinger)
	o.KeepAlive = cmp.Or(o.KeepAlive, defaultKeepAlive)
	k := &Keeper{
		o: o, log: o.Log, owned: map[string]bool{},
		wake: make(chan struct{}, 1), recovering: make(chan struct{}, 1),
	}
	o.Ledger.setWarn(func(msg string, err error) { k.log.WithError(err).Warn(msg) })
	k.life, k.cancel = context.WithCancel(context.Background())
	k.readLife, k.cutReads = context.WithCancel(context.Background())
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
	if own, ok := req.Context().Value(sendKey{}).(send); ok {
		return own(req)
	}
	return k.inFlight(req, k.used)
}

// used sends a request in the session, which is a use of it.
func (k *Keeper) used(req *http.Request) (*http.Response, error) { return k.exchange(req, true) }

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
		defer context.AfterFunc(k.readLife, cancel)()
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

// logout deletes the session. It is one half of a change, begun when nobody used
// the session.
func (k *Keeper) logout(ctx context.Context, h *held, why string) error {
	err := guard.Panics(func() error { return h.session.Close(context.Background()) })
	if err == nil {
		k.forget(h.entry.Nonce)
		k.tell(ctx, api.SessionEnded, h.session.path, why)
		return nil
	}
	err = fmt.Errorf("%w: %w", ErrMayRemain, err)
	k.log.WithError(err).Warn("delete the iLO session")
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leftError = err.Error()
	delete(k.owned, h.entry.Nonce)
	k.retry.later(time.Now(), retryPauseMax)
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
	k.cancel()
	k.background.Wait()
	k.mu.Lock()
	h := k.current
	k.current = nil
	k.mu.Unlock()
	if h == nil {
		return nil
	}
	return k.logout(ctx, h, "ilod ends")
}
