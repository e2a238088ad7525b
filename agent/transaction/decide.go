package transaction

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/agent/pause"
)

// maxLooks is how often a write must not show before it counts as one that had
// no effect.
const maxLooks = 3

// decide finds out by reading what became of a write whose answer does not tell.
// One that shows is there. One that does not, and was not answered, may still be
// carried out for as long as Options.Late. As long as the iLO cannot be read it is
// asked again, until ctx ends.
func (c *commit) decide(ctx context.Context, s *step) api.Outcome {
	if s.sent.IsZero() { // by an earlier process
		s.sent = time.Now()
	}
	for looks, tries := 0, 0; ; tries++ {
		over := !s.open || time.Since(s.sent) >= c.m.o.Late
		outcome, err := c.look(ctx, s)
		if err == nil {
			if looks++; outcome == api.Applied || looks >= maxLooks && over {
				s.open = false
				return outcome
			}
		}
		if !c.pause(ctx, tries) {
			c.readErr = cmp.Or(err, c.readErr)
			return api.OutcomeUnknown
		}
	}
}

// pause waits before another try, longer each time; it reports false if ctx has
// ended.
func (c *commit) pause(ctx context.Context, tries int) bool {
	return pause.For(ctx, c.m.o.pause<<min(tries, 4))
}

// look compares what a step is about with what it was to become: Applied,
// Refused if everything is as before, OutcomeUnknown if it is neither.
func (c *commit) look(ctx context.Context, s *step) (api.Outcome, error) {
	if s.Method == http.MethodPost {
		return c.find(ctx, s)
	}
	r, err := c.read(ctx, s.Path)
	switch {
	case err != nil:
		return api.OutcomeUnknown, err
	case s.Method == http.MethodDelete && r.gone:
		return api.Applied, nil
	case s.Method == http.MethodDelete:
		return api.Refused, nil
	}
	applied, before, secrets := 0, 0, 0
	for i := range s.Leaves {
		l := &s.Leaves[i]
		now := at(r.body, l.Pointer)
		switch {
		case l.Secret && !c.key.applied(l, now):
			secrets++
		case !l.Secret && c.key.applied(l, now) && c.key.before(l, now): // no difference
		case c.key.applied(l, now):
			applied++
		case c.key.before(l, now):
			before++
		default:
			return api.OutcomeUnknown, nil
		}
	}
	switch {
	case applied > 0 && before == 0:
		return api.Applied, nil
	case before > 0 && applied == 0:
		return api.Refused, nil
	case applied+before+secrets == 0: // it makes no difference at all
		return api.Applied, nil
	}
	return api.OutcomeUnknown, nil
}

// find looks for what a POST has made: the only new member of the collection that
// is what was sent.
func (c *commit) find(ctx context.Context, s *step) (api.Outcome, error) {
	r, err := c.read(ctx, s.Path)
	if err != nil || !s.InGroup {
		return api.OutcomeUnknown, err
	}
	var made []string
	members, _ := r.members()
	for _, uri := range members {
		if slices.Contains(s.Members, uri) || slices.ContainsFunc(c.steps, func(other *step) bool {
			return other != s && ilopath.Canonical(other.Location) == ilopath.Canonical(uri)
		}) {
			continue
		}
		member, err := c.read(ctx, uri)
		if err != nil {
			return api.OutcomeUnknown, err
		}
		if !member.gone && c.ours(s, member) {
			made = append(made, uri)
		}
	}
	switch len(made) {
	case 0:
		return api.Refused, nil
	case 1:
		s.Location = made[0]
		return api.Applied, nil
	}
	return api.OutcomeUnknown, nil
}

// ours tells whether a member is what a POST has made.
func (c *commit) ours(s *step, member *resource) bool {
	return !slices.ContainsFunc(s.Leaves, func(l leaf) bool {
		return !l.Secret && !c.key.applied(&l, at(member.body, l.Pointer))
	})
}
