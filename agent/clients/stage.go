package clients

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// ActivePrefix begins the paths that are relative to the active path.
const ActivePrefix = "/ilod/v1/active/"

// Root is the active path of a session that has not chosen one.
const Root = "/redfish/v1/"

// Header fields between a client and a Stage.
const (
	RecursiveHeader  = "Ilod-Recursive"   // of a request: "true" or "false"
	OutputHeader     = "Ilod-Output"      // of an answer: the session's Output, if it is not "text"
	ActivePathHeader = "Ilod-Active-Path" // of an answer: the new one after the old has vanished
)

// Stage is the room of the client sessions on the way to the iLO.
type Stage struct {
	Next     http.RoundTripper
	Registry *Registry
	// Allowed reports whether the caller may read a path. The Stage asks it for
	// each path that is not the one of the request: those of a recursive read,
	// which leaves out what is not allowed, and one resolved against another
	// active path. Nil: everything.
	Allowed func(ctx context.Context, path string) bool
}

// RoundTrip resolves the active path, and reads recursively.
func (s *Stage) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, errors.ErrUnsupported
}

// Resolve returns what a request of a session is for: u itself, or for a path
// below ActivePrefix the one below the active path. It fails with ErrVariable
// and ErrRootReadOnly.
func Resolve(active, method string, u *url.URL) (*url.URL, error) {
	return nil, errors.ErrUnsupported
}
