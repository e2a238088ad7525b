// Package schema knows what the iLO's JSON Schemas and registries allow to be
// written, and tells it before a write is sent.
//
// It refuses only what these documents forbid beyond doubt. Whatever they leave
// open, and all that they do not describe, is for the iLO to judge.
package schema

import (
	"context"
	"errors"
	"net/http"
)

// Write is a request that changes a resource.
type Write struct {
	Method  string
	Path    string // of the request, without query
	Body    []byte // JSON
	Current []byte // the resource as it is, nil if not known
}

// Violation is a reason why the iLO would refuse a write.
type Violation struct {
	Key     string   // of the message in the Base registry, such as PropertyUnknown
	Args    []string // of this message, in its order
	Pointer string   // JSON pointer to the place in the body
	Text    string   // for people
	Allowed []string // the values allowed here, if they are counted
}

// Checker checks writes against schemas and registries of one iLO, which it
// fetches when it needs them. It is safe for concurrent use.
type Checker struct {
	next http.RoundTripper
}

// NewChecker makes a Checker that reads through next.
func NewChecker(next http.RoundTripper) *Checker { return &Checker{next: next} }

// Check names all that is wrong with a write. The error is that of a document
// that could not be read at all; one that is missing or not understood allows
// everything.
func (c *Checker) Check(ctx context.Context, w Write) ([]Violation, error) {
	return nil, errors.ErrUnsupported
}

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
