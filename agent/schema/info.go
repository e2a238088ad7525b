package schema

import (
	"context"
	"errors"
)

// Info describes a property.
type Info struct {
	Pointer  string   // JSON pointer in the resource
	Type     string   // of JSON, or several with "|" between them: "string|null"
	Allowed  []string // the values it can have, if they are counted
	ReadOnly bool
	Default  string // JSON, "" if there is none or it is not known
	Min, Max string // of a number, or of the length of a string; "" for no bound
	Help     string
}

// Property describes the property of a resource that a JSON pointer leads to.
func (c *Checker) Property(ctx context.Context, path, pointer string) (Info, error) {
	return Info{}, errors.ErrUnsupported
}

// Properties describes all properties of a resource, those within others, too.
func (c *Checker) Properties(ctx context.Context, path string) ([]Info, error) {
	return nil, errors.ErrUnsupported
}
