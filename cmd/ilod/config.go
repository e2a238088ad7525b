package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "The configuration",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "show",
		Short: "Print the configuration that is in effect",
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
