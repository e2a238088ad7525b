package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ilod/ilod/agent"
	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/platform"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the configuration",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "show",
		Short: "Print the configuration in effect",
		Long: `Print the configuration in effect, in the form of a configuration file. Flags come
first, then the environment, the file, and the defaults. Secrets are left out.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return a.showConfig() },
	})
	return cmd
}

func (a *app) showConfig() error {
	credentials, err := a.config.Credentials(os.Getenv)
	if err != nil {
		return err
	}
	a.config.Socket = a.config.SocketPath()
	var text bytes.Buffer
	if err := a.config.Write(&text); err != nil {
		return err
	}
	if a.json {
		var doc map[string]any
		if _, err := toml.Decode(text.String(), &doc); err != nil {
			return err
		}
		return json.NewEncoder(a.stdout).Encode(doc)
	}
	if credentials != nil {
		fmt.Fprintf(a.stdout, "# credentials: username = %q, password = %q\n", credentials.UserName, redacted)
	}
	_, err = a.stdout.Write(text.Bytes())
	return err
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
