package main

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent"
	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/cache"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/platform"
	"github.com/ilod/ilod/platform/ownedfile"
)

// hiddenCommand has the verbs with which ilod runs itself.
const hiddenCommand = "internal"

// taggedCommands are the verbs that a build tag adds.
var taggedCommands []*cobra.Command

func (a *app) internalCommand() *cobra.Command {
	cmd := &cobra.Command{Use: hiddenCommand, Hidden: true, Short: "Verbs with which ilod runs itself"}
	cmd.AddCommand(
		&cobra.Command{
			Use: "guardian", Short: "Delete a session whose owner is killed", Args: noArguments,
			Annotations: map[string]string{unconfigured: "yes"},
			RunE: func(cmd *cobra.Command, _ []string) error {
				seal, unseal := platform.Sealing()
				return ilosession.ServeGuardian(cmd.Context(), a.stdin, ilosession.GuardianOptions{
					Seal: seal, Unseal: unseal, NotSent: notSent, Log: a.log,
					Transport: func(address string) (http.RoundTripper, io.Closer, error) {
						device, err := chif.ParseDevice(address)
						if err != nil {
							return nil, nil, err
						}
						t, err := chif.NewTransport(device, chif.TransportOptions{MaxChannels: 1})
						return t, t, err
					},
				})
			},
		},
		&cobra.Command{
			Use: "verify-cache DIR", Short: "Read a whole cache", Args: cobra.ExactArgs(1),
			Annotations: map[string]string{unconfigured: "yes"},
			RunE:        func(_ *cobra.Command, args []string) error { return cache.Verify(args[0]) },
		},
		&cobra.Command{
			Use: "sweep", Short: "Delete the sessions that a killed agent left", Args: noArguments,
			RunE: func(cmd *cobra.Command, _ []string) error { return a.bounded(cmd.Context(), a.sweep) },
		},
		&cobra.Command{
			Use: "give DIR...", Short: "Give the owner of a directory what root has made in it", Args: cobra.MinimumNArgs(1),
			Annotations: map[string]string{unconfigured: "yes"},
			RunE: func(_ *cobra.Command, dirs []string) error {
				var errs []error
				for _, dir := range dirs {
					errs = append(errs, ownedfile.GiveAll(dir))
				}
				return errors.Join(errs...)
			},
		},
	)
	cmd.AddCommand(taggedCommands...)
	return cmd
}

// sweep does what the next start would. It looks for no agent: to connect to the
// socket that systemd keeps would start one.
func (a *app) sweep(ctx context.Context) error {
	o, err := a.engineOptions(a.log, logrus.DebugLevel)
	if err != nil {
		return err
	}
	lock, err := a.waitForLock(ctx, func(*platform.LockedError) error { return nil })
	if err != nil {
		return err
	}
	o.Unlock = lock.Release
	e, err := agent.Start(ctx, o)
	if err != nil {
		return err
	}
	return errors.Join(e.Recover(ctx), e.Stop())
}
