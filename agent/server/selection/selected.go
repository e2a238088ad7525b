package selection

import (
	"cmp"
	"context"
	"slices"

	"github.com/ilod/ilod/agent/schema"
)

// Selected are the resources that a selector found, and how to read more.
type Selected struct {
	Selector
	Found   []*Resource
	Checker *schema.Checker
	Reader  *Reader // found them
	Current *Reader // asks the iLO
}

// Below are property paths as the resources have them: they begin at the selector's
// pointer. With a pointer and no paths it is the pointer.
func (s *Selector) Below(paths []string) []string {
	if s.Pointer == "" {
		return paths
	}
	if len(paths) == 0 {
		return []string{s.Pointer}
	}
	paths = slices.Clone(paths)
	for i, path := range paths {
		paths[i] = s.Pointer + "/" + path
	}
	return paths
}

// each runs f with each resource. If f fails, Unread names the resource. The error
// means that ctx has ended.
func (s *Selected) each(ctx context.Context, f func(x *Resource) error) error {
	for i, x := range s.Found {
		s.Reader.show(i, len(s.Found))
		if err := s.Reader.miss(ctx, x.Path, f(x)); err != nil {
			return err
		}
	}
	return nil
}

// Writable are the properties of each resource that are not known to be read-only, as
// Shown has them. It leaves out resources that cannot be read, and Unread names them;
// if none can be read it fails.
func (s *Selected) Writable(ctx context.Context) (parts []map[string]any, err error) {
	err = s.each(ctx, func(x *Resource) error {
		part, err := x.writable(ctx, s.Checker)
		if err == nil {
			parts = append(parts, x.show(part))
		}
		return err
	})
	if err == nil && len(parts) == 0 {
		err = s.Reader.unread[0].Err
	}
	return parts, err
}

// Settings are the writable properties of the resources, for Save. They have the values
// that wait for a reset of the server. It leaves out resources without any, and those
// that cannot be read; Unread names the latter.
func (s *Selected) Settings(ctx context.Context) (all []Saved, err error) {
	err = s.each(ctx, func(x *Resource) error {
		settings, err := x.writable(ctx, s.Checker)
		if err == nil && x.Settings() != "" {
			var will *Resource
			if will, err = s.Reader.Read(ctx, x.Settings()); err == nil {
				settings = future(settings, will.Body)
			}
		}
		if err == nil && len(settings) > 0 {
			all = append(all, Saved{x.Type, x.Path, settings})
		}
		return err
	})
	return all, err
}

// Describe returns what is known of each property, from the first resource that has it.
// If none has it, the error is about the first resource.
func (s *Selected) Describe(ctx context.Context, paths []string) (all []schema.Info, err error) {
	for _, path := range paths {
		var first error
		for _, x := range s.Found {
			pointer, _ := x.pointer(path)
			info, err := s.Checker.Property(ctx, x.Path, pointer)
			if err == nil {
				all, first = append(all, info), nil
				break
			}
			first = cmp.Or(first, err)
		}
		if first != nil {
			return nil, first
		}
	}
	return all, nil
}
