package main

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"
)

func (a *app) iloResetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "iloreset", Short: "Reset the iLO; the server keeps running", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				return a.act(ctx, rt, "Manager.", resetType{name: "ForceRestart", action: "Manager.Reset", parameter: "ResetType"})
			})
		},
	}
}
