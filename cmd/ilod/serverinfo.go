package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/server/selection"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

func (a *app) serverInfoCommand() *cobra.Command {
	var absent bool
	wanted := map[string]*bool{}
	cmd := readerCommand(a, "serverinfo", "Print the parts of the server", func(reader *selection.Reader, ctx context.Context) ([]selection.Section, error) {
		names := slices.DeleteFunc(selection.Sections(), func(name string) bool { return !*wanted[name] })
		if len(names) == 0 {
			names = selection.Sections()
		}
		return reader.Inventory(ctx, names, absent)
	}, a.printInventory)
	for _, name := range selection.Sections() {
		wanted[name] = cmd.Flags().Bool(name, false, "only this, and other parts that are named")
	}
	cmd.Flags().BoolVar(&absent, "showabsent", false, "include absent components")
	return cmd
}

func (a *app) printInventory(inventory []selection.Section) error {
	if a.json {
		byName := map[string][]map[string]any{}
		for _, s := range inventory {
			byName[s.Name] = s.Components
		}
		return a.printJSON(byName)
	}
	for i, s := range inventory {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		fmt.Fprintln(a.stdout, s.Name)
		var lines [][]string // for a single component, a property each
		rows := [][]string{s.Columns}
		for _, c := range s.Components {
			var cells []string
			for _, column := range s.Columns {
				cell := ""
				if v, has := c[column]; has {
					cell = strings.Trim(selection.Scalar(v), `"`)
					lines = append(lines, []string{column, cell})
				}
				cells = append(cells, cell)
			}
			rows = append(rows, cells)
		}
		if len(s.Components) == 1 {
			rows = lines
		}
		if err := terminal.Table(a.stdout, rows); err != nil {
			return err
		}
	}
	return nil
}
