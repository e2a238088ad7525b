package transaction

import (
	"context"
	"net/http"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/equal"
	"github.com/ilod/ilod/agent/ilopath"
)

// Diff is what a commit would change, property by property, as the iLO is now.
// Properties that are what the writes ask for, as package equal says, do not
// count. Errors are
// ErrNone, ErrCommitting and those of reading.
func (m *Manager) Diff(ctx context.Context, session string) ([]api.Change, error) {
	t, err := m.current(session)
	if err != nil {
		return nil, err
	}
	if err := m.enter(ctx, t); err != nil {
		return nil, err
	}
	defer t.leave()
	return m.changes(ctx, t.writes)
}

// changes are what writes would change, in their order. It never returns nil without an
// error.
func (m *Manager) changes(ctx context.Context, writes []*write) ([]api.Change, error) {
	changes := []api.Change{}
	now := map[string]map[string]any{}
	for _, w := range writes {
		if w.Error != "" {
			continue
		}
		key := ilopath.Canonical(w.Path)
		if _, known := now[key]; !known {
			r, err := m.read(ctx, w.Path)
			if err != nil {
				return nil, err
			}
			now[key] = r.body
		}
		whole := api.Change{Number: w.Number, Path: w.Path, Undoable: w.Undoable}
		switch w.Method {
		case http.MethodPost:
			whole.To = w.Body
			changes = append(changes, whole)
		case http.MethodDelete:
			whole.From, _ = redact(now[key])
			changes = append(changes, whole)
		default:
			changes = append(changes, w.changes(now[key])...)
			now[key], _ = merge(now[key], w.change).(map[string]any)
		}
	}
	return changes, nil
}

// changes are those of a PATCH or PUT.
func (w *write) changes(now map[string]any) (all []api.Change) {
	eachLeaf(now, w.change, "", func(pointer string, to any) {
		from := at(now, pointer)
		if equal.Asked(from, to) || pointer == "" {
			return
		}
		c := api.Change{Number: w.Number, Path: w.Path, Property: pointer}
		var hides, hid bool
		c.From, hid = redactLeaf(pointer, from)
		c.To, hides = redactLeaf(pointer, to)
		c.Undoable = !hid && !hides
		all = append(all, c)
	})
	return all
}
