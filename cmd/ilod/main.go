// Command ilod talks to the local iLO of an HPE server.
//
// This package parses flags, writes output and sets exit codes. A command first looks
// for the socket of an agent, and becomes a client of that agent. If there is none, the
// command makes the agent's rooms in its own process. To follow a request to the iLO
// and back, start at package agent.
package main

import (
	"context"
	"fmt"
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
	return a.ended(err)
}

// ended is the exit code for what a command has returned, which is reported.
func (a *app) ended(err error) int {
	if a.query.end != nil {
		if e := a.query.end(); err == nil {
			err = e
		}
	}
	if err == nil {
		err = a.stdout.Err
	}
	if err == nil {
		return 0
	}
	reported, ok := err.(reportedError)
	if !ok {
		return a.report(err)
	}
	if a.place != "" && !a.json {
		fmt.Fprintf(a.stderr, "ilod: %s%v\n", oneLine(redact(a.place)), reported)
	}
	return reported.code
}
