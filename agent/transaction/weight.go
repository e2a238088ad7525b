package transaction

import (
	"encoding/json"
	"fmt"
)

// What transactions hold at most. A weight is about the memory that something
// takes, in bytes.
const (
	maxWrites  = 1000
	maxStaged  = 256 << 10 // bytes of the body of one write
	maxWeight  = 16 << 20  // of one transaction
	maxWeights = 48 << 20  // of all that are open
)

// weight is that of a decoded value to which a pointer of at bytes leads, with the
// pointers of all that is in it: a commit has one for each.
func weight(v any, at int) int {
	n := 16 + at
	switch v := v.(type) {
	case string:
		n += 16 + len(v)
	case json.Number:
		n += 16 + len(v)
	case []any:
		n += 24 // which is written as a whole
		for _, inner := range v {
			n += weight(inner, 0)
		}
	case map[string]any:
		n += 48
		for name, inner := range v {
			n += 32 + len(name) + weight(inner, at+1+len(name))
		}
	}
	return n
}

// weight is that of a write and of what it shows of itself.
func (w *write) weight() int {
	return 1<<10 + len(w.Path) + len(w.Error) + len(w.body) + 2*weight(w.change, 0)
}

// room refuses a write for which there is none. The resources that writes are
// about count once they are read.
func (m *Manager) room(t *transaction, w *write) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	need, all := w.weight(), 0
	for _, other := range m.open {
		all += other.weight
	}
	switch {
	case t.weight+need > maxWeight:
		return fmt.Errorf("%w: the transaction holds as much as it may, about %d MiB of memory: commit it, and stage the rest in another one", ErrLarge, maxWeight>>20)
	case all+need > maxWeights:
		return fmt.Errorf("%w: all open transactions together hold as much as they may, about %d MiB of memory: commit one of them, or roll it back", ErrLarge, maxWeights>>20)
	}
	return nil
}
