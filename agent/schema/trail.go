package schema

import (
	"strconv"
	"strings"

	"github.com/ilod/ilod/agent/jsonpointer"
)

// maxShown bounds what messages quote of a body, in bytes of one name or value.
const maxShown = 100

// short is a name or value as messages quote it.
func short(s string) string {
	if len(s) <= maxShown {
		return s
	}
	const dots = "..."
	return strings.ToValidUTF8(s[:maxShown-len(dots)], "") + dots
}

// trail leads to a place in a body; nil is its top. The pointer is made only of a
// place that is told: one of each value would take the square of the body.
type trail struct {
	up    *trail
	name  string // of a property
	index int    // of an element; -1 for a property
}

func (t *trail) property(name string) *trail { return &trail{t, name, -1} }

func (t *trail) element(i int) *trail { return &trail{t, "", i} }

// is reports the property with that name at the top.
func (t *trail) is(name string) bool { return t != nil && t.up == nil && t.index < 0 && t.name == name }

// pointer is the JSON pointer.
func (t *trail) pointer() string { return t.tell(func(name string) string { return name }) }

// shown is the JSON pointer as messages quote it.
func (t *trail) shown() string { return t.tell(short) }

func (t *trail) tell(name func(string) string) string {
	switch {
	case t == nil:
		return ""
	case t.index >= 0:
		return t.up.tell(name) + "/" + strconv.Itoa(t.index)
	}
	return t.up.tell(name) + "/" + jsonpointer.Escape(name(t.name))
}
