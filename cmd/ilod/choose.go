package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

// candidates are sessions of which one can be ended to make room for another.
type candidates struct {
	sessions any        // the documents
	rows     [][]string // of a table, with its header; an id is first in each
	mustEnd  int        // how many of them
	forAdmin bool       // who asks may not end them
}

// offered tells whether the user may end as many as must end.
func (c *candidates) offered() bool { return !c.forAdmin && len(c.rows)-1 >= c.mustEnd }

// candidatesOf finds in an error who could make room.
func candidatesOf(err error) (c candidates, ok bool) {
	if _, done := errors.AsType[cancelled](err); done {
		return c, false
	}
	if limit, local := errors.AsType[*ilosession.SessionLimitError](err); local {
		return iloCandidates(slices.DeleteFunc(slices.Clone(limit.Sessions), func(e api.ILOSession) bool { return !e.InBand || e.Ours }))
	}
	r, refused := errors.AsType[*client.Error](err)
	switch {
	case !refused:
		return c, false
	case errors.Is(err, client.ErrSessionLimit):
		c, ok = clientCandidates(r.Sessions)
	default:
		c, ok = iloCandidates(r.ILOSessions)
	}
	c.mustEnd, c.forAdmin = max(r.MustEnd, 1), len(r.Ask) > 0
	return c, ok
}

func clientCandidates(sessions []api.Session) (c candidates, ok bool) {
	c = candidates{sessions: sessions, rows: [][]string{{"ID", "NAME", "USER", "FROM", "KIND", "AGENT", "START", "USED", "EXPIRES", "HOLDS"}}}
	for _, s := range sessions {
		c.rows = append(c.rows, []string{s.ID, s.Name, s.User, from(s), kind(s), s.Agent, local(s.Created), local(s.Used), local(s.Expires), s.Holds})
	}
	return c, len(c.rows) > 1
}

func iloCandidates(table []api.ILOSession) (c candidates, ok bool) {
	c = candidates{sessions: table, rows: [][]string{{"ID", "USER", "KIND", "AGE", "IDLE"}}, mustEnd: 1}
	for _, e := range table {
		c.rows = append(c.rows, []string{e.ID, e.UserName, e.Kind, span(e.Age), span(e.Idle)})
	}
	return c, len(c.rows) > 1
}

// local is a time for people.
func local(t time.Time) string { return t.Local().Format(time.DateTime) }

// cancelled: the user was shown the candidates and chose none.
type cancelled struct{ refusal error }

func (c cancelled) Error() string { return "cancelled: no session was ended" }

func (c cancelled) Unwrap() error { return c.refusal }

// victims are the sessions that the user wants to end, since a refusal names those
// that could make room; or an error, and that is the refusal if nobody could be
// asked, or may end enough of them.
func (a *app) victims(ctx context.Context, refusal error) (ids []string, err error) {
	c, ok := candidatesOf(refusal)
	if !ok || !c.offered() || a.json || !terminal.Is(a.stdin) {
		return nil, refusal
	}
	question := "There is no room for another session. Which one do you want to end?"
	if c.mustEnd > 1 {
		question = fmt.Sprintf("There is no room for another session: %d sessions must end first. Which ones do you want to end?", c.mustEnd)
	}
	chosen, err := terminal.Choose(ctx, question, c.rows, c.mustEnd)
	switch {
	case err == terminal.ErrNone:
		return nil, refusal
	case err != nil:
		return nil, err
	case len(chosen) == 0:
		return nil, cancelled{refusal}
	}
	for _, i := range chosen {
		ids = append(ids, c.rows[1+i][0])
	}
	return ids, nil
}

// notEnded says that a choice has come to nothing.
func notEnded(ids []string, err error) error {
	if len(ids) > 1 {
		return fmt.Errorf("sessions %s were not ended, and everything is as it was: %w", strings.Join(ids, ", "), err)
	}
	return fmt.Errorf("session %s was not ended, and everything is as it was: %w", ids[0], err)
}

// whomToAsk is the hint for a user who may not end the sessions that are in the way; ""
// for others.
func whomToAsk(err error) string {
	if e, ok := errors.AsType[*client.Error](err); ok && len(e.Ask) > 0 {
		return "ask somebody who may end a session: " + strings.Join(e.Ask, ", ")
	}
	return ""
}

// roomMaker lets the user make room in the iLO's session table, once, where the
// policy is to ask.
type roomMaker struct {
	next  http.RoundTripper
	a     *app
	asked bool
}

func (m *roomMaker) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, refused := m.next.RoundTrip(req)
	if m.asked || m.a.config.Session.LimitPolicy != "ask" {
		return resp, refused
	}
	if refused == nil && resp.StatusCode == http.StatusServiceUnavailable {
		body, err := readBody(req, resp)
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(bytes.NewReader(body))
		refused = client.NewError(resp, body)
	}
	if _, ok := candidatesOf(refused); !ok {
		return resp, refused
	}
	m.asked = true
	ids, err := m.a.victims(req.Context(), refused)
	if err != nil {
		return nil, err
	}
	if _, err := clientOf(m.next).TerminateILOSession(req.Context(), ids[0], client.Terminate{Login: true}); err != nil {
		return nil, notEnded(ids, err)
	}
	if req.GetBody != nil {
		if req.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	}
	return m.next.RoundTrip(req)
}
