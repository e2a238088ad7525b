package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent"
	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/freshness"
	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/cache"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/platform"
)

// socketGroup may use the agent's socket, if it exists.
const socketGroup = "ilod"

// engineOptions are what an agent and a command without agent have in common;
// the rest is up to the caller.
//
// Exchanges with the iLO are logged at the given level.
func (a *app) engineOptions(log *logrus.Logger, level logrus.Level) (agent.Options, error) {
	device, err := chif.ParseDevice(a.config.Device)
	if err != nil {
		return agent.Options{}, err
	}
	var transport *chif.Transport
	serial, _ := platform.Machine()
	boot, _ := platform.BootID() // not known where the system does not tell
	seal, unseal := platform.Sealing()
	return agent.Options{
		Config: a.config, Log: log,
		Store: func(ctx context.Context) (agent.Store, error) { return a.openStore(ctx, log) },
		ILO: agent.ILO{
			Transport: func(onReset func()) (agent.Transport, error) {
				var err error
				transport, err = chif.NewTransport(device, chif.TransportOptions{
					MaxChannels: a.config.Channels,
					BusyTimeout: min(busyTimeout, time.Duration(a.config.Timeout)),
					OnReset: func() {
						a.log.Warn("the iLO was reset")
						onReset()
					},
				})
				if err != nil {
					return nil, err
				}
				return closer{logged{transport, log, level}, transport}, nil
			},
			NotSent: notSent, Problem: problem,
			Credentials: func() (*ilosession.Credentials, error) { return a.credentials(device) },
			Serial: func(ctx context.Context) (string, error) {
				status, err := transport.Status(ctx)
				return status.Serial, err
			},
		},
		Host: agent.Host{
			// The address, too, since another one may be that of another server.
			Identity: freshness.Identity{Serial: strings.TrimSpace(serial + " " + device.String()), BootID: boot},
			Uptime:   platform.Uptime, Seal: seal, Unseal: unseal,
		},
	}, nil
}

// credentials are those of the configuration, for the device of the configuration
// alone: what answers at one that a flag or the environment names could ask for a login
// to learn them.
func (a *app) credentials(device chif.Device) (*ilosession.Credentials, error) {
	c, err := a.config.Credentials(os.Getenv)
	if err != nil || c == nil {
		return nil, err
	}
	configured, err := chif.ParseDevice(a.configured)
	if err != nil {
		return nil, err
	}
	if configured.String() != device.String() {
		a.log.WithFields(logrus.Fields{"device": device.String(), "configured": configured.String()}).
			Warn("the configured credentials are not used: they belong to the configured device")
		return nil, nil
	}
	return c, nil
}

// closer is a transport inside another.
type closer struct {
	http.RoundTripper
	io.Closer
}

func notSent(err error) bool { return errors.Is(err, chif.ErrNotSent) }

// openStore opens the cache: on disk, if it may be.
func (a *app) openStore(ctx context.Context, log logrus.FieldLogger) (agent.Store, error) {
	o := cache.Options{
		MaxBytes: int64(a.config.Cache.MaxSize),
		Verify: func(ctx context.Context, dir string) error {
			cmd, err := self(ctx, "verify-cache", dir)
			if err != nil {
				return err
			}
			return cmd.Run()
		},
		Warn: func(what string, err error) { log.WithError(err).Warn(what) },
	}
	if a.config.Cache.Disabled {
		o.MaxBytes = min(o.MaxBytes, 32<<20)
	} else {
		o.Dir = a.config.CacheDir()
	}
	s, err := cache.Open(ctx, o)
	return store{s}, err
}

// store shows its state to package agent, which must not know its type.
type store struct{ *cache.Store }

func (s store) State() any { return s.Stats() }

// self runs this program with one of its hidden verbs.
func self(ctx context.Context, verb string, args ...string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, append([]string{hiddenCommand, verb}, args...)...)
	cmd.Args[0] = "ilod"
	return cmd, nil
}

// withEngine runs f with an engine of this process, whose session is deleted in
// the end, whatever happens. It fails with agentsocket.ErrAgentCame if an agent starts first.
func (a *app) withEngine(ctx context.Context, f func(context.Context, http.RoundTripper) error) error {
	log := a.log
	if a.verbose == 0 {
		log = newLogger(a.stderr)
		log.SetLevel(logrus.ErrorLevel) // what goes wrong is reported once, by the command
	}
	o, err := a.engineOptions(log, logrus.InfoLevel)
	if err != nil {
		return err
	}
	lock, err := a.lockUnlessAgent(ctx)
	if err != nil {
		return err
	}
	if o.Guardian, err = a.startGuardian(o.Host.Identity.BootID); err != nil {
		log.WithError(err).Warn("if this command is killed, its session stays until ilod runs again")
	}
	o.Unlock = func() error {
		if err := o.Guardian.Close(); err != nil {
			log.WithError(err).Warn("the guardian has ended before this command")
		}
		return lock.Release()
	}
	e, err := agent.Start(ctx, o)
	if err != nil {
		return err
	}
	if err := e.Recover(ctx); err != nil {
		log.WithError(err).Warn("recovery of an earlier command is incomplete; retrying")
	}
	err = f(ctx, e)
	stopping := e.Stop()
	if err == nil {
		return stopping
	}
	if stopping != nil {
		a.report(stopping)
	}
	return err
}

// startGuardian starts the process that deletes the session if this one is
// killed. It does not share the instance lock: with an iLO out of reach it may be
// at work for minutes, and the ledger is made for both.
func (a *app) startGuardian(boot string) (*ilosession.Guardian, error) {
	cmd, err := self(context.Background(), "guardian")
	if err != nil {
		return nil, err
	}
	platform.Detach(cmd)
	return ilosession.StartGuardian(cmd, ilosession.GuardianConfig{
		Device: a.config.Device, StateDir: a.config.DiskDir(), RuntimeDir: a.config.RuntimeDir, Boot: boot,
	})
}

// peer is who is at the other end of a connection.
func peer(c net.Conn) (gateway.Peer, error) {
	p, err := platform.PeerOf(c)
	return gateway.Peer(p), err
}

// gone reports a process that has ended.
func gone(p api.Process) bool { return platform.ProcessEnded(p.ID, p.Started) }

// problem explains an error to clients of the agent: a program of ours finds in
// the text the name of the exit code that it must end with.
func problem(err error) gateway.Problem {
	row, _ := classify(err)
	cause := causes[row.code]
	if cause == gateway.Unknown && row.code == general {
		return gateway.Problem{Text: redact(err.Error())}
	}
	if cause == gateway.Timeout && errors.Is(err, ilosession.ErrNoLogin) {
		cause = gateway.Busy // nothing was sent: the client may come again
	}
	return gateway.Problem{Cause: cause, Text: fmt.Sprintf("%s: %s", row.name, redact(err.Error()))}
}

// causes are the gateway's words for exit codes.
var causes = map[int]gateway.Cause{
	2: gateway.Invalid, 5: gateway.NoChannel, 34: gateway.NoChannel, 67: gateway.Busy, 75: gateway.Refused,
	90: gateway.OutcomeUnknown, 91: gateway.SessionLimit, 32: gateway.Credentials, 71: gateway.Protocol, 33: gateway.Timeout,
}
