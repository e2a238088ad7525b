package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/server/selection"
)

func (a *app) serverInfoCommand() *cobra.Command {
	var r reading
	var absent bool
	wanted := map[string]*bool{}
	cmd := &cobra.Command{
		Use: "serverinfo", Short: "Print what the server consists of", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var names []string
			for _, name := range selection.Sections() {
				if *wanted[name] {
					names = append(names, name)
				}
			}
			if names == nil {
				names = selection.Sections()
			}
			s := selecting{reading: r}
			if err := s.check(); err != nil {
				return err
			}
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				reader, err := s.reader(rt)
				if err != nil {
					return err
				}
				inventory, err := reader.Inventory(ctx, names, absent)
				if err != nil {
					return err
				}
				if err := a.printInventory(inventory); err != nil {
					return err
				}
				return partly(reader)
			})
		},
	}
	for _, name := range selection.Sections() {
		wanted[name] = cmd.Flags().Bool(name, false, "only this, and what else is named so")
	}
	cmd.Flags().BoolVar(&absent, "showabsent", false, "tell of absent components, too")
	r.flags(cmd.Flags())
	return cmd
}

func (a *app) printInventory(inventory []selection.Section) error {
	if a.json {
		byName := map[string][]map[string]any{}
		for _, s := range inventory {
			byName[s.Name] = s.Components
		}
		_, err := io.WriteString(a.stdout, selection.JSON(byName, "  "))
		return err
	}
	for i, s := range inventory {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		fmt.Fprintln(a.stdout, s.Name)
		var rows []string
		for _, c := range s.Components {
			var cells []string
			for _, column := range s.Columns {
				v, has := c[column]
				cell := ""
				if has {
					cell = strings.Trim(selection.Scalar(v), `"`)
				}
				if len(s.Components) == 1 {
					if has {
						rows = append(rows, row(column, cell))
					}
					continue
				}
				cells = append(cells, cell)
			}
			if cells != nil {
				rows = append(rows, row(cells...))
			}
		}
		header := strings.Join(s.Columns, "\t")
		if len(s.Components) == 1 {
			header, rows = rows[0], rows[1:]
		}
		if err := writeTable(a.stdout, header, rows); err != nil {
			return err
		}
	}
	return nil
}
