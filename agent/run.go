package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/agent/guard"
	"github.com/ilod/ilod/agent/pause"
)

// Times of the stop. Their sum, and that of a log-out (20 s), is what a service
// manager must wait before it kills.
const (
	// drainTimeout is how long clients may take to finish what they began. Then
	// reads are cut; a write goes on until it has its answer.
	drainTimeout = 10 * time.Second
	// logoutTimeout bounds the deletion of the iLO session.
	logoutTimeout = 30 * time.Second
)

// Transport is the way to the iLO.
type Transport interface {
	http.RoundTripper
	Close() error
}

// ServiceManager is told how the agent is doing.
type ServiceManager interface {
	Ready()
	Stopping()
	Status(text string)
	Alive()
	Watchdog() time.Duration // how often Alive is to be called, 0 for never
}

// Engine is the rooms, one on the other, with what keeps them going.
type Engine struct {
	o       Options
	log     logrus.FieldLogger
	life    *lifecycle
	rooms   rooms
	handler http.Handler
	serves  bool            // others than this process
	stop    func(by string) // ends Run
	started time.Time
	used    atomic.Bool // the cache or the iLO, since the last sweep

	listeners atomic.Pointer[listeners] // nil: it serves nobody yet
}

// Start stacks the rooms for the requests of this process. Nothing goes to the iLO
// before a request does. Stop must be called.
func Start(ctx context.Context, o Options) (*Engine, error) { return start(ctx, o, nil) }

func start(ctx context.Context, o Options, stop func(by string)) (*Engine, error) {
	e := &Engine{o: o, log: o.Log, serves: stop != nil, stop: stop, life: newLifecycle(ctx), started: time.Now()}
	e.life.onStop("instance lock", o.Unlock)
	if err := guard.Do("start", func() error { return e.start(ctx) }); err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	return e, nil
}

// Stop refuses new work, finishes what is in flight, deletes the session on the
// iLO and gives everything back, in the opposite order of Start. It returns what
// went wrong then, and what the engine's own goroutines failed with.
func (e *Engine) Stop() error { return e.life.stop() }

func (e *Engine) start(ctx context.Context) error {
	var err error
	if e.rooms, err = e.stack(ctx); err != nil {
		return err
	}
	e.handler = e.rooms.gateway
	// Before the rooms, so that nothing can log in again while they stop.
	e.life.onStop("background work", e.life.stopTasks)
	return nil
}

// Run is an engine that serves the listeners until ctx ends, a client stops it or
// it fails itself.
func Run(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	e, err := start(ctx, o, func(by string) { cancel(fmt.Errorf("%s has asked for it", by)) })
	if err != nil {
		return err
	}
	err = guard.Do("serve", func() error { return e.serve(ctx) })
	o.Serving.Manager.Stopping()
	return errors.Join(err, e.Stop())
}

func (e *Engine) serve(ctx context.Context) error {
	connections := gateway.NewConnections(e.o.Serving.Peer, e.rooms.gateway.Role, e.log)
	server := gateway.NewServer(e.handler, e.log)
	connections.Attach(server)
	l := &listeners{e: e, server: server, connections: connections}
	e.listeners.Store(l)
	e.life.onStop("server", l.close)
	if err := l.open(ctx); err != nil {
		return err
	}
	e.life.spawn("recovery", e.recoverAll)
	e.life.spawn("sweep", e.sweep)
	e.life.spawn("expiry", e.expire)
	e.life.spawn("health", e.rooms.health.run)
	e.life.spawn("watchdog", e.feedWatchdog)
	e.o.Serving.Manager.Ready()
	e.o.Serving.Manager.Status(statusLine(e.rooms.status()))
	select {
	case <-ctx.Done():
		e.log.WithField("cause", context.Cause(ctx)).Info("stopping")
		return nil
	case <-e.life.running.Done(): // stopTasks returns the error
		e.log.WithError(context.Cause(e.life.running)).Error("stopping")
		return nil
	}
}

// shutdown takes no more requests and waits for those that are under way, for
// drainTimeout. Clients that do not take their answers are cut then.
func shutdown(s *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return errors.Join(err, s.Close())
	}
	return s.Close()
}

// using is a way to the cache and the iLO for those who use the agent. What is
// answered or refused before it, and what the agent does by itself, is no use.
type using struct {
	next http.RoundTripper
	used *atomic.Bool
}

func (u using) RoundTrip(r *http.Request) (*http.Response, error) {
	u.used.Store(true)
	return u.next.RoundTrip(r)
}

// Recover deletes the sessions that an engine left which was killed, and finishes
// its commits. Sessions that cannot be deleted now are tried again, as long as the
// engine lives; the error says why. An engine that does not serve, behind which a
// command waits, leaves commits to a later one that take long.
func (e *Engine) Recover(ctx context.Context) error {
	finishing, cancel := ctx, func() {}
	if !e.serves {
		finishing, cancel = context.WithTimeout(ctx, recoverPatience)
	}
	defer cancel()
	return errors.Join(e.rooms.keeper.Recover(ctx), e.rooms.journal.Recover(finishing))
}

// recoverPatience is how long a command waits for the commits of an earlier one.
const recoverPatience = 10 * time.Second

// recoverAll is Recover for an engine that serves. It goes on until the commits
// are finished, too.
func (e *Engine) recoverAll(ctx context.Context) error {
	if err := e.Recover(ctx); err != nil && ctx.Err() == nil {
		e.log.WithError(err).Warn("recovery of an earlier run is incomplete; retrying")
	}
	for pause.For(ctx, recoverPause) && e.rooms.journal.Recover(ctx) != nil {
	}
	return nil
}

// recoverPause is between two attempts to finish the commits of an earlier run.
const recoverPause = time.Minute

// sweep compares the cached tree with the iLO's now and then, but only while
// somebody uses the agent: an unused session is to end.
func (e *Engine) sweep(ctx context.Context) error {
	for pause.For(ctx, time.Duration(e.o.Config.Cache.SweepInterval)) {
		if !e.used.Swap(false) {
			continue
		}
		if err := e.rooms.freshness.Sweep(ctx); err != nil && ctx.Err() == nil {
			e.log.WithError(err).Warn("the cached tree cannot be compared with the iLO's")
		}
	}
	return nil
}

// expire ends client sessions that have expired while nobody asks for anything.
func (e *Engine) expire(ctx context.Context) error {
	for pause.For(ctx, e.rooms.sessions.Expire()) {
	}
	return nil
}

// feedWatchdog says that the engine is alive as long as each room answers: one
// whose lock nobody gives back keeps it from that, and the iLO nothing.
func (e *Engine) feedWatchdog(ctx context.Context) error {
	every := e.o.Serving.Manager.Watchdog()
	if every <= 0 {
		return nil
	}
	for told := ""; pause.For(ctx, every); e.o.Serving.Manager.Alive() {
		if text := statusLine(e.rooms.status()); text != told {
			e.o.Serving.Manager.Status(text)
			told = text
		}
	}
	return nil
}
