package clients

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/budget"
)

// Header fields between a client and a Stage.
const (
	RecursiveHeader    = "Ilod-Recursive"     // of a request: "true" or "false", wins over the variable
	ReturnedPathHeader = "Ilod-Returned-Path" // of a request: a form of links that wins over the variable
	OutputHeader       = "Ilod-Output"        // of an answer: the session's Output, if it is not "text"
	ActivePathHeader   = "Ilod-Active-Path"   // of an answer: the active path that took the place of one that has vanished
)

// Stage is the room of the client sessions on the way to the iLO. Requests
// without a session have the default variables.
type Stage struct {
	Next     http.RoundTripper
	Registry *Registry
	// Allowed reports whether the caller may read u. The gateway has checked the
	// requested path itself. Nil: the caller may.
	Allowed func(ctx context.Context, u *url.URL) bool
	// Recursive, if not nil, gets the recursive reads, for Subtree in the end: what
	// they find takes much memory and work.
	Recursive http.RoundTripper
}

// Subtree is the way of recursive reads.
func (s *Stage) Subtree() http.RoundTripper { return subtreeWay{s} }

type subtreeWay struct{ *Stage }

func (w subtreeWay) RoundTrip(r *http.Request) (*http.Response, error) { return w.subtree(r) }

func (s *Stage) allowed(ctx context.Context, u *url.URL) bool {
	return s.Allowed == nil || s.Allowed(ctx, u)
}

// RoundTrip sends a request on as the variables of its client session say, and
// gives the answer their form. It fails with ErrVariable, ErrRootReadOnly and
// ErrSubtree besides the errors of Next.
//
// If the active path no longer exists, it becomes Root again: the
// answer to a read is that of the new path, and the answer says so.
func (s *Stage) RoundTrip(r *http.Request) (*http.Response, error) {
	session, _ := r.Context().Value(sessionKey{}).(*api.Session)
	if session == nil {
		session = &api.Session{Variables: initial}
	}
	v := session.Variables
	if form := r.Header.Get(ReturnedPathHeader); form != "" {
		r = r.Clone(r.Context())
		r.Header.Del(ReturnedPathHeader)
		v.ReturnedPath = form
	}
	if v == initial && r.Header[RecursiveHeader] == nil {
		if u, err := Resolve(Root, http.MethodGet, r.URL); err == nil && u == r.URL {
			return s.Next.RoundTrip(r) // the most frequent case costs nothing
		}
	}
	if err := checkVariables(&v); err != nil {
		return nil, refuse(r, err)
	}
	recursive, err := isRecursive(r, v)
	if err != nil {
		return nil, refuse(r, err)
	}
	target, err := Resolve(v.ActivePath, r.Method, r.URL)
	if err != nil {
		return nil, refuse(r, err)
	}
	rewrites := v.ReturnedPath != full && (r.Method == http.MethodGet || r.Method == http.MethodHead)
	out, next := outgoing(r, target, rewrites || recursive), s.Next.RoundTrip
	if recursive {
		next = s.gather
		if rewrites {
			out = out.WithContext(context.WithValue(out.Context(), formKey{}, linkForm(v)))
		}
	}
	resp, err := next(out)
	if err != nil {
		return nil, err
	}
	resp.Header = resp.Header.Clone()
	if target != r.URL && resp.StatusCode == http.StatusNotFound && v.ActivePath != Root && s.vanished(r.Context(), v.ActivePath) {
		s.reset(session.ID, v.ActivePath)
		v.ActivePath = Root
		if resp, err = s.fromRoot(r, out, resp, next); err != nil {
			return nil, err
		}
	}
	if v.Output != text {
		resp.Header.Set(OutputHeader, v.Output)
	}
	if _, whole := resp.Body.(*unpacking); rewrites && !whole {
		if err := rewriteAnswer(resp, v, r.Method, budget.Of(r.Context())); err != nil {
			return nil, err
		}
	}
	return resp, nil
}

// outgoing is a request as it goes on. If its answer is not to be the iLO's bytes,
// it has no header fields about those.
func outgoing(r *http.Request, target *url.URL, changed bool) *http.Request {
	out := r.WithContext(r.Context())
	out.URL, out.Header, out.RequestURI = target, r.Header.Clone(), ""
	out.Header.Del(RecursiveHeader)
	if changed {
		for _, name := range []string{"Accept-Encoding", "If-Match", "If-Modified-Since", "If-None-Match", "If-Unmodified-Since", "Range"} {
			out.Header.Del(name)
		}
	}
	return out
}

// fromRoot is the answer when the active path has become Root: another one in place
// of resp, if the caller may read what the request means now.
func (s *Stage) fromRoot(r, out *http.Request, resp *http.Response, next func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	if target, err := Resolve(Root, r.Method, r.URL); err == nil && s.allowed(r.Context(), target) {
		drain(resp)
		out.URL = target
		if resp, err = next(out); err != nil {
			return nil, err
		}
		resp.Header = resp.Header.Clone()
	}
	resp.Header.Set(ActivePathHeader, Root)
	return resp, nil
}

// gather answers a recursive read.
func (s *Stage) gather(r *http.Request) (*http.Response, error) {
	if s.Recursive != nil {
		return s.Recursive.RoundTrip(r)
	}
	return s.subtree(r)
}

// refuse closes the body of a request that goes no further.
func refuse(r *http.Request, err error) error {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return err
}

// isRecursive tells whether a request is for all below a resource. What a query
// would mean for them is nobody's to guess: it keeps the variable from it.
func isRecursive(r *http.Request, v api.Variables) (bool, error) {
	switch value := r.Header.Get(RecursiveHeader); {
	case r.Method != http.MethodGet, value == "false":
		return false, nil
	case value == "":
		return v.Recursive && r.URL.RawQuery == "", nil
	case value != "true":
		return false, &ValueError{RecursiveHeader, value, `is neither "true" nor "false"`}
	case r.URL.RawQuery != "":
		return false, &ValueError{RecursiveHeader, value, "does not go with a query"}
	}
	return true, nil
}

// setBody gives an answer another body.
func setBody(resp *http.Response, body []byte) {
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	resp.TransferEncoding, resp.Uncompressed = nil, false
	resp.Header.Del("Content-Encoding")
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
}
