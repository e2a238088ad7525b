package selection

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/ilod/ilod/agent/equal"
	"github.com/ilod/ilod/agent/schema"
)

// Patch is a PATCH of a resource.
type Patch struct {
	Path   string
	Body   map[string]any
	Needed bool // false: the iLO has all of it already
}

// Plan makes the assignments in each resource that has the properties. If none has, it
// makes them in each that may have them. An error wraps ErrValue if the iLO would refuse
// the change, also schema.ErrNoProperty if no resource may have a property. Other errors
// are of reading. It fails if a selected resource could not be read, since that would be
// left as it is.
func (s *Selected) Plan(ctx context.Context, assignments []Assignment) (all []Patch, err error) {
	if unread := s.Reader.Unread(); len(unread) > 0 {
		return nil, unread[0].Err
	}
	assignments = slices.Clone(assignments)
	for i, a := range assignments {
		assignments[i].Property = s.Below([]string{a.Property})[0]
	}
	found := slices.DeleteFunc(slices.Clone(s.Found), func(x *Resource) bool {
		return slices.ContainsFunc(assignments, func(a Assignment) bool { _, err := x.values(a.Property); return err != nil })
	})
	if len(found) == 0 {
		found = s.Found
	}
	var unknown error
	for _, x := range found {
		body, err := x.change(ctx, s.Checker, assignments)
		if errors.Is(err, schema.ErrNoProperty) {
			unknown = cmp.Or(unknown, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		needed, err := s.needs(ctx, x, body)
		if err != nil {
			return nil, err
		}
		all = append(all, Patch{x.Path, body, needed})
	}
	if len(all) == 0 {
		return nil, unknown
	}
	return all, nil
}

// needs compares a PATCH with what the iLO has now. If the resource has settings, these
// count.
func (s *Selected) needs(ctx context.Context, x *Resource, body map[string]any) (bool, error) {
	if x.Settings() == "" && !equal.Asked(x.Body, body) {
		return true, nil
	}
	now, err := s.Current.Read(ctx, cmp.Or(x.Settings(), x.Path))
	return err == nil && !equal.Asked(now.Body, body), err
}

// LeftOut is a saved setting that differs from the resource and cannot be written.
type LeftOut struct{ Path, Pointer string }

// Restore plans the writes that give resources their saved settings. It leaves out what
// they have already, or will have after a reset of the server. It leaves out resources
// that cannot be read, and Unread names them; if none can be read it fails. The error
// wraps ErrValue if a resource would refuse its settings.
func (r *Reader) Restore(ctx context.Context, checker *schema.Checker, all []Saved) (patches []Patch, left []LeftOut, err error) {
	had := false
	for i, s := range all {
		r.show(i, len(all))
		var change map[string]any
		var pointers []string
		x, now, err := r.readSettled(ctx, s.Path)
		if err == nil {
			change, pointers, err = x.restore(ctx, checker, now, s)
		}
		if errors.Is(err, ErrValue) {
			return nil, left, err
		}
		if err != nil {
			if err := r.miss(ctx, s.Path, err); err != nil {
				return nil, left, err
			}
			continue
		}
		had = true
		for _, pointer := range pointers {
			left = append(left, LeftOut{x.Path, pointer})
		}
		if len(change) > 0 {
			patches = append(patches, Patch{x.Path, change, true})
		}
	}
	if !had {
		return nil, left, r.unread[0].Err
	}
	return patches, left, nil
}
