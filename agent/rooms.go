package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/audit"
	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/freshness"
	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/agent/schedule"
	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/agent/server/health"
	"github.com/ilod/ilod/agent/transaction"
)

// rooms are those that the engine itself has something to do with.
type rooms struct {
	gateway   *gateway.Gateway
	freshness interface{ Sweep(context.Context) error }
	keeper    interface{ Recover(context.Context) error }
	journal   interface{ Recover(context.Context) error } // of transactions
	status    func() api.Status                           // takes the lock of each room
	health    *healthWatch
	sessions  interface{ Expire() time.Duration }
}

// stack makes the rooms, from the iLO to the clients, and plans their end in the
// opposite order.
func (e *Engine) stack(ctx context.Context) (rooms, error) {
	s := stack{Engine: e, audit: audit.New(e.log.WithField(component, "audit"))}
	for _, build := range []func(context.Context) error{s.openStore, s.reachILO, s.keepTree, s.keepClients} {
		if err := build(ctx); err != nil {
			return rooms{}, err
		}
	}
	front, err := s.front()
	return rooms{gateway: front, freshness: s.cache, keeper: s.keeper, journal: s.transactions, status: s.status, health: s.health, sessions: s.sessions}, err
}

// stack is the rooms while they are made. Some call rooms above them, which are
// there before the first request.
type stack struct {
	*Engine
	store        Store
	keeper       *ilosession.Keeper
	scheduler    *schedule.Scheduler
	cache        *freshness.Cache
	transactions *transaction.Manager
	sessions     *clients.Registry
	audit        *audit.Log
	health       *healthWatch
}

func (s *stack) logOf(room string) logrus.FieldLogger { return s.log.WithField(component, room) }

func (s *stack) openStore(ctx context.Context) (err error) {
	if s.store, err = s.o.Store(ctx); err == nil {
		s.life.onStop("cache store", s.store.Close)
	}
	return err
}

// reachILO makes the channels, the one session, and the order of requests.
func (s *stack) reachILO(context.Context) error {
	c, ilo, host := &s.o.Config, &s.o.ILO, &s.o.Host
	ledger, err := ilosession.OpenLedger(c.DiskDir(), c.RuntimeDir)
	if err != nil {
		return err
	}
	ledger.Seal, ledger.Unseal = host.Seal, host.Unseal
	transport, err := ilo.Transport(func() { s.cache.Invalidate("the iLO was reset") })
	if err != nil {
		return err
	}
	s.life.onStop("channels", transport.Close)

	uptime := host.Uptime
	if !c.Session.ReapBeforeBoot {
		uptime = nil
	}
	s.keeper = ilosession.NewKeeper(ilosession.KeeperOptions{
		Next: transport, Turns: ownWork{&s.scheduler}, Ledger: ledger, NotSent: ilo.NotSent, Credentials: ilo.Credentials, Serial: ilo.Serial, Boot: host.Identity.BootID,
		Linger: time.Duration(c.Session.Linger), KeepAlive: time.Duration(c.Session.KeepAlive),
		ReapForeign: time.Duration(c.Session.ReapForeign), Uptime: uptime, LimitPolicy: ilosession.LimitPolicy(c.Session.LimitPolicy),
		OnLost:   func(why string) { s.sessions.Bump(why) },
		Audit:    s.audit.Add,
		Guardian: s.o.Guardian, Log: s.logOf("session"),
	})
	s.life.onStop("iLO session", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), logoutTimeout)
		defer cancel()
		return s.keeper.Close(ctx)
	})

	s.scheduler = schedule.New(schedule.Options{Next: uncut{s.keeper}, Slots: c.Channels, Log: s.logOf("schedule")})
	s.life.onStop("scheduler", s.scheduler.Close)
	return nil
}

// keepTree makes the cached tree, and what watches over it.
func (s *stack) keepTree(context.Context) error {
	s.cache = freshness.New(freshness.Options{Next: s.scheduler, Store: s.store, Log: s.logOf("cache")})
	s.life.onStop("refresher", s.cache.Close)
	s.cache.SetIdentity(s.o.Host.Identity)
	s.health = newHealthWatch(s.cache, s.logOf("health"))
	return nil
}

// use is the way to the cache and the iLO for those who use the agent.
func (s *stack) use() http.RoundTripper { return using{s.cache, &s.used} }

// keepClients makes the client sessions with their transactions.
func (s *stack) keepClients(context.Context) (err error) {
	c, disk := &s.o.Config, s.o.Config.DiskDir()
	s.transactions, err = transaction.New(transaction.Options{
		Next: s.use(), Check: schema.NewChecker(s.use()).Check, Allowed: gateway.MayWrite, Dir: filepath.Join(cmp.Or(disk, c.RuntimeDir), "transactions"),
		Timeout: func() time.Duration { return time.Duration(s.sessions.Limits().TransactionTimeout) },
		Unknown: s.o.mayHaveArrived, Late: s.o.ILO.Late, Log: s.logOf("transaction"),
	})
	if err != nil {
		return err
	}
	s.life.onStop("transactions", s.transactions.Close)

	limits, dir := c.Clients.limits(), ""
	if s.serves && disk != "" {
		dir = filepath.Join(disk, "clients")
	}
	if !s.serves { // there are no clients but this process
		limits.ForceSessions = false
	}
	s.sessions, err = clients.Open(clients.Options{
		Limits: limits, Dir: dir, Holds: s.transactions.Holds, Ended: s.transactions.Drop, Gone: s.o.Serving.Gone, Audit: s.audit.Add, Log: s.logOf("clients"),
	})
	if err != nil {
		return err
	}
	s.life.onStop("client sessions", s.sessions.Close)
	return nil
}

// front makes the gateway, with what it shows of the rooms behind it.
func (s *stack) front() (*gateway.Gateway, error) {
	accounts, err := s.o.Config.tlsAccounts()
	if err != nil {
		return nil, err
	}
	stage := gateway.Way(s.transactions, s.sessions)
	recursive := schedule.New(schedule.Options{Next: stage.Subtree(), Slots: recursiveReads, Share: recursiveShare, Log: s.logOf("recursive")})
	s.life.onStop("recursive reads", recursive.Close)
	stage.Recursive = recursive
	return gateway.New(gateway.Options{
		Next:    reporting{stage},
		Clients: s.sessions, Transactions: s.transactions, Roles: s.o.Config.Roles.gateway(), Accounts: accounts, Problem: s.o.problem,
		Status: func(context.Context) any { return s.status() }, Stop: s.stop,
		Metrics: func() []gateway.Metric {
			return append(metrics(s.keeper.Status(), s.scheduler.Stats(), s.cache.Stats(), s.transactions.Stats()), s.health.metrics(time.Now())...)
		},
		Health: func(ctx context.Context, header http.Header) (any, error) {
			return health.Read(ctx, s.use(), health.Options{Header: header})
		},
		Cache: &gateway.Cache{
			Stats: func() any {
				below, _ := json.Marshal(s.store.State()) // counts always encode
				return api.Cache{CacheStats: s.cache.Stats(), Store: below}
			},
			Clear: s.cache.Clear,
			Warm:  s.cache.Warm,
		},
		ILOSessions: s.keeper,
		Audit:       s.audit,
		Log:         s.logOf("gateway"),
	})
}

func (s *stack) status() api.Status {
	return api.Status{
		TLS: s.tlsStatus(), Agent: s.o.Serving.Info, Started: s.started, Session: s.keeper.Status(), Schedule: s.scheduler.Stats(),
		Cache: s.cache.Stats(), Clients: s.sessions.Stats(), Transactions: s.transactions.Stats(),
	}
}

// limits are those of the client sessions, until an admin sets others.
func (c *ClientsConfig) limits() api.Limits {
	return api.Limits{
		MaxSessions: c.MaxSessions, MaxSessionsPerUser: c.MaxSessionsPerUser,
		InactivityTimeout: api.Seconds(c.InactivityTimeout), Lifetime: api.Seconds(c.Lifetime),
		TransactionTimeout: api.Seconds(c.TransactionTimeout), ForceSessions: c.ForceSessions, WhenFull: api.Policy(c.WhenFull), StrictJSON: c.StrictJSON,
	}
}

// mayHaveArrived reports errors after which the iLO may have executed a write.
func (o *Options) mayHaveArrived(err error) bool {
	for _, before := range []error{schedule.ErrQueueFull, schedule.ErrClosed, ilosession.ErrClosed, ilosession.ErrNoLogin} {
		if errors.Is(err, before) {
			return false
		}
	}
	return !o.ILO.NotSent(err)
}

// writeGrace is how long a write goes on after its client has left.
const writeGrace = 30 * time.Second

// problem explains an error to a client of the gateway.
func (o *Options) problem(err error) gateway.Problem {
	p := o.ILO.Problem(err)
	switch limit, ok := errors.AsType[*ilosession.SessionLimitError](err); {
	case ok && limit.Sessions != nil:
		p.Candidates = slices.DeleteFunc(slices.Clone(limit.Sessions), func(e api.ILOSession) bool { return !e.InBand || e.Ours })
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
