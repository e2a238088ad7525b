//go:build manual

package main

import (
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/cmd/ilod/internal/manual"
)

func init() {
	taggedCommands = append(taggedCommands, &cobra.Command{
		Use: "man DIR", Short: "Write the pages of the manual", Args: cobra.ExactArgs(1),
		Annotations: map[string]string{unconfigured: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			date, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
			if err != nil {
				return err
			}
			return manual.Write(cmd.Root(), args[0], time.Unix(date, 0))
		},
	})
}
