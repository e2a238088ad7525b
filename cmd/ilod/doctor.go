package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/ilod/ilod/cmd/ilod/doctor"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

func (a *app) doctorCommand() *cobra.Command {
	var fix, noLogin bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find what is wrong between this host and its iLO",
		Long: `Check everything between this host and its iLO from the bottom up, one line each,
and say what to do about a problem. The exit code is that of the first problem.

Doctor asks a running agent. Without one it opens a channel itself. It logs in once,
to read the iLO's session table, and logs out again; with --no-login it does not.

--fix repairs what it can repair safely, and says so: it loads the driver of an iLO
that is present, makes missing directories, and removes the socket of a dead agent.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.bounded(cmd.Context(), func(ctx context.Context) error {
				return a.printFindings(doctor.Examine(ctx, doctor.Options{
					Fix: fix, NoLogin: noLogin,
					Config: a.config, Service: serviceAccount, Files: a.sharedFiles(),
					Agent: a.dialAgent, Channels: a.withTransport, ILO: a.withEngine,
					Logged: func(rt http.RoundTripper) http.RoundTripper { return logged{rt, a.log, logrus.InfoLevel} },
					Told: func(err error) bool {
						_, ok := told(err)
						return ok
					},
				}))
			})
		},
	}
	cmd.Flags().BoolVar(&fix, "fix", false, "repair what can be repaired safely")
	cmd.Flags().BoolVar(&noLogin, "no-login", false, "skip checks that need a login")
	return cmd
}

// findingIndent is where the detail of a line begins.
const findingIndent = 8 + 1 + 16 + 1

// printFindings ends the program with the code of the first problem.
func (a *app) printFindings(all []doctor.Finding) error {
	code := 0
	var text strings.Builder
	for i := range all {
		f := &all[i]
		if f.Err != nil {
			row, hint := classify(f.Err)
			f.Remedy, code = cmp.Or(f.Remedy, hint), cmp.Or(code, row.code)
		}
		f.Detail = oneLine(redact(f.Detail))
		line := fmt.Sprintf("%-8s %-16s %s", f.Status, f.Check, f.Detail)
		if f.Remedy != "" {
			line += "; remedy: " + f.Remedy
		}
		text.WriteString(terminal.Fold(line, terminal.Width(a.stdout), findingIndent) + "\n")
	}
	var err error
	if a.json {
		err = json.NewEncoder(a.stdout).Encode(all)
	} else {
		_, err = a.stdout.Write([]byte(text.String()))
	}
	if err == nil && code != 0 {
		err = reportedError{code}
	}
	return err
}
