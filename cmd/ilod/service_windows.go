package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/platform"
)

// serviceName is that of the service, and of its source in the event log.
const serviceName = "ilod"

const serviceDescription = "Serves Redfish of this server's iLO to local programs, from a cache and with one iLO session for all."

// serviceCommands are those for the service manager.
func (a *app) serviceCommands() []*cobra.Command {
	cmd := &cobra.Command{
		Use:   "service",
		Short: "Run the agent as a Windows service",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	sub := func(use, short, long string, run func(context.Context) error) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Long: long, Args: noArguments, Annotations: map[string]string{unconfigured: "yes"},
			RunE: func(cmd *cobra.Command, _ []string) error { return a.bounded(cmd.Context(), run) },
		}
	}
	install := sub("install", "Have Windows start the agent with the system", `Have Windows start the agent with the system, as LocalSystem, and again after
failures. At a shutdown Windows waits until the iLO session is deleted. Warnings and
errors go to the event log, as those of the source ilod.

The program stays where it is: put it where only administrators can change it, such
as below C:\Program Files, before. The service gets the flags and environment
variables of this command that are about files and the iLO, such as --config.`, nil)
	install.Annotations = nil // what it is configured with must be good
	install.RunE = func(cmd *cobra.Command, _ []string) error { return a.installService(cmd) }
	install.Example = `  ilod service install
  ilod service start`
	run := &cobra.Command{
		Use: "run", Short: "Be the service; for the service manager", Args: noArguments,
		Long: `Be the service: what the service manager starts, and nobody else. 'ilod agent' does
the same for anybody.`,
		RunE: func(*cobra.Command, []string) error { return a.runService() },
	}
	cmd.AddCommand(install, run,
		sub("uninstall", "Stop the service and remove it", "Stop the service, which deletes the iLO session, and remove it. The files in\n%ProgramData%\\ilod stay.", func(ctx context.Context) error {
			return platform.RemoveService(ctx, serviceName)
		}),
		sub("start", "Start the service and wait until it serves", "", func(ctx context.Context) error {
			return platform.StartService(ctx, serviceName)
		}),
		sub("stop", "Stop the service and wait until its session is deleted", "", func(ctx context.Context) error {
			return platform.StopService(ctx, serviceName)
		}),
		sub("status", "Show the state of the service", "", func(context.Context) error { return a.serviceStatus() }),
	)
	return []*cobra.Command{cmd}
}

func (a *app) installService(cmd *cobra.Command) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"service", "run"}
	for _, name := range outer {
		f := cmd.Flags().Lookup(name)
		if !f.Changed || name == "session" {
			continue
		}
		value := f.Value.String()
		if slices.Contains([]string{"config", "state-dir", "runtime-dir"}, name) {
			if value, err = filepath.Abs(value); err != nil {
				return err
			}
		}
		args = append(args, "--"+name+"="+value)
	}
	warning, err := platform.InstallService(serviceName, "ilod: iLO agent", serviceDescription, program, args...)
	if warning != nil {
		a.log.WithError(warning).Warn("the service is installed, but some of its options could not be set")
	}
	return err
}

// runService is the agent under the service manager.
func (a *app) runService() error {
	var failed error
	err := platform.RunService(serviceName, func(ctx context.Context, service *platform.WindowsService) uint32 {
		// Nobody reads standard error.
		if hook, err := platform.EventLog(serviceName); err == nil {
			defer func() { _ = hook.Close() }()
			a.log.AddHook(hook)
		}
		if failed = a.runAgent(ctx, service); failed == nil {
			return 0
		}
		a.log.WithError(failed).Error("the agent has ended")
		row, _ := classify(failed)
		return uint32(row.code)
	})
	if errors.Is(err, platform.ErrNotStarted) {
		return &usageError{err.Error(), "run 'ilod agent', or 'ilod service start'"}
	}
	return errors.Join(err, failed)
}

func (a *app) serviceStatus() error {
	state, pid, err := platform.ServiceState(serviceName)
	if err != nil {
		return err
	}
	if a.json {
		return json.NewEncoder(a.stdout).Encode(struct {
			State string `json:"state"`
			PID   uint32 `json:"pid,omitempty"`
		}{state, pid})
	}
	if pid != 0 {
		state += fmt.Sprintf(", process %d", pid)
	}
	_, err = fmt.Fprintln(a.stdout, state)
	return err
}
