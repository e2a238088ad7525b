// Command ilod talks to the local iLO of an HPE server.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:])) }

// run is the whole program; it returns the exit status.
func run(args []string) int {
	// Without this a closed pipe on stdout would end the process before its
	// session is deleted; so the write fails instead.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	a := newApp(os.Stdin, os.Stdout, os.Stderr)
	root := a.rootCommand()
	root.SetArgs(args)
	err := bindEnvironment(root.PersistentFlags(), os.LookupEnv)
	if err == nil {
		err = root.ExecuteContext(context.Background())
	}
	if err == nil {
		err = a.stdout.err
	}
	if err == nil {
		return 0
	}
	if reported, ok := err.(reportedError); ok {
		return reported.code
	}
	return a.report(err)
}
