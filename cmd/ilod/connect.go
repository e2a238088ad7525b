package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent"
	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/cmd/ilod/agentsocket"
	"github.com/ilod/ilod/platform"
)

// busyTimeout is how long to wait for a channel when --timeout allows it.
const busyTimeout = 30 * time.Second

// bounded runs f with a context that ends with --timeout or at a signal.
func (a *app) bounded(ctx context.Context, f func(context.Context) error) error {
	if a.held == nil { // else who holds it takes the signals
		var stop func()
		ctx, stop = interruptible(ctx)
		defer stop()
	}
	if cancel := a.query.cancel; cancel != nil {
		defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()
	}
	limited, cancel := context.WithTimeoutCause(ctx, time.Duration(a.config.Timeout), agentsocket.ErrOverdue)
	defer cancel()
	return signalled(ctx, f(limited))
}

// signalled says of an error that a signal has ended ctx, if so.
func signalled(ctx context.Context, err error) error {
	var signal interrupted
	if err == nil || !errors.As(context.Cause(ctx), &signal) {
		return err
	}
	if _, reported := err.(reportedError); reported {
		return signal
	}
	return fmt.Errorf("%w: %w", signal, err)
}

// withTransport runs f with a transport whose channels are closed in the end.
func (a *app) withTransport(d chif.Device, o chif.TransportOptions, f func(*chif.Transport) error) error {
	o.BusyTimeout = min(cmp.Or(o.BusyTimeout, busyTimeout), time.Duration(a.config.Timeout))
	o.OnReset = func() { a.log.Warn("the iLO was reset") }
	t, err := chif.NewTransport(d, o)
	if err != nil {
		return err
	}
	err = f(t)
	if closing := t.Close(); err == nil {
		err = closing
	}
	return err
}

// withILO runs f with a way to the iLO; see reach.
func (a *app) withILO(ctx context.Context, f func(context.Context, http.RoundTripper) error) error {
	return a.bounded(ctx, func(ctx context.Context) error {
		return a.reach(ctx, func(ctx context.Context, rt http.RoundTripper) error {
			return f(ctx, &roomMaker{next: rt, a: a})
		})
	})
}

// reach runs f with the way to the iLO that is held, else through the agent if
// there is one, else by an engine of this process.
func (a *app) reach(ctx context.Context, f func(context.Context, http.RoundTripper) error) error {
	if a.held != nil {
		return f(ctx, a.held)
	}
	for {
		client, err := a.dialAgent(ctx)
		if err != nil {
			return err
		}
		if client != nil {
			defer client.Close()
			return f(ctx, a.inSession(client))
		}
		if a.session != "" {
			return fmt.Errorf("%w, and client sessions exist only in an agent", a.noAgent())
		}
		if err := a.withEngine(ctx, f); !errors.Is(err, agentsocket.ErrAgentCame) {
			return err
		}
	}
}

// hold runs f while a way to the iLO is held, in a client session that is made
// and ended here, unless --session names one. Only the way there is bounded by
// --timeout. If f fails with errExpired, it is run again in another client session.
func (a *app) hold(ctx context.Context, name string, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := time.AfterFunc(time.Duration(a.config.Timeout), func() { cancel(agentsocket.ErrOverdue) })
	defer limit.Stop()
	begin := func(ctx context.Context, rt http.RoundTripper, handle string) error {
		limit.Stop()
		a.held = asSession{rt, handle}
		defer func() { a.held = nil }()
		return f(ctx)
	}
	return a.reach(ctx, func(ctx context.Context, rt http.RoundTripper) error {
		if a.session != "" {
			return begin(ctx, rt, a.session)
		}
		for {
			s, handle, err := a.newSession(ctx, clientOf(rt), api.NewSession{Name: name, Command: true})
			if err != nil {
				return err
			}
			err = begin(ctx, rt, handle)
			a.endOwnSession(ctx, clientOf(asSession{rt, handle}), s.ID)
			if err != errExpired {
				return err
			}
			a.log.Warn("the client session is a new one: the selection and the staged writes are gone")
		}
	})
}

// errExpired: the client session has ended, and is to be replaced.
var errExpired = errors.New("the client session has ended")

// endTimeout bounds the end of a client session of a command.
const endTimeout = 5 * time.Second

// endOwnSession ends a client session that was made for a command.
func (a *app) endOwnSession(ctx context.Context, c *client.Client, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	err := c.EndSession(ctx, client.Current)
	if err != nil && !is(client.ErrSessionExpired, client.ErrSessionTerminated)(err) { // it expires, and its transaction before
		a.log.WithError(err).WithField("id", id).Warn("the command's client session could not be ended")
	}
}

// dialAgent connects to an agent; it returns nil if there is none.
func (a *app) dialAgent(ctx context.Context) (*agentsocket.Client, error) {
	for _, socket := range sockets(a.config, platform.DefaultDirectories(), platform.SystemDirectories()) {
		if client, err := agentsocket.Dial(ctx, socket); client != nil || err != nil {
			return client, err
		}
	}
	return nil, nil
}

// sockets are where an agent may listen: the user's own or else, unless one was named,
// that of the system.
func sockets(c agent.Config, ours, system platform.Directories) []string {
	all := []string{c.SocketPath()}
	if c.Socket == "" && c.RuntimeDir == ours.Runtime {
		c.RuntimeDir = system.Runtime
		all = append(all, c.SocketPath())
	}
	return slices.Compact(all)
}

// inSession sends requests to the agent in the client session of --session.
func (a *app) inSession(client *agentsocket.Client) http.RoundTripper {
	return asSession{withHeader{fallback{logged{client, a.log, logrus.InfoLevel}, a.log}, http.Header{"User-Agent": {"ilod/" + build().Version}}}, a.session}
}

// asSession sends requests in a client session, unless they name one.
type asSession struct {
	http.RoundTripper
	handle string // "" is none
}

func (s asSession) RoundTrip(req *http.Request) (*http.Response, error) {
	if s.handle != "" && req.Header.Get(tokenHeader) == "" {
		req.Header.Set(tokenHeader, s.handle)
	}
	return s.RoundTripper.RoundTrip(req)
}

// fallback warns when the agent has changed the active path.
type fallback struct {
	next http.RoundTripper
	log  *logrus.Logger
}

func (f fallback) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := f.next.RoundTrip(req)
	if err == nil && resp.Header.Get(clients.ActivePathHeader) != "" {
		f.log.WithField("now", resp.Header.Get(clients.ActivePathHeader)).Warn("the active path no longer exists")
	}
	return resp, err
}

// logged tells the log about each exchange.
type logged struct {
	next  http.RoundTripper
	log   *logrus.Logger
	level logrus.Level // the headers are told one level below
}

func (l logged) RoundTrip(req *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := l.next.RoundTrip(req)
	entry := l.log.WithFields(logrus.Fields{
		"method": req.Method, "path": req.URL.RequestURI(), "took": time.Since(start).Round(time.Millisecond),
	})
	if err != nil {
		entry.WithError(err).Log(l.level, "no answer")
		return nil, err
	}
	entry.WithField("status", resp.StatusCode).Log(l.level, "answer")
	entry.WithField("headers", resp.Header).Log(l.level+1, "answer's headers")
	return resp, nil
}
