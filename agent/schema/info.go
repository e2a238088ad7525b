package schema

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/ilod/ilod/agent/jsonpointer"
	"github.com/ilod/ilod/agent/redfisherror"
)

// Errors of Property and Properties, for errors.Is.
var (
	ErrNoResource = errors.New("no such resource")
	ErrNoProperty = errors.New("no such property")
)

// Info describes a property.
type Info struct {
	Pointer  string   `json:"pointer"`  // JSON pointer in the resource
	Type     string   `json:"type"`     // of JSON, or several with "|" between them, such as "string|null"; "" if not known
	Allowed  []string `json:"allowed"`  // the values it can have, if they are counted
	ReadOnly bool     `json:"readOnly"` // false if not known
	Default  string   `json:"default"`  // "" if there is none or it is not known
	Min      string   `json:"min"`      // of a number, or of the length of a string; "" for no bound
	Max      string   `json:"max"`      // of a number, or of the length of a string; "" for no bound
	Help     string   `json:"help"`
}

// Property describes the property of a resource that a JSON pointer leads to,
// which a slash may begin. The error wraps ErrNoResource or ErrNoProperty, is the
// iLO's refusal, or one of reading.
func (c *Checker) Property(ctx context.Context, path, pointer string) (Info, error) {
	j := &judge{life: ctx, c: c}
	at, err := j.open(path)
	if err != nil {
		return Info{}, err
	}
	readOnly := false
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		name := jsonpointer.Unescape(part)
		if i, err := strconv.ParseUint(name, 10, 16); err == nil && at.current.kind() == array {
			items := at.node.copy().items
			at = at.element(int(i), &crowd{list: at.current.elements()})
			if at.node = j.resolve(items); at.current == nil {
				return Info{}, fmt.Errorf("%w: %s has no %s", ErrNoProperty, path, at.trail.pointer())
			}
			continue
		}
		o := j.inside(at)
		below, known := j.property(o, name)
		if !known && below.current == nil {
			names := slices.Concat(slices.Sorted(maps.Keys(o.node.properties)), slices.Sorted(maps.Keys(o.members)))
			return Info{}, fmt.Errorf("%w: %s has no %s%s", ErrNoProperty, path, below.trail.pointer(), Suggest(name, names))
		}
		at, readOnly = below, o.readOnly(below)
	}
	return j.info(at, readOnly), j.err
}

// Properties describes the properties of a resource, by pointer: those that it
// has, and those that its schema says can be written. Of a property with parts,
// the parts are described. Errors are as of Property.
func (c *Checker) Properties(ctx context.Context, path string) ([]Info, error) {
	j := &judge{life: ctx, c: c}
	at, err := j.open(path)
	if err != nil {
		return nil, err
	}
	var all []Info
	j.walk(at, false, 0, &all)
	return all, j.err
}

// open is the place of a whole resource.
func (j *judge) open(path string) (place, error) {
	status, _, body, err := j.c.library.read(j.life, path, "")
	if err != nil {
		return place{}, err
	}
	resource := present(body)
	members := resource.members()
	switch {
	case status == http.StatusNotFound:
		return place{}, fmt.Errorf("%w: %s", ErrNoResource, path)
	case status != http.StatusOK:
		return place{}, &redfisherror.Error{Method: http.MethodGet, Path: path, Status: status, Messages: redfisherror.Parse(body)}
	case members == nil:
		return place{}, fmt.Errorf("GET %s: the answer is not a JSON object", path)
	}
	d, err := j.c.schema(j.life, members["@odata.type"].text())
	if err != nil {
		return place{}, err
	}
	return place{node: j.root(d, members), current: resource}, j.err
}

// walk describes what is at a place.
func (j *judge) walk(at place, readOnly bool, depth int, all *[]Info) {
	if j.visits++; depth > maxDepth/2 || j.visits > 10*maxVisits || j.err != nil {
		return
	}
	before := len(*all)
	n := at.node.copy()
	switch at.current.kind() {
	case array:
		items, now := j.resolve(n.items), &crowd{list: at.current.elements()}
		for i, v := range now.list {
			if v.kind() == object {
				below := at.element(i, now)
				below.node = items
				j.walk(below, readOnly, depth+1, all)
			}
		}
	case object, null:
		o := j.inside(at)
		names := maps.Clone(o.members)
		for name := range o.node.properties {
			if below, _ := j.property(o, name); !o.readOnly(below) && below.node != nil && (below.node.readOnly != nil || below.listed) {
				if names == nil {
					names = map[string]present{}
				}
				names[name] = nil
			}
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if !strings.ContainsAny(name, "@#") {
				below, _ := j.property(o, name)
				j.walk(below, o.readOnly(below), depth+1, all)
			}
		}
	}
	if len(*all) == before && depth > 0 {
		*all = append(*all, j.info(at, readOnly))
	}
}

// readOnly reports whether a property cannot be written for sure.
func (o *inner) readOnly(below place) bool {
	if o.writeable != nil {
		return !below.listed
	}
	return below.node != nil && below.node.readOnly != nil && *below.node.readOnly
}

func (j *judge) info(at place, readOnly bool) Info {
	n := at.node.copy()
	for _, a := range n.alternatives {
		if a = j.resolve(a); a == nil {
			continue
		}
		kinds := n.kinds | a.kinds
		if a.kinds != null {
			n = n.over(a)
		}
		n.kinds = kinds
	}
	i := Info{Pointer: at.trail.pointer(), Allowed: n.allowed, ReadOnly: readOnly, Default: n.fallback, Help: n.help}
	if items := j.resolve(n.items); items != nil && i.Allowed == nil {
		i.Allowed = items.allowed
	}
	if n.kinds == 0 && at.current != nil {
		n.kinds = kindOfValue(at.current.value()) &^ null
	}
	i.Type = n.kinds.String()
	if len(n.spans) > 0 {
		i.Min, _ = n.spans[0].bounds()
		_, i.Max = n.spans[len(n.spans)-1].bounds()
	} else if n.length != nil {
		i.Min, i.Max = n.length.bounds()
	}
	return i
}
