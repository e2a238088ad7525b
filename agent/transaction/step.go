package transaction

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/equal"
)

// step is a write in a commit, as far as it is needed to find out what became of
// it and to put former values back. It goes to the journal, so it holds no value
// that was staged.
type step struct {
	api.Done
	Owner    string          `json:",omitempty"` // the resource whose settings the step changes
	Leaves   []leaf          `json:",omitempty"`
	Previous json.RawMessage `json:",omitempty"` // the body that undoes a PUT
	Members  []string        `json:",omitempty"` // of the collection before a POST
	InGroup  bool            `json:",omitempty"` // a POST to a collection

	sent     time.Time // by this process; zero: by one before it
	open     bool      // it was sent and not answered: the iLO may still carry it out
	later    bool      // the iLO has said that it carries it out later
	told     api.Reset // what the answer asks for
	named    []complaint
	promised bool     // an answer has named what a POST has made, and it was not there
	ended    error    // the iLO's task ended without success
	now      [][]byte // of each leaf, how the iLO spells what it has taken; nil: it has not
}

// leaf is one property that a step changes. What it becomes is kept as an HMAC. Of
// a secret only its name goes to the journal: with the key beside it, a HMAC of a
// password is soon guessed.
type leaf struct {
	Pointer string
	Secret  bool            `json:",omitempty"` // by its name
	From    json.RawMessage `json:",omitempty"` // before the commit
	Prior   []byte          `json:",omitempty"` // before the step
	To      []byte          `json:",omitempty"` // after it
	After   []byte          `json:",omitempty"` // what the iLO made of that

	asked any  // what it is to become
	known bool // that is what asked says; not after a crash
	shown bool // a secret that the iLO has shown as it was asked for
}

// MarshalJSON is for the journal.
func (l leaf) MarshalJSON() ([]byte, error) {
	type plain leaf
	if l.Secret {
		l = leaf{Pointer: l.Pointer, Secret: true}
	}
	return json.Marshal(plain(l))
}

// hidden tells whether the former value is not known: an iLO shows null, or nothing,
// for most secrets.
func (l *leaf) hidden() bool { return l.Secret && equal.Asked(l.value(), nil) }

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
func (key sealer) applied(l *leaf, v any) bool {
	return l.known && equal.Asked(v, l.asked) || key.is(l, v, l.To, l.After)
}
func (key sealer) before(l *leaf, v any) bool { return key.is(l, v, l.Prior) || l.former(v) }

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
		l := leaf{Pointer: pointer, Prior: key.seal(pointer, at(prior, pointer)), To: key.seal(pointer, to), asked: to, known: true}
		former := at(first, pointer)
		if _, l.Secret = redactLeaf(pointer, to); !l.Secret {
			_, l.Secret = redactLeaf(pointer, former)
		}
		if former != nil {
			l.From = encode(former)
		}
		all = append(all, l)
	})
	return all
}

// step makes the step of a write. first is the resource before the commit, prior
// what is known of it before the step.
func (w *write) step(key sealer, first *resource, prior map[string]any) *step {
	s := &step{Done: api.Done{Number: w.Number, Method: w.Method, Path: w.Path, Outcome: api.NotSent}, Owner: w.owner}
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
		return !slices.ContainsFunc(s.Leaves, func(l leaf) bool { return l.hidden() })
	}
	return false
}

// verdict sums up the steps of a commit that is over.
func verdict(steps []*step) api.Result {
	r := api.Result{Writes: make([]api.Done, len(steps))}
	count := map[api.Outcome]int{}
	for i, s := range steps {
		r.Writes[i] = s.Done
		count[s.Outcome]++
		switch s.Outcome {
		case api.NotSent, api.Refused, api.Undone:
		default:
			r.Reset = either(r.Reset, s.Reset)
		}
	}
	r.ResetRequired = r.Reset.Server
	switch {
	case count[api.Applied] == len(steps):
		r.Result = api.Committed
	case count[api.Applied]+count[api.Accepted] == len(steps):
		r.Result = api.InProgress
	case count[api.OutcomeUnknown] > 0:
		r.Result = api.Unknown
	case count[api.NotSent]+count[api.Refused]+count[api.Undone] < len(steps):
		r.Result = api.PartlyRolledBack
	default:
		r.Result = api.RolledBack
	}
	return r
}
