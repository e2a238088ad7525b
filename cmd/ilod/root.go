package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

// app is what the commands share: the global flags and the standard streams.
type app struct {
	config     agent.Config
	configFile string
	configured string // the device of the configuration, whatever flags and environment say
	session    string // the handle of a client session; a secret
	json       bool
	query      query
	verbose    int
	held       http.RoundTripper // the way to the iLO that several commands share
	place      string            // of the command among them, before its errors

	accountNote *sync.Once // that no account is used

	stdin  io.Reader
	stdout *terminal.Output
	stderr io.Writer
	log    *logrus.Logger
}

func newApp(stdin io.Reader, stdout *os.File, stderr io.Writer) *app {
	return &app{
		stdin: stdin, stdout: terminal.NewOutput(stdout), stderr: stderr,
		log: newLogger(stderr), accountNote: new(sync.Once),
	}
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "ilod",
		Short: "Talk to the local iLO of an HPE server",
		Long: `ilod talks to the local iLO of an HPE server over its CHIF channel.

Each global flag can be set by an environment variable as well: ILOD_ and the
flag's name in capitals, such as ILOD_DEVICE or ILOD_STATE_DIR.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return &usageError{fmt.Sprintf("unknown command %q", args[0]), hintFor(cmd, args[0])}
		},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.prepare(cmd) },
	}
	root.SetHelpCommand(helpCommand())
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(flagMistake)
	a.globalFlags(root.PersistentFlags())
	root.SetGlobalNormalizationFunc(aliases)
	root.AddCommand(a.getCommand(), a.listCommand(), a.selectCommand(), a.typesCommand(), a.infoCommand(),
		a.setCommand(), a.statusCommand(), a.commitCommand(), a.pendingCommand(), a.resultsCommand(), a.rebootCommand(), a.iloResetCommand(), a.loginCommand(), a.logoutCommand(), a.saveCommand(), a.loadCommand(), a.serverInfoCommand())
	root.AddCommand(a.rawVerbs()...)
	root.AddCommand(
		a.rawCommand(), a.deleteCommand(), a.sessionCommand(), a.txCommand(), a.limitsCommand(), a.agentCommand(), a.cacheCommand(), a.healthCommand(), a.ilosessionsCommand(), a.internalCommand(), a.doctorCommand(), a.configCommand(), a.versionCommand(), exitCodesTopic(), migratingTopic())
	root.AddCommand(a.batchCommand(), a.shellCommand(), a.completionCommand())
	root.AddCommand(a.serviceCommands()...)
	completeHelp(root)
	return root
}

// prepare makes the app ready to run a command, whose flags are read.
func (a *app) prepare(cmd *cobra.Command) error {
	a.log.SetLevel(min(logrus.WarnLevel+logrus.Level(max(a.verbose, 0)), logrus.DebugLevel))
	if cmd.Name() == cobra.ShellCompRequestCmd {
		a.completes(cmd.Root())
	}
	a.stdout.JSON = a.json
	a.noteAccount(cmd.Flags())
	if a.query.raw && a.query.code == nil {
		return &usageError{"--raw is for --jq", "ilod get PowerState --select ComputerSystem. --jq .PowerState --raw"}
	}
	if cmd.Annotations[unconfigured] == "" && a.held == nil {
		if err := a.configure(cmd.Root().PersistentFlags()); err != nil {
			return err
		}
		a.warnOfShared(cmd)
	}
	a.beginQuery(cmd.Context())
	return nil
}
