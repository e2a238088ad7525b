package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ilod/ilod/agent"
	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/platform"
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
	stdout *output
	stderr io.Writer
	log    *logrus.Logger
}

func newApp(stdin io.Reader, stdout *os.File, stderr io.Writer) *app {
	return &app{
		stdin: stdin, stdout: newOutput(stdout), stderr: stderr,
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
		a.rawCommand(), a.sessionCommand(), a.txCommand(), a.limitsCommand(), a.agentCommand(), a.cacheCommand(), a.healthCommand(), a.ilosessionsCommand(), a.internalCommand(), a.doctorCommand(), a.configCommand(), a.versionCommand(), exitCodesTopic(), migratingTopic())
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
	a.stdout.json = a.json
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

// globalFlags defines the flags that every command has, and sets what they mean by
// default.
func (a *app) globalFlags(flags *pflag.FlagSet) {
	defaults := platform.DefaultDirectories()
	a.config = defaultConfig(defaults)
	flags.StringVar(&a.configFile, "config", filepath.Join(defaults.Config, "ilod.toml"), "the configuration's `FILE`")
	flags.StringVar(&a.config.Device, "device", a.config.Device, "the iLO's `ADDRESS`: auto, a directory such as /dev/hpilo, unix:PATH, or on Windows dll:PATH")
	flags.StringVar(&a.config.StateDir, "state-dir", a.config.StateDir, "`DIR` for files that must survive a boot")
	flags.StringVar(&a.config.RuntimeDir, "runtime-dir", a.config.RuntimeDir, "`DIR` for files that need not survive a boot")
	flags.StringVar(&a.config.Socket, "socket", "", "the agent's socket, at `PATH`; default: ilod.sock in the directory of --runtime-dir, on Windows the pipe \\\\.\\pipe\\ilod")
	flags.Var((*positiveDuration)(&a.config.Timeout), "timeout", "time `LIMIT` of the work; the deletion of the session is not part of it")
	flags.StringVar(&a.session, "session", "", "the `HANDLE` of a client session with the agent; better in ILOD_SESSION, since others can see arguments")
	flags.BoolVarP(&a.json, "json", "j", false, "JSON for programs, errors included")
	flags.Var(&a.query, "jq", "apply the jq `EXPRESSION` to the JSON, and print each result")
	flags.BoolVar(&a.query.raw, "raw", false, "print strings among the results of --jq without quotes")
	flags.CountVarP(&a.verbose, "verbose", "v", "log to stderr; give it twice for more")
	flags.BoolVar(&a.config.Cache.Disabled, "nocache", a.config.Cache.Disabled, "write nothing outside the directory of --runtime-dir; keep the cache in memory")
	for _, name := range []string{"nologo", "redfish"} {
		flags.Bool(name, false, "has no effect; it is accepted so that ilorest scripts run")
		_ = flags.MarkHidden(name) // it exists
	}
	accountFlags(flags)
}

// flagMistake explains a flag that cannot be read.
func flagMistake(cmd *cobra.Command, err error) error {
	if mistake, ok := errors.AsType[*usageError](err); ok { // whose text has no value in it
		return mistake
	}
	text := err.Error()
	if name, unknown := strings.CutPrefix(text, "unknown flag: "); unknown {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		text += schema.Suggest(name, names)
	}
	if e, unknown := errors.AsType[*pflag.NotExistError](err); unknown && notThere[e.GetSpecifiedName()] != "" {
		return &usageError{err.Error(), notThere[e.GetSpecifiedName()]}
	}
	return &usageError{text, fmt.Sprintf("see '%s --help'", cmd.CommandPath())}
}

// unconfigured marks commands that need no configuration.
const unconfigured = "unconfigured"

// defaultConfig is the configuration without file, environment and flags. The disk
// of Windows PE is a small one in memory, on which a cache has no business.
func defaultConfig(d platform.Directories) agent.Config {
	c := agent.DefaultConfig(d.State, d.Runtime)
	c.Cache.Disabled = platform.WinPE()
	return c
}

// configure reads the configuration file below what flags and environment have
// set.
func (a *app) configure(flags *pflag.FlagSet) error {
	given := map[*pflag.Flag]string{}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			given[f] = f.Value.String()
		}
	})
	_, chosen := given[flags.Lookup("config")]
	if !chosen {
		if err := platform.Trust(a.configFile); err != nil {
			return fmt.Errorf("%w: %w", agent.ErrConfig, err)
		}
	}
	a.config.Device = defaultConfig(platform.DefaultDirectories()).Device
	if err := a.config.ReadFile(a.configFile, !chosen); err != nil {
		return err
	}
	a.configured = a.config.Device
	for f, value := range given {
		if err := f.Value.Set(value); err != nil {
			return err
		}
	}
	if a.config.RuntimeDir == platform.SystemDirectories().Runtime {
		a.config.Socket = cmp.Or(a.config.Socket, platform.Pipe)
	}
	if a.session != "" && !client.IsHandle(a.session) {
		return &usageError{"--session or ILOD_SESSION does not hold a handle", "ilod session new"}
	}
	return a.config.Validate()
}

// bindEnvironment gives each flag the value of its environment variable, if
// that is set and not empty; the command line then overrides it.
func bindEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := "ILOD_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if value, _ := lookup(name); value != "" && err == nil {
			f.Changed = true
			if e := f.Value.Set(value); e != nil {
				err = &usageError{fmt.Sprintf("environment variable %s: invalid value %q for --%s: %v", name, value, f.Name, e), "correct or unset " + name}
			}
		}
	})
	return err
}

// positiveDuration is a flag that holds a duration above 0.
type positiveDuration time.Duration

func (d *positiveDuration) Set(s string) error {
	v, err := time.ParseDuration(s)
	if err != nil {
		return err
	}
	if v <= 0 {
		return fmt.Errorf("must be more than 0")
	}
	*d = positiveDuration(v)
	return nil
}

func (d *positiveDuration) String() string { return time.Duration(*d).String() }

func (d *positiveDuration) Type() string { return "duration" }
