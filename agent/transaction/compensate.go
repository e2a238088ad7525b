package transaction

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/agent/redfisherror"
)

// maxUndos is how often a write that puts something back is sent. As long as the
// present values are still ours it does no harm to send it again.
const maxUndos = 5

// compensate puts back what was applied, the last first.
func (c *commit) compensate(ctx context.Context) {
	for _, s := range slices.Backward(c.steps) {
		switch s.Outcome {
		case api.OutcomeUnknown:
			s.Outcome = c.decide(ctx, s)
		case api.Accepted:
			if outcome, err := c.look(ctx, s); err == nil && outcome == api.Applied {
				s.Outcome = api.Applied
				break
			}
			s.Outcome = api.OutcomeUnknown
			s.fail(errors.New("the iLO has accepted it, and may still carry it out"))
			continue
		}
		if s.Outcome == api.Applied && s.Method == http.MethodDelete {
			s.fail(errors.New("what was deleted cannot be made again"))
		} else if s.Outcome == api.Applied || s.Outcome == api.PartlyApplied || s.Outcome == api.OutcomeUnknown && s.partlyVisible() {
			c.undo(ctx, s)
		}
	}
}

// partlyVisible tells whether something can be put back without knowing whether
// the step was executed.
func (s *step) partlyVisible() bool {
	return (s.Method == http.MethodPatch || s.Method == http.MethodPut) &&
		slices.ContainsFunc(s.Leaves, func(l leaf) bool { return !l.Secret })
}

// undo puts back what one step has changed. It looks before each attempt, and
// touches only what is still as the step left it.
func (c *commit) undo(ctx context.Context, s *step) {
	var last error
	for try := range maxUndos + 1 {
		if try > 0 {
			c.pause(ctx, try)
		}
		r, err := c.reverse(ctx, s)
		if err != nil {
			s.Outcome = api.OutcomeUnknown
			s.fail(err)
			return
		}
		if r.method == "" || try == maxUndos {
			s.settle(r, last)
			return
		}
		h := http.Header{"Accept": {"application/json"}, "Odata-Version": {"4.0"}}
		if r.body != nil {
			h["Content-Type"] = []string{"application/json"}
		}
		if etag := c.etags[ilopath.Canonical(r.uri)]; etag != "" && try < 2 { // then it is one that changes by itself
			h["If-Match"] = []string{etag}
		}
		resp, body, err := c.m.exchange(ctx, r.method, r.uri, h, r.body)
		switch {
		case err != nil:
			last = err
			continue
		case resp.StatusCode < 300, resp.StatusCode == http.StatusNotFound && r.method == http.MethodDelete:
			s.Outcome = api.Applied // or there had been nothing to put back
			s.settle(reversal{stuck: r.stuck}, nil)
			return
		}
		if last = redfisherror.New(resp, body); resp.StatusCode < 500 && resp.StatusCode != http.StatusPreconditionFailed {
			s.settle(r, last)
			return
		}
	}
}

// reversal is the write that undoes a step as things are now.
type reversal struct {
	method string // empty: nothing is left to be put back
	uri    string
	body   []byte
	stuck  []error // why something cannot be put back
}

// settle notes what came of an undo.
func (s *step) settle(r reversal, err error) {
	if r.method != "" && err != nil {
		r.stuck = append(r.stuck, err)
	}
	switch s.fail(r.stuck...); {
	case s.open && len(r.stuck) == 0:
		s.Outcome = api.OutcomeUnknown
		s.fail(errors.New("its answer is lost, and the iLO may still carry it out"))
	case r.method == "" && len(r.stuck) == 0:
		s.Outcome = api.Undone
	case r.method != "" || s.Outcome != api.OutcomeUnknown:
		s.Outcome = api.UndoRefused
	}
}

// reverse reads what a step is about and makes the write that undoes it. It asks
// until the iLO answers or ctx ends.
func (c *commit) reverse(ctx context.Context, s *step) (r reversal, err error) {
	for try := 0; ; try++ {
		switch s.Method {
		case http.MethodPost:
			r, err = c.unmake(ctx, s)
		default:
			r, err = c.restore(ctx, s)
		}
		if err == nil {
			return r, nil
		}
		if !c.pause(ctx, try) {
			c.readErr = err
			return r, err
		}
	}
}

// restore is for a PATCH or PUT.
func (c *commit) restore(ctx context.Context, s *step) (reversal, error) {
	now, err := c.read(ctx, s.Path)
	if err != nil {
		return reversal{}, err
	}
	r := reversal{uri: s.Path}
	if now.gone {
		r.stuck = []error{errors.New("the resource is gone")}
		return r, nil
	}
	change := map[string]any{}
	for i := range s.Leaves {
		l := &s.Leaves[i]
		present := at(now.body, l.Pointer)
		switch {
		case l.Secret && (l.hidden() || !l.shown):
			r.stuck = append(r.stuck, errors.New(l.Pointer+" had an unknown value"))
		case l.former(present):
		case c.key.applied(l, present):
			former, ok := restoring(l.value(), present)
			if !ok {
				r.stuck = append(r.stuck, errors.New(l.Pointer+" had a null among its values"))
				break
			}
			put(change, l.Pointer, former)
		case c.key.is(l, present, l.Prior): // an earlier step's business
		default:
			r.stuck = append(r.stuck, errors.New(l.Pointer+" was changed by somebody else"))
		}
	}
	if len(change) == 0 {
		return r, nil
	}
	if r.method, r.body = s.Method, encode(change); s.Method == http.MethodPut {
		r.body = s.Previous
	}
	return r, nil
}

// unmake is for a POST: what it has made is deleted, if it is still that.
func (c *commit) unmake(ctx context.Context, s *step) (reversal, error) {
	if s.Location == "" {
		if _, err := c.find(ctx, s); err != nil {
			return reversal{}, err
		}
	}
	if s.Location == "" {
		return reversal{stuck: []error{errors.New("what the request has created is unknown")}}, nil
	}
	made, err := c.read(ctx, s.Location)
	switch {
	case err != nil:
		return reversal{}, err
	case made.gone:
		return reversal{}, nil
	case !c.ours(s, made):
		return reversal{stuck: []error{fmt.Errorf("%s was changed by somebody else", s.Location)}}, nil
	}
	return reversal{method: http.MethodDelete, uri: s.Location}, nil
}
