package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"time"

	"github.com/ilod/ilod/agent"
	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/cache"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/cmd/ilod/agentsocket"
	"github.com/ilod/ilod/platform"
)

// agentPatience is how long the agent may take for what it knows by itself.
const agentPatience = 5 * time.Second

// noAgent says why there is none, and removes the socket of one that died. The
// instance lock shows that its holder is not about to serve.
func (d *doctor) noAgent(ctx context.Context, dialing error) {
	socket := d.Config.SocketPath()
	info, err := os.Lstat(socket)
	lock, locking := d.lock(ctx)
	if lock != nil {
		defer func() { _ = lock.Release() }()
	}
	switch {
	case errors.Is(dialing, chif.ErrPermission):
		d.barred = "needs a socket that this user may use"
		d.add("problem", "agent", "this user may not use the socket "+socket, "run as root, or have root run 'usermod -aG ilod USER', log in again and have a role", dialing)
	case dialing != nil:
		d.barred = "needs a socket of an agent, or none"
		d.trouble("agent", "name another --socket", dialing)
	case errors.Is(locking, platform.ErrLocked):
		d.barred = "another process has the instance lock"
		d.problem("agent", locking)
	case err != nil:
		d.ok("agent", "none is running; commands work without one")
	case info.Mode().Type() != fs.ModeSocket:
		d.trouble("agent", "name another --socket, or remove this one", fmt.Errorf("%s is not a socket", socket))
	case !d.Fix:
		d.trouble("agent", "run 'ilod doctor --fix', or start the agent", fmt.Errorf("%w: the last one died and left %s", agentsocket.ErrNoAgent, socket))
	case lock == nil:
		d.trouble("agent", "run as the user whose socket it is", locking)
	default:
		if err := removeStale(ctx, socket); err != nil {
			d.trouble("agent", "run as the user whose socket it is", err)
			return
		}
		d.fixed("agent", "removed %s, which a dead agent had left", socket)
	}
}

// removeStale removes a socket, unless somebody listens there by now: the holder
// of another directory's lock may have been told the same path.
func removeStale(ctx context.Context, socket string) error {
	client, err := agentsocket.Dial(ctx, socket)
	if client != nil {
		client.Close()
		return agentsocket.ErrAgentCame
	}
	return errors.Join(err, os.Remove(socket))
}

// lock takes the instance lock, of those directories that exist.
func (d *doctor) lock(ctx context.Context) (*platform.Lock, error) {
	if _, err := os.Stat(d.Config.RuntimeDir); err != nil {
		return nil, err
	}
	state := d.Config.DiskDir()
	if _, err := os.Stat(state); err != nil {
		state = ""
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return platform.AcquireLock(ctx, d.Config.RuntimeDir, state)
}

// throughAgent asks the agent for what it knows, and the iLO through it.
func (d *doctor) throughAgent(ctx context.Context, found http.RoundTripper, device chif.Device) {
	rt := d.Logged(found)
	status, err := patiently(ctx, clientOf(rt).Status)
	if err != nil {
		d.agentProblem("agent", err)
		for _, check := range []string{"cache", "channel", "service root", "session table", "security state"} {
			d.skip(check, "needs an agent that answers")
		}
		return
	}
	d.agentState(status, device)
	d.openCache(ctx, rt)
	d.skip("channel", "the agent is using it")
	asked := fresh{rt}
	if !d.serviceRoot(ctx, asked) {
		d.skip("session table", "needs an iLO that answers")
		d.skip("security state", "needs an iLO that answers")
		return
	}
	if d.NoLogin && status.Session.Session == "" {
		d.skip("session table", noLoginWanted)
		d.skip("security state", noLoginWanted)
		return
	}
	if err := d.sessionTable(ctx, rt); err != nil {
		d.agentProblem("session table", err)
		d.skip("security state", "needs a session")
		return
	}
	d.securityService(ctx, asked)
}

// clientOf asks those behind rt, who need not be an agent.
func clientOf(rt http.RoundTripper) *client.Client { return &client.Client{Transport: rt} }

// fresh reads from the iLO, not from the agent's cache.
type fresh struct{ http.RoundTripper }

func (f fresh) RoundTrip(req *http.Request) (*http.Response, error) {
	req.Header.Set("Cache-Control", "no-cache")
	return f.RoundTripper.RoundTrip(req)
}

// patiently asks the agent for what it knows by itself.
func patiently[T any](ctx context.Context, ask func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, agentPatience, agentsocket.ErrOverdue)
	defer cancel()
	return ask(ctx)
}

// agentProblem knows that not everybody may ask the agent.
func (d *doctor) agentProblem(check string, err error) {
	e, _ := errors.AsType[*redfisherror.Error](err)
	switch {
	case e != nil && e.Status == http.StatusForbidden && !d.Told(err):
		d.trouble(check, "ask root for a role in ilod.toml, or run as root", err)
	case errors.Is(err, context.DeadlineExceeded):
		d.trouble(check, "run 'ilod agent stop' and start it again", err)
	default:
		d.problem(check, err)
	}
}

func (d *doctor) agentState(s api.Status, device chif.Device) {
	d.ok("agent", "%s, process %d, since %s", s.Agent.Version, s.Agent.PID, s.Started.Local().Format(time.DateTime))
	if served, err := chif.ParseDevice(s.Agent.Device); err == nil && served.String() != device.String() {
		d.add("problem", "agent device", fmt.Sprintf("the agent serves %s, and commands use the agent", served), "leave --device out, or name another agent's --socket", agent.ErrConfig)
	}
	if s.TLS != nil && s.TLS.Error != "" {
		d.trouble("agent TLS", "end the program that has the port, or name another one in tls.listen", errors.New(s.TLS.Error))
	} else if s.TLS != nil {
		d.ok("agent TLS", "listens on %s", s.TLS.Address)
	}
	session := "none"
	if s.Session.Session != "" {
		session = s.Session.Session
	}
	d.ok("agent session", "%s; %d logins, %d failed", session, s.Session.Logins, s.Session.Refusals)
	if s.Session.LedgerError != "" {
		d.trouble("ledger", "let the agent write to its directories, then restart it", errors.New(s.Session.LedgerError))
	} else {
		d.ok("ledger", "sessions of ilod that may still be on the iLO: %d", s.Session.LedgerEntries)
	}
}

// openCache asks about the cache that an agent has.
func (d *doctor) openCache(ctx context.Context, rt http.RoundTripper) {
	var s cache.Stats
	state, err := patiently(ctx, clientOf(rt).Cache)
	if err == nil {
		err = json.Unmarshal(state.Store, &s)
	}
	switch {
	case err != nil:
		d.agentProblem("cache", err)
	case s.Fallback != "":
		d.trouble("cache", "repair the state directory, then restart the agent", fmt.Errorf("in memory: %s", s.Fallback))
	case s.Damaged > 0:
		d.trouble("cache", "nothing to do: they are read again. If this happens again, check the disk", fmt.Errorf("%d of its entries were damaged", s.Damaged))
	case s.OnDisk:
		d.ok("cache", "%d answers, %d KiB on disk", s.Entries, s.DiskBytes>>10)
	default:
		d.ok("cache", "%d answers, in memory, as --nocache says", s.Entries)
	}
}
