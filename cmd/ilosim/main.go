// Command ilosim simulates an iLO: CHIF channels on a packet socket, and behind them
// the Redfish service of an iLO 4, 5 or 6.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// failure is an error of the work itself: exit status 1. Every other error is
// one of the command line: exit status 2.
type failure struct{ error }

// run is the whole program; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	root := &cobra.Command{
		Use:   "ilosim --listen unix:PATH",
		Short: "Simulate the iLO of an HPE server on a socket",
		Long: `ilosim simulates the iLO of an HPE server. Each connection to its packet socket
is one CHIF channel; ilod reaches it with --device unix:PATH.

It prints one line on standard error when it is ready, and ends with SIGINT or
SIGTERM. Exit status: 0 for success, 1 when it cannot run or --check finds
something, 2 for a wrong command line.`,
		Args:              cobra.NoArgs,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE:              func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), o, cmd.ErrOrStderr()) },
	}
	o.bind(root.Flags())
	root.AddCommand(ctlCommand())
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "ilosim:", err)
	if f := (failure{}); errors.As(err, &f) {
		return 1
	}
	fmt.Fprintln(stderr, "see 'ilosim --help'")
	return 2
}

// serve runs the simulator until ctx ends.
func serve(ctx context.Context, o options, stderr io.Writer) (err error) {
	s, about, err := o.server()
	if err != nil {
		return err
	}
	defer func() {
		errs := []error{err, s.Close()}
		if o.check {
			errs = append(errs, s.Check())
		}
		if err = errors.Join(errs...); err != nil {
			err = failure{err}
		}
	}()
	if o.listen.network == "tcp" {
		served, err := s.ListenTCP(o.listen.address)
		if err != nil {
			return err
		}
		o.listen.address = served.String()
	} else if err := s.ListenUnix(o.listen.address); err != nil {
		return err
	}
	if o.control != "" {
		if err := s.ListenControl(string(o.control)); err != nil {
			return err
		}
	}
	fmt.Fprintf(stderr, "ilosim: %s on %s\n", about, &o.listen)
	<-ctx.Done()
	return nil
}
