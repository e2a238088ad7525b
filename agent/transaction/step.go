package transaction

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/ilod/ilod/agent/equal"
)

// step is a write in a commit, as far as it is needed to find out what became of
// it and to put former values back. It goes to the journal, so it holds no value
// that was staged.
type step struct {
	Done
	Reset    bool            `json:",omitempty"` // of the server, before it takes effect
	Leaves   []leaf          `json:",omitempty"`
	Previous json.RawMessage `json:",omitempty"` // the body that undoes a PUT
	Members  []string        `json:",omitempty"` // of the collection before a POST
	InGroup  bool            `json:",omitempty"` // a POST to a collection
}

// leaf is one property that a step changes. What it becomes is kept as an HMAC.
type leaf struct {
	Pointer string
	Secret  bool            `json:",omitempty"` // the former value is not known
	From    json.RawMessage `json:",omitempty"` // before the commit
	Prior   []byte          // before the step
	To      []byte          // after it
	After   []byte          `json:",omitempty"` // what the iLO made of that
}

// sealer makes HMACs of values, the same for those that mean the same.
type sealer []byte

func (key sealer) seal(pointer string, v any) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(pointer + "\x00" + equal.Canonical(v))) // a hash takes everything
	return h.Sum(nil)[:16]
}

func (key sealer) is(l *leaf, v any, one ...[]byte) bool {
	mac := key.seal(l.Pointer, v)
	return slices.ContainsFunc(one, func(m []byte) bool { return m != nil && hmac.Equal(m, mac) })
}

// applied and before tell what a present value shows.
func (key sealer) applied(l *leaf, v any) bool { return key.is(l, v, l.To, l.After) }
func (key sealer) before(l *leaf, v any) bool  { return key.is(l, v, l.Prior) || l.former(v) }

// former tells whether a value is that from before the commit.
func (l *leaf) former(v any) bool { return equal.Same(l.value(), v) }

func (l *leaf) value() any {
	v, err := decode(l.From)
	if err != nil { // there was none
		return nil
	}
	return v
}

// leaves are those of a change. first is the resource before the commit, prior
// before the step.
func (key sealer) leaves(first, prior, change map[string]any) []leaf {
	var all []leaf
	eachLeaf(prior, change, "", func(pointer string, to any) {
		l := leaf{Pointer: pointer, Prior: key.seal(pointer, at(prior, pointer)), To: key.seal(pointer, to)}
		former := at(first, pointer)
		if _, l.Secret = redactLeaf(pointer, to); !l.Secret {
			_, l.Secret = redactLeaf(pointer, former)
		}
		if !l.Secret && former != nil {
			l.From = encode(former)
		}
		all = append(all, l)
	})
	return all
}

// step makes the step of a write. first is the resource before the commit, prior
// what is known of it before the step.
func (w *write) step(key sealer, first *resource, prior map[string]any) *step {
	s := &step{Done: Done{Number: w.Number, Method: w.Method, Path: w.Path, Outcome: NotSent}, Reset: w.ResetRequired}
	switch w.Method {
	case http.MethodPost:
		s.Members, s.InGroup = first.members()
		s.Leaves = key.leaves(nil, w.change, w.change)
	case http.MethodPut:
		s.Previous = writable(first.body)
		fallthrough
	case http.MethodPatch:
		s.Leaves = key.leaves(first.body, prior, w.change)
	}
	return s
}

// undoable tells whether all of a step could be put back.
func (s *step) undoable() bool {
	switch s.Method {
	case http.MethodPost:
		return s.InGroup
	case http.MethodPatch, http.MethodPut:
		return !slices.ContainsFunc(s.Leaves, func(l leaf) bool { return l.Secret })
	}
	return false
}

// verdict sums up the steps of a commit that is over.
func verdict(steps []*step) Result {
	r := Result{Writes: make([]Done, len(steps))}
	count := map[Outcome]int{}
	for i, s := range steps {
		r.Writes[i] = s.Done
		count[s.Outcome]++
		switch s.Outcome {
		case Applied, UndoRefused, OutcomeUnknown:
			r.ResetRequired = r.ResetRequired || s.Reset
		}
	}
	switch {
	case count[Applied] == len(steps):
		r.Result = Committed
	case count[OutcomeUnknown] > 0:
		r.Result = Unknown
	case count[Applied]+count[UndoRefused] > 0:
		r.Result = PartlyRolledBack
	default:
		r.Result = RolledBack
	}
	return r
}
