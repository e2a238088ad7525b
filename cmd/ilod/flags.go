package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/platform"
)

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

// aliases are ilorest's names for flags.
func aliases(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch name {
	case "selector":
		name = "select"
	case "refresh":
		name = "fresh"
	case "cache-dir":
		name = "state-dir"
	}
	return pflag.NormalizedName(name)
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
