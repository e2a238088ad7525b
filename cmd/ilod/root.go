package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ilod/ilod/platform"
)

// app is what the commands share: the global flags and the standard streams.
type app struct {
	device               string
	stateDir, runtimeDir string
	timeout              positiveDuration
	json                 bool
	verbose              int
	nocache              bool

	stdin  io.Reader
	stdout *output
	stderr io.Writer
	log    *logrus.Logger
}

func newApp(stdin io.Reader, stdout *os.File, stderr io.Writer) *app {
	return &app{
		timeout: positiveDuration(time.Minute),
		stdin:   stdin, stdout: newOutput(stdout), stderr: stderr,
		log: newLogger(stderr),
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
			hint := "see 'ilod help'"
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				hint = fmt.Sprintf("did you mean '%s'?", strings.Join(near, "' or '"))
			}
			return &usageError{fmt.Sprintf("unknown command %q", args[0]), hint}
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRun: func(*cobra.Command, []string) {
			a.log.SetLevel(min(logrus.WarnLevel+logrus.Level(max(a.verbose, 0)), logrus.DebugLevel))
		},
	}
	root.SuggestionsMinimumDistance = 2
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			topic, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return &usageError{fmt.Sprintf("unknown help topic %q", strings.Join(args, " ")), "see 'ilod help'"}
			}
			return topic.Help()
		},
	})
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err.Error(), fmt.Sprintf("see '%s --help'", cmd.CommandPath())}
	})

	defaults := platform.DefaultDirectories()
	flags := root.PersistentFlags()
	flags.StringVar(&a.device, "device", "auto", "the iLO's `ADDRESS`: auto, a directory such as /dev/hpilo, or unix:PATH")
	flags.StringVar(&a.stateDir, "state-dir", defaults.State, "where to keep what must survive a boot, in `DIR`")
	flags.StringVar(&a.runtimeDir, "runtime-dir", defaults.Runtime, "where to keep what need not, in `DIR`")
	flags.Var(&a.timeout, "timeout", "`LIMIT` of the work; deleting the session has time of its own")
	flags.BoolVar(&a.json, "json", false, "JSON for programs, errors included")
	flags.CountVarP(&a.verbose, "verbose", "v", "say on stderr what is done; twice for more")
	flags.BoolVar(&a.nocache, "nocache", false, "accepted for later use; there is no cache yet")

	root.AddCommand(a.getCommand(), a.rawCommand(), a.doctorCommand(), a.versionCommand(), exitCodesTopic())
	return root
}

// bindEnvironment gives each flag the value of its environment variable, if
// that is set and not empty; the command line then overrides it.
func bindEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		name := "ILOD_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if value, _ := lookup(name); value != "" && err == nil {
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
