package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

// sessionLog prints the last events of sessions, oldest first.
func (a *app) sessionLog(ctx context.Context, c *client.Client, _ []string) error {
	events, err := c.SessionLog(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(append([]api.SessionEvent{}, events...))
	}
	rows := [][]string{{"TIME", "EVENT", "SESSION", "USER", "BY", "FROM", "WHY"}}
	for _, e := range events {
		what := e.String()
		if e.Times > 1 {
			what += fmt.Sprintf(" (%d times)", e.Times)
		}
		rows = append(rows, []string{local(e.Time), what, cmp.Or(e.Session, "-"), cmp.Or(e.User, "-"), cmp.Or(e.By, "-"), cmp.Or(e.From, "-"), e.Why})
	}
	return terminal.Table(a.stdout, rows)
}
