package agent

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/freshness"
	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/agent/schedule"
	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/agent/server/health"
	"github.com/ilod/ilod/agent/transaction"
)

// Options is what an Engine is made of: the configuration, and what it must not
// know by itself. All but Seal, Unseal, Guardian and Info are needed; Run needs Listen, Peer and
// Manager, too.
type Options struct {
	Config Config
	Log    logrus.FieldLogger

	// Unlock gives the instance lock back, which the caller of Start has.
	Unlock func() error
	// Store opens the store of the cached tree.
	Store func(context.Context) (Store, error)
	// Transport makes the way to the iLO, which calls onReset when it sees that
	// the iLO was reset.
	Transport func(onReset func()) (Transport, error)
	// NotSent reports errors of the transport after which the iLO has certainly
	// not seen the request.
	NotSent func(error) bool
	// Late is for how long the iLO may still carry out a request that it has not
	// answered; 0: transaction.DefaultLate.
	Late time.Duration
	// Problem explains errors of the transport to clients.
	Problem func(error) gateway.Problem
	// Credentials are those of an iLO account, nil for none.
	Credentials func() (*ilosession.Credentials, error)
	// Serial is the serial number of the iLO's board; see ilosession.
	Serial func(context.Context) (string, error)
	Boot   string // the host's boot id
	// Uptime is for how long the host has been up.
	Uptime func() (time.Duration, error)
	// Identity is what is known, without asking the iLO, of the server that the
	// cached tree must be of.
	Identity freshness.Identity
	// Seal and Unseal are those of ilosession.Ledger, which may be nil.
	Seal, Unseal func([]byte) ([]byte, error)
	// Guardian deletes the session if this process is killed.
	Guardian *ilosession.Guardian
	// Info is shown with the status.
	Info map[string]any

	// Listen opens the Unix socket, or takes the listeners that it was given.
	Listen func(context.Context) ([]net.Listener, error)
	// Peer is who has connected.
	Peer    func(net.Conn) (gateway.Peer, error)
	Manager ServiceManager

	stop func(by string) // ends Run
}

// Store keeps the cached tree; see package freshness.
type Store interface {
	freshness.Store
	State() any // for people; must encode as JSON
	Close() error
}

// rooms are those that the engine itself has something to do with.
type rooms struct {
	gateway   *gateway.Gateway
	freshness interface{ Sweep(context.Context) error }
	keeper    interface{ Recover(context.Context) error }
	journal   interface{ Recover(context.Context) error } // of transactions
	status    func() Status                               // takes the lock of each room
	health    *healthWatch
}

// stack makes the rooms, from the iLO to the clients, and plans their end in the
// opposite order.
func (o *Options) stack(ctx context.Context, e *Engine) (r rooms, err error) {
	ledger, err := ilosession.OpenLedger(o.Config.DiskDir(), o.Config.RuntimeDir)
	if err != nil {
		return r, err
	}
	ledger.Seal, ledger.Unseal = o.Seal, o.Unseal
	store, err := o.Store(ctx)
	if err != nil {
		return r, err
	}
	e.life.onStop("cache store", store.Close)

	var cache *freshness.Cache
	var sessions *clients.Registry
	var scheduler *schedule.Scheduler
	transport, err := o.Transport(func() { cache.Invalidate("the iLO was reset") })
	if err != nil {
		return r, err
	}
	e.life.onStop("channels", transport.Close)

	uptime := o.Uptime
	if !o.Config.Session.ReapBeforeBoot {
		uptime = nil
	}
	keeper := ilosession.NewKeeper(ilosession.KeeperOptions{
		Next: transport, Turns: ownWork{&scheduler}, Ledger: ledger, NotSent: o.NotSent, Credentials: o.Credentials, Serial: o.Serial, Boot: o.Boot,
		Linger: time.Duration(o.Config.Session.Linger), KeepAlive: time.Duration(o.Config.Session.KeepAlive),
		ReapForeign: time.Duration(o.Config.Session.ReapForeign), Uptime: uptime, LimitPolicy: ilosession.LimitPolicy(o.Config.Session.LimitPolicy),
		OnLost:   func(why string) { sessions.Bump(why) },
		Guardian: o.Guardian, Log: o.Log.WithField(component, "session"),
	})
	e.life.onStop("iLO session", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), logoutTimeout)
		defer cancel()
		return keeper.Close(ctx)
	})

	scheduler = schedule.New(schedule.Options{Next: uncut{keeper}, Slots: o.Config.Channels, Log: o.Log.WithField(component, "schedule")})
	e.life.onStop("scheduler", scheduler.Close)

	cache = freshness.New(freshness.Options{Next: scheduler, Store: store, Log: o.Log.WithField(component, "cache")})
	e.life.onStop("refresher", cache.Close)
	cache.SetIdentity(o.Identity)

	used := using{cache, &e.used}
	disk := o.Config.DiskDir()
	transactions, err := transaction.New(transaction.Options{
		Next: used, Check: schema.NewChecker(used).Check, Allowed: gateway.MayWrite, Dir: filepath.Join(cmp.Or(disk, o.Config.RuntimeDir), "transactions"),
		Timeout: func() time.Duration { return time.Duration(sessions.Limits().TransactionTimeout) },
		Unknown: o.mayHaveArrived, Late: o.Late, Log: o.Log.WithField(component, "transaction"),
	})
	if err != nil {
		return r, err
	}
	e.life.onStop("transactions", transactions.Close)

	limits, dir := o.Config.Clients.limits(), ""
	if e.serves && disk != "" {
		dir = filepath.Join(disk, "clients")
	}
	if !e.serves { // there are no clients but this process
		limits.ForceSessions = false
	}
	if sessions, err = clients.Open(clients.Options{
		Limits: limits, Dir: dir, Holds: transactions.Holds, Ended: transactions.Drop, Log: o.Log.WithField(component, "clients"),
	}); err != nil {
		return r, err
	}
	e.life.onStop("client sessions", sessions.Close)

	watch := newHealthWatch(cache, o.Log.WithField(component, "health"))
	accounts, err := o.Config.tlsAccounts()
	if err != nil {
		return r, err
	}
	status := func() Status {
		return Status{TLS: e.tlsStatus(), Info: o.Info, Started: e.started, Session: keeper.Status(), Schedule: scheduler.Stats(), Cache: cache.Stats(), Clients: sessions.Stats(), Transactions: transactions.Stats()}
	}
	stage := gateway.Way(transactions, sessions)
	recursive := schedule.New(schedule.Options{Next: stage.Subtree(), Slots: recursiveReads, Share: recursiveShare, Log: o.Log.WithField(component, "recursive")})
	e.life.onStop("recursive reads", recursive.Close)
	stage.Recursive = recursive
	front, err := gateway.New(gateway.Options{
		Next:    reporting{stage},
		Clients: sessions, Transactions: transactions, Roles: o.Config.Roles.gateway(), Accounts: accounts, Problem: o.problem,
		Status: func(context.Context) any { return status() }, Stop: o.stop,
		Metrics: func() []gateway.Metric {
			return append(metrics(keeper.Status(), scheduler.Stats(), cache.Stats(), transactions.Stats()), watch.metrics(time.Now())...)
		},
		Health: func(ctx context.Context, header http.Header) (any, error) {
			return health.Read(ctx, used, health.Options{Header: header})
		},
		Cache: &gateway.Cache{
			Stats: func() any {
				return struct {
					freshness.Stats
					Store any `json:"store"`
				}{cache.Stats(), store.State()}
			},
			Clear: cache.Clear,
			Warm:  cache.Warm,
		},
		ILOSessions: keeper,
		Log:         o.Log.WithField(component, "gateway"),
	})
	if err != nil {
		return r, err
	}
	return rooms{gateway: front, freshness: cache, keeper: keeper, journal: transactions, status: status, health: watch}, nil
}

// limits are those of the client sessions, until an admin sets others.
func (c *ClientsConfig) limits() clients.Limits {
	return clients.Limits{
		MaxSessions: c.MaxSessions, MaxSessionsPerUser: c.MaxSessionsPerUser,
		InactivityTimeout: clients.Seconds(c.InactivityTimeout), Lifetime: clients.Seconds(c.Lifetime),
		TransactionTimeout: clients.Seconds(c.TransactionTimeout), ForceSessions: c.ForceSessions, WhenFull: clients.Policy(c.WhenFull), StrictJSON: c.StrictJSON,
	}
}

// mayHaveArrived reports errors after which the iLO may have executed a write.
func (o *Options) mayHaveArrived(err error) bool {
	for _, before := range []error{schedule.ErrQueueFull, schedule.ErrClosed, ilosession.ErrClosed, ilosession.ErrNoLogin} {
		if errors.Is(err, before) {
			return false
		}
	}
	return !o.NotSent(err)
}

// writeGrace is how long a write goes on after its client has left.
const writeGrace = 30 * time.Second

// problem explains an error to a client of the gateway.
func (o *Options) problem(err error) gateway.Problem {
	p := o.Problem(err)
	switch limit, ok := errors.AsType[*ilosession.SessionLimitError](err); {
	case ok && limit.Sessions != nil:
		p.Candidates = slices.DeleteFunc(slices.Clone(limit.Sessions), func(e ilosession.TableEntry) bool { return !e.InBand || e.Ours })
	case errors.Is(err, ilosession.ErrNoSession):
		p.Cause = gateway.NotFound
	case errors.Is(err, ilosession.ErrProtected):
		p.Cause = gateway.Guarded
	}
	return p
}

// recursiveReads bounds the recursive reads that gather at one time, which are bulk
// and leave one of these, and recursiveShare those of one user.
const (
	recursiveReads = 4
	recursiveShare = 2
)

// component is the field that says which room has written a line of the log.
const component = "component"

func (r *RolesConfig) gateway() gateway.Roles {
	return gateway.Roles{Admin: gateway.Members(r.Admin), Operator: gateway.Members(r.Operator), Reader: gateway.Members(r.Reader)}
}

// ownWork has what the keeper of the session wants by itself wait for its turn:
// behind all that somebody waits for, unless it is for an operator.
type ownWork struct{ s **schedule.Scheduler }

func (w ownWork) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, ok := schedule.ClassOf(r.Context()); !ok {
		r = r.WithContext(schedule.WithClass(r.Context(), schedule.Background))
	}
	return (*w.s).RoundTrip(r)
}

// uncut has a write that was given its turn go on when its client leaves: half
// of one would leave nobody knowing what became of it.
type uncut struct{ next http.RoundTripper }

func (u uncut) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return u.next.RoundTrip(r)
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	defer cancel(nil)
	defer context.AfterFunc(r.Context(), func() {
		cause := context.Cause(r.Context())
		timer := time.AfterFunc(writeGrace, func() { cancel(cause) })
		context.AfterFunc(ctx, func() { timer.Stop() })
	})()
	return u.next.RoundTrip(r.WithContext(ctx))
}
