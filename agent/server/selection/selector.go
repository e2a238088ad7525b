// Package selection finds resources by their type, and properties in resources, with
// the names of HPE's ilorest. It turns assignments into writes.
package selection

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/ilod/ilod/agent/ilopath"
)

// Errors of this package, for errors.Is.
var (
	ErrSelector   = errors.New("neither a type, such as ComputerSystem., nor a path")
	ErrFilter     = errors.New("a filter has the form PROPERTY=VALUE")
	ErrAssignment = errors.New("an assignment has the form PROPERTY=VALUE")
	ErrNoType     = errors.New("no resource is of this type")
	ErrNoMatch    = errors.New("no resource matches the filter")
	ErrNoProperty = errors.New("no such property")
	ErrValue      = errors.New("the iLO would refuse the change")
)

// Selector says which resources are meant.
type Selector struct {
	Type    string // the beginning of a type's name, or any part if none begins so; with a dot at its end, the whole name
	Path    string // instead of Type: of one resource
	Pointer string // JSON pointer to the part of the resources that is meant
	Filters []Filter
}

// Filter is the value that a property must have, in any letter case. A Value with an
// asterisk at its end is the beginning of it.
type Filter struct{ Property, Value string }

func (f *Filter) matches(v any) bool {
	text := Scalar(v)
	if begin, open := strings.CutSuffix(f.Value, "*"); open {
		return hasPrefixFold(text, begin)
	}
	return strings.EqualFold(text, f.Value) || strings.HasPrefix(text, "/redfish/") && sameLink(text, f.Value)
}

// sameLink reports whether two links lead to the same part of the same resource.
func sameLink(a, b string) bool {
	_, partOfA, _ := strings.Cut(a, "#")
	_, partOfB, _ := strings.Cut(b, "#")
	return strings.EqualFold(partOfA, partOfB) && ilopath.Canonical(a) == ilopath.Canonical(b)
}

func hasPrefixFold(text, begin string) bool {
	return len(text) >= len(begin) && strings.EqualFold(text[:len(begin)], begin)
}

// typeForm is the form of types, and of their beginnings.
var typeForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]*)*$`)

// Parse reads a selector: a type or a path, each with an optional JSON pointer
// behind "#", and filters behind "?", as String writes them. It fails with
// ErrSelector or ErrFilter.
func Parse(text string) (s Selector, err error) {
	what, filters, _ := strings.Cut(text, "?")
	name, pointer, _ := strings.Cut(strings.TrimPrefix(what, "#"), "#")
	s.Pointer = strings.TrimPrefix(pointer, "/")
	switch {
	case strings.HasPrefix(name, "/"):
		if _, err := url.ParseRequestURI(name); err != nil {
			return s, fmt.Errorf("%q is %w", text, ErrSelector)
		}
		s.Path = name
	case typeForm.MatchString(name):
		s.Type = name
	default:
		return s, fmt.Errorf("%q is %w", text, ErrSelector)
	}
	if filters == "" {
		return s, nil
	}
	for f := range strings.SplitSeq(filters, "&") {
		if f, err = url.QueryUnescape(f); err != nil {
			return s, fmt.Errorf("%q: %w", f, ErrFilter)
		}
		if err := s.Filter(f); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Filter adds a filter of the form PROPERTY=VALUE. It fails with ErrFilter.
func (s *Selector) Filter(text string) error {
	property, value, found := strings.Cut(text, "=")
	property, value = strings.TrimSpace(property), strings.TrimSpace(value)
	if !found || property == "" {
		return fmt.Errorf("%q: %w", text, ErrFilter)
	}
	if value == "" {
		value = Scalar(value)
	}
	s.Filters = append(s.Filters, Filter{property, value})
	return nil
}

// String is the text that Parse reads.
func (s Selector) String() string {
	text := s.Type + s.Path
	if s.Pointer != "" {
		text += "#/" + s.Pointer
	}
	for i, f := range s.Filters {
		text += map[bool]string{true: "?", false: "&"}[i == 0] + url.QueryEscape(f.Property+"="+f.Value)
	}
	return text
}

// Matches reports whether a resource's type is selected, letter case aside.
func (s *Selector) Matches(odataType string) bool {
	return hasPrefixFold(strings.TrimPrefix(odataType, "#"), s.Type)
}

// contains reports whether any part of a resource's type is selected.
func (s *Selector) contains(odataType string) bool {
	return strings.Contains(strings.ToLower(odataType), strings.ToLower(s.Type))
}

// Name is a type without "#" and what follows the first dot.
func Name(odataType string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(odataType, "#"), ".")
	return name
}
