package clients

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
)

// ActivePrefix begins the paths that are relative to the active path.
const ActivePrefix = "/ilod/v1/active/"

// Root is the active path of a session that has not chosen one.
const Root = "/redfish/v1/"

// Resolve returns what a request is for: u itself, or for a path below
// ActivePrefix the one below the active path, with the same query. It fails with
// ErrVariable if that would not be in Redfish, and with ErrRootReadOnly if it
// would write relative to the service root.
func Resolve(active, method string, u *url.URL) (*url.URL, error) {
	escaped := u.EscapedPath()
	if n := len(ActivePrefix); len(escaped)+1 == n {
		escaped += "/"
	} else if len(escaped) < n {
		return u, nil
	}
	rest := escaped[len(ActivePrefix):]
	if !strings.EqualFold(escaped[:len(ActivePrefix)], ActivePrefix) {
		return u, nil
	}
	if active == Root && !isRead(method) {
		return nil, ErrRootReadOnly
	}
	refused := &ValueError{ActivePrefix, rest, "is not a path below " + Root}
	depth := strings.Split(strings.Trim(active, "/"), "/")
	segments := strings.Split(rest, "/")
	for i, segment := range segments {
		plain, err := url.PathUnescape(segment)
		switch {
		case err != nil || strings.ContainsAny(plain, `/\`):
			return nil, refused
		case plain == "..":
			if depth = depth[:len(depth)-1]; len(depth) < 2 {
				return nil, refused
			}
		case plain != "." && plain != "":
			depth = append(depth, segment)
		}
		if last := i == len(segments)-1; last && (plain == "" || plain == "." || plain == "..") {
			depth = append(depth, "") // a slash at the end
		}
	}
	path := "/" + strings.Join(depth, "/")
	out, err := url.Parse(path)
	if err != nil {
		return nil, refused
	}
	out.RawQuery, out.ForceQuery = u.RawQuery, u.ForceQuery
	return out, nil
}

// isRead tells whether the method changes nothing.
func isRead(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	return false
}

// vanished tells whether the active path no longer exists.
func (s *Stage) vanished(ctx context.Context, active string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, active, nil)
	if err != nil {
		return false
	}
	resp, err := s.Next.RoundTrip(r)
	if err != nil {
		return false
	}
	drain(resp)
	return resp.StatusCode == http.StatusNotFound
}

// reset gives the session its first active path back, unless somebody has chosen
// another one meanwhile.
func (s *Stage) reset(id, vanished string) {
	_, err := s.Registry.Set(id, func(v *api.Variables) error {
		if v.ActivePath == vanished {
			v.ActivePath = Root
		}
		return nil
	})
	if err == nil {
		s.Registry.o.Log.WithFields(logrus.Fields{"clientSession": id, "path": vanished}).Info("the active path has vanished")
	}
}

// drain gives up an answer.
func drain(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	_ = resp.Body.Close()
}
