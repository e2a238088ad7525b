package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// noArguments refuses arguments.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		hint := hintFor(cmd, args[0])
		if cmd.Flags().Lookup("filename") != nil {
			hint = "a file is named with -f"
		}
		return &usageError{fmt.Sprintf("unexpected argument %q", args[0]), hint}
	}
	return nil
}

// atMostOne wants one argument or none.
func atMostOne(what, hint string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 || len(args) == 1 && args[0] == "" {
			return &usageError{cmd.Name() + " takes one argument: " + what, hint}
		}
		return nil
	}
}

// oneArgument wants one argument, and says what that is and which command lists them.
func oneArgument(what, list string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return &usageError{cmd.Name() + " needs the " + what, "see '" + list + "'"}
		}
		return nil
	}
}

// atMost wants no argument, or those that are wanted.
func atMost(wanted cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return wanted(cmd, args)
	}
}
