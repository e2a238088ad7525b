package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/platform"
)

// sharedFiles are the errors of files that say what ilod does and that others can
// change.
func (a *app) sharedFiles() (errs []error) {
	for _, name := range []string{a.configFile, a.config.CredentialsFile, a.config.TLS.Certificate, a.config.TLS.Key} {
		if name != "" {
			errs = append(errs, platform.SharedFile(name))
		}
	}
	return errs
}

// sharedDirectories are the same of the directories. Their owner may be the user who
// runs the service, unless this process is the service.
func (a *app) sharedDirectories(owners ...string) (errs []error) {
	for _, dir := range []string{a.config.DiskDir(), a.config.RuntimeDir} {
		if dir != "" {
			errs = append(errs, platform.SharedDirectory(dir, owners...))
		}
	}
	return errs
}

// warnOfShared says which files and directories others can change. An agent does not
// start then, and doctor says it in its own way.
func (a *app) warnOfShared(cmd *cobra.Command) {
	path := cmd.CommandPath()
	if path == "ilod agent" || path == "ilod doctor" || cmd.Name() == cobra.ShellCompRequestCmd || strings.HasPrefix(path, "ilod "+hiddenCommand) {
		return
	}
	if err := errors.Join(append(a.sharedFiles(), a.sharedDirectories(serviceAccount)...)...); err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(a.stderr, "warning: "+oneLine(strings.TrimSpace(line)))
		}
	}
}

// serviceAccount is the user who runs the service of the packages.
const serviceAccount = socketGroup
