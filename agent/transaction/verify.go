package transaction

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/redfisherror"
)

// maxTaskLooks is how often a write is looked for that the iLO carries out in a task.
const maxTaskLooks = 8

// verify finds out by reading what came of a write that the iLO answered with
// success: that answer promises little. It waits for what does not show at once,
// and for an iLO that cannot be read, until ctx ends.
func (c *commit) verify(ctx context.Context, s *step) {
	s.Error, s.Kept = "", ""
	defer s.mark()
	for looks, tries := 0, 0; ; tries++ {
		settled, err := c.judge(ctx, s)
		if err == nil {
			looks++
		}
		most := maxLooks
		if s.later && s.Task != "" {
			most = maxTaskLooks
		}
		if err == nil && (settled || looks >= most) {
			return
		}
		if !c.pause(ctx, tries) {
			if err != nil {
				s.Outcome = api.Accepted
				s.fail(fmt.Errorf("it could not be read afterwards: %w", err))
				c.readErr = cmp.Or(err, c.readErr)
			}
			return
		}
	}
}

// judge looks once. settled: another look would show nothing else.
func (c *commit) judge(ctx context.Context, s *step) (settled bool, err error) {
	if s.later && s.Task != "" {
		if err := c.follow(ctx, s); err != nil {
			return false, err
		}
	}
	switch s.Method {
	case http.MethodPost:
		return c.judgePost(ctx, s)
	case http.MethodDelete:
		r, err := c.read(ctx, s.Path)
		if err == nil && r.gone {
			s.Outcome, s.Reset = api.Applied, s.told
			return true, nil
		}
		if s.Outcome = api.Accepted; s.ended != nil {
			s.Outcome = api.Refused
			s.fail(s.ended)
		}
		return s.ended != nil, err
	}
	r, err := c.read(ctx, s.Path)
	if err != nil {
		return false, err
	}
	if r.gone {
		s.Outcome = api.OutcomeUnknown
		s.fail(errors.New("the resource is gone"))
		return true, nil
	}
	var owner map[string]any
	if s.Owner != "" {
		o, err := c.m.read(ctx, s.Owner)
		if err != nil {
			return false, err
		}
		owner = o.body
	}
	return c.conclude(s, r.body, owner), nil
}

// judgePost looks for what a POST has made. If it was to make nothing, there is
// nothing to look at.
func (c *commit) judgePost(ctx context.Context, s *step) (settled bool, err error) {
	s.Outcome, s.Reset = api.Applied, s.told
	switch {
	case s.ended != nil:
		s.Outcome = api.Refused
		s.fail(s.ended)
	case s.later:
		s.Outcome = api.Accepted
	}
	var made *resource
	if s.Location != "" {
		if made, err = c.read(ctx, s.Location); err != nil {
			return false, err
		}
		if made.gone { // it is named in another way, or not there
			s.Location = ""
		}
	}
	if s.Location == "" && s.InGroup {
		outcome, err := c.find(ctx, s)
		if err != nil {
			return false, err
		}
		if s.promised = s.promised || made != nil; s.promised && outcome == api.Refused {
			s.Outcome = api.Refused
			s.fail(errors.New("the iLO reported a new resource, but there is none"))
			return false, nil
		}
		if s.Location != "" {
			if made, err = c.read(ctx, s.Location); err != nil {
				return false, err
			}
		}
	}
	if s.Location == "" || made.gone {
		return !s.later, nil
	}
	return c.conclude(s, made.body, nil), nil
}

// conclude says what became of each property, as a resource shows it now; owner is
// the one whose settings the resource is, if it is such.
func (c *commit) conclude(s *step, body, owner map[string]any) (settled bool) {
	count := map[api.PropertyState]int{}
	s.Properties, s.now = make([]api.Property, len(s.Leaves)), make([][]byte, len(s.Leaves))
	changed, settled := 0, true
	for i := range s.Leaves {
		l := &s.Leaves[i]
		now := at(body, l.Pointer)
		state := c.state(s, l, now, at(owner, l.Pointer), owner != nil)
		if state == api.NotTaken || state == api.PropertyAccepted {
			settled = settled && state == api.NotTaken && s.complains(l)
		} else if l.Secret || !c.key.is(l, now, l.Prior) {
			changed++
		}
		if state == api.PropertyApplied || state == api.PendingReset && c.key.applied(l, now) || state == api.TakenOtherwise {
			s.now[i] = c.key.seal(l.Pointer, now)
		}
		count[state]++
		s.Properties[i] = api.Property{Property: l.Pointer, State: state}
	}
	if s.Reset = s.told; s.Owner != "" {
		s.Reset.Server = count[api.PendingReset] > 0
	} else if count[api.PendingReset]+count[api.NotShown] == 0 && s.Method != http.MethodPost {
		s.Reset = api.Reset{} // nothing is other than before
	}
	s.Error, s.Kept = "", ""
	switch {
	case count[api.NotTaken] == 0 && count[api.PropertyAccepted] == 0:
		s.Outcome = api.Applied
	case count[api.NotTaken] == 0:
		s.Outcome = api.Accepted
	case changed == 0 && s.Method != http.MethodPost:
		s.Outcome = api.Refused
	default:
		s.Outcome = api.PartlyApplied
	}
	if count[api.NotTaken] > 0 {
		s.failNotTaken()
	}
	return settled
}

// state says what became of one property. effective is its value in the resource
// whose settings are written.
func (c *commit) state(s *step, l *leaf, now, effective any, settings bool) api.PropertyState {
	switch applied := c.key.applied(l, now); {
	case applied && settings && !c.key.is(l, effective, c.key.seal(l.Pointer, now)):
		return api.PendingReset
	case applied && !settings && s.told.Any() && (l.Secret || !c.key.is(l, now, l.Prior)):
		return api.PendingReset
	case applied:
		return api.PropertyApplied
	case s.complains(l):
		return api.NotTaken
	case l.Secret, now == nil && (s.Method == http.MethodPost || c.key.is(l, nil, l.Prior)):
		return api.NotShown
	case !c.key.is(l, now, l.Prior):
		return api.TakenOtherwise
	case s.told.Any() && !settings:
		return api.PendingReset
	case s.later:
		return api.PropertyAccepted
	}
	return api.NotTaken
}

// complains tells whether the answer complains of a property.
func (s *step) complains(l *leaf) bool {
	return s.ended != nil || slices.ContainsFunc(s.named, func(c complaint) bool { return c.about(l.Pointer) })
}

// failNotTaken notes which properties the iLO has not taken, and what it says.
func (s *step) failNotTaken() {
	var names []string
	refusal := &redfisherror.Error{Method: s.Method, Path: s.Path, Status: s.Status}
	for i := range s.Leaves {
		if l := &s.Leaves[i]; s.Properties[i].State == api.NotTaken {
			names = append(names, l.Pointer)
		}
	}
	for _, c := range s.named {
		refusal.Messages = append(refusal.Messages, c.message)
	}
	errs := []error{fmt.Errorf("the iLO has not taken %s", strings.Join(names, ", "))}
	if s.ended != nil {
		errs = append(errs, s.ended)
	}
	if len(refusal.Messages) > 0 {
		errs = append(errs, refusal)
	}
	s.fail(errs...)
}

// mark keeps how the iLO spells what it has taken, so that it is known again.
func (s *step) mark() {
	for i, seal := range s.now {
		if seal != nil {
			s.Leaves[i].After, s.Leaves[i].shown = seal, true
		}
	}
	s.now = nil
}

// follow reads the task in which the iLO carries out a write, and notes its end.
func (c *commit) follow(ctx context.Context, s *step) error {
	r, err := c.m.read(ctx, s.Task)
	if err != nil || r.gone {
		return err
	}
	switch state, _ := r.body["TaskState"].(string); state {
	case "Completed":
		s.later = false
	case "Exception", "Killed", "Cancelled":
		s.later = false
		s.ended = fmt.Errorf("the iLO's task %s ended with %s", s.Task, state)
	}
	return nil
}
