//go:build !windows

package main

import "github.com/spf13/cobra"

// serviceCommands are on Windows only.
func (a *app) serviceCommands() []*cobra.Command { return nil }
