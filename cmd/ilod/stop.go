package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/cmd/ilod/agentsocket"
	"github.com/ilod/ilod/platform"
)

func (a *app) stopCommand() *cobra.Command {
	return &cobra.Command{
		Use: "stop", Short: "Stop the agent and wait until it has ended", Args: noArguments,
		Long: `Ask the agent on the socket to stop. It finishes its work, deletes its session on the
iLO, and ends. The command waits for that. Admins of the agent may do this, and the
user who runs it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.bounded(cmd.Context(), a.stopAgent)
		},
	}
}

// stopAgent has the agent of the socket end, and waits until its process is gone.
func (a *app) stopAgent(ctx context.Context) error {
	client, err := a.dialAgent(ctx)
	if err != nil {
		return err
	}
	if client == nil {
		return a.noAgent()
	}
	defer client.Close()
	pid, ours := a.processOf(ctx, client)
	var process *platform.Process
	if pid != 0 && pid != os.Getpid() {
		// Opened before it is asked, so that no other process is waited for.
		if process, err = platform.OpenProcess(pid); err == nil {
			defer func(p *platform.Process) { _ = p.Close() }(process)
			if !process.RunsAsOwnerOf(client.Path) {
				a.log.WithField("pid", pid).Warn("what the agent says is not the number of its process")
				process = nil
			}
		}
	}
	if err := a.askToStop(ctx, client, process, ours); err != nil {
		return err
	}
	// An open connection would delay its end.
	client.Close()
	if process == nil {
		fmt.Fprintln(a.stderr, "ilod: the agent was asked to stop; its end cannot be seen from here")
		return nil
	}
	if err := process.Wait(ctx); err != nil {
		return fmt.Errorf("the agent (process %d) was asked to stop and still runs: %w", pid, err)
	}
	fmt.Fprintf(a.stderr, "ilod: the agent (process %d) has ended\n", pid)
	return nil
}

// askToStop asks the agent. One that refuses gets a signal, if its process is the
// user's own: it may know no role for that user, or want a client session.
func (a *app) askToStop(ctx context.Context, client *agentsocket.Client, process *platform.Process, ours bool) error {
	err := clientOf(a.inSession(client)).Stop(ctx)
	refused, _ := errors.AsType[*redfisherror.Error](err)
	if process == nil || !ours || refused == nil || refused.Status != http.StatusUnauthorized && refused.Status != http.StatusForbidden {
		return err
	}
	if signalling := process.Terminate(); signalling != nil {
		return fmt.Errorf("%w; %w", err, signalling)
	}
	return nil
}

// processOf finds the process of the agent, and whether it is the user's own. The
// kernel knows who listens, unless that is the service manager, who has passed the
// socket on; then the agent itself says it, and has to be believed about processes of
// its own user alone: root would end any. 0 is unknown.
func (a *app) processOf(ctx context.Context, client *agentsocket.Client) (pid int, ours bool) {
	if p, err := client.Server(); err == nil && p.PID > 1 {
		return int(p.PID), int(p.UID) == os.Geteuid()
	}
	s, err := clientOf(client).Status(ctx)
	if err != nil {
		return 0, false
	}
	return s.Agent.PID, os.Geteuid() == 0
}
