package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path"
	"runtime/debug"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent"
	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/platform"
)

// memoryLimit keeps the agent small: near it the garbage collector works harder
// and nothing else happens.
const memoryLimit = 18 << 20

func (a *app) agentCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Serve Redfish to the tools of this host",
		Long: `Serve Redfish on a Unix socket, on Windows on a named pipe, from a cached tree and
with one session on the iLO for everybody, until SIGTERM or SIGINT; then delete the
session. The agent stays in the foreground: systemd, the service manager of Windows
(ilod service) or a shell puts it into the background.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return a.runAgent(ctx, platform.ServiceManager{})
		},
	}
	cmd.AddCommand(
		a.metricsCommand(),
		&cobra.Command{
			Use: "status", Short: "Show the state of the agent", Args: noArguments,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return a.withClient(cmd.Context(), a.agentStatus)
			},
		},
		a.stopCommand(),
	)
	return cmd
}

// runAgent serves until ctx ends.
func (a *app) runAgent(ctx context.Context, manager agent.ServiceManager) error {
	if err := a.setupLog(); err != nil {
		return err
	}
	if err := errors.Join(append(a.sharedFiles(), a.sharedDirectories()...)...); err != nil {
		return fmt.Errorf("%w: %w", agent.ErrConfig, err)
	}
	debug.SetMemoryLimit(memoryLimit)
	o, err := a.engineOptions(a.log, logrus.DebugLevel)
	if err != nil {
		return err
	}
	members, err := knownRoles(&o.Config.Roles)
	if err != nil {
		return err
	}
	lock, err := a.lockForAgent(ctx)
	if err != nil {
		return err
	}
	b := build()
	o.Unlock = lock.Release
	o.Serving = agent.Serving{Peer: peer, Gone: gone, Manager: manager,
		Info: api.Agent{Version: b.Version, Commit: b.Commit, PID: os.Getpid(), Device: a.config.Device, Socket: a.config.SocketPath()}}
	o.Serving.Listen = func(ctx context.Context) ([]net.Listener, error) {
		given, err := platform.Activated()
		if err != nil {
			return nil, err
		}
		var listeners []net.Listener
		for _, l := range given {
			listeners = append(listeners, l...)
		}
		if len(listeners) > 0 {
			return listeners, nil
		}
		l, err := lock.Listen(ctx, a.config.SocketPath(), socketGroup, members...)
		return []net.Listener{l}, err
	}
	return agent.Run(ctx, o)
}

// knownRoles puts those who have a role into the form in which the system tells
// who has connected. It returns all of them.
func knownRoles(r *agent.RolesConfig) (all []string, err error) {
	for _, members := range []*agent.Members{&r.Admin, &r.Operator, &r.Reader} {
		for _, names := range []*[]string{&members.Users, &members.Groups} {
			if *names, err = platform.AccountIDs(*names); err != nil {
				return nil, fmt.Errorf("%w: roles: %w", agent.ErrConfig, err)
			}
			all = append(all, *names...)
		}
	}
	return all, nil
}

// setupLog makes the log of a daemon of that of a command.
func (a *app) setupLog() error {
	level, err := logrus.ParseLevel(a.config.Log.Level)
	if err != nil {
		return err
	}
	a.log.SetLevel(min(max(level, a.log.GetLevel()), logrus.DebugLevel))
	hook, journal := platform.Journal()
	switch {
	case a.config.Log.Format == "json":
		a.log.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	case a.config.Log.Format == "auto" && journal:
		a.log.AddHook(hook)
		a.log.SetOutput(noOutput{})
	}
	return nil
}

// noOutput is where a log goes that a hook has taken care of.
type noOutput struct{}

func (noOutput) Write(p []byte) (int, error) { return len(p), nil }

func (a *app) agentStatus(ctx context.Context, c *client.Client) error {
	s, err := c.Status(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(s)
	}
	session := "none"
	if s.Session.Session != "" { // as ilo-sessions has it
		if session, err = url.PathUnescape(path.Base(s.Session.Session)); err != nil {
			return fmt.Errorf("the agent's status: %w", err)
		}
		session = oneLine(session) + "\nsince    " + s.Session.Since.Local().Format(time.DateTime)
	}
	_, err = fmt.Fprintf(a.stdout, "agent    %v, process %v, since %s\ndevice   %v\nsession  %s\nlogins   %d, %d failed\ncache    %d answers, %d hits, %d misses, %d too old\n",
		s.Agent.Version, s.Agent.PID, s.Started.Local().Format(time.DateTime), s.Agent.Device, session,
		s.Session.Logins, s.Session.Refusals, s.Cache.Entries, s.Cache.Hits, s.Cache.Misses, s.Cache.Stale)
	return err
}
