package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/agent/clients"
)

// isRelative reports a path that begins at the active path of the client session, where
// a name could be something else: one with dots at its beginning or a slash at its end.
func isRelative(arg string) bool {
	first, _, _ := strings.Cut(arg, "/")
	path := arg[:strings.IndexAny(arg+"#", "#?")]
	return first == "." || first == ".." || isBare(arg) && strings.HasSuffix(path, "/")
}

// isBare reports a path that begins with a name. One that was meant to begin with a slash,
// or a URL, must not be taken for one.
func isBare(arg string) bool {
	first, _, _ := strings.Cut(arg, "/")
	return arg != "" && !strings.ContainsAny(arg[:1], "/#?") && !strings.ContainsAny(arg, ": \\") &&
		!strings.EqualFold(first, "redfish") && !strings.EqualFold(first, "ilod") && !strings.EqualFold(first, "rest")
}

// climb resolves a relative path with dot segments, which the agent does not take.
func (a *app) climb(ctx context.Context, rt http.RoundTripper, method string, u *url.URL) (*url.URL, error) {
	if !strings.HasPrefix(u.Path, clients.ActivePrefix) || !strings.Contains(u.Path, "/.") {
		return u, nil
	}
	return resolve(ctx, rt, method, u)
}

// resolve makes a path absolute that begins at the active path of the client session.
func resolve(ctx context.Context, rt http.RoundTripper, method string, u *url.URL) (*url.URL, error) {
	s, err := clientOf(rt).Session(ctx, client.Current)
	if err != nil {
		return nil, err
	}
	resolved, err := clients.Resolve(s.ActivePath, method, u)
	if err != nil {
		return nil, &usageError{err.Error(), "see 'ilod session show'"}
	}
	resolved.Scheme, resolved.Host, resolved.Fragment = u.Scheme, u.Host, u.Fragment
	return resolved, nil
}

// parsePath makes a URL of a path on the iLO as people type it: blanks and
// other bytes that a request line cannot hold are escaped, escapes are kept. A
// fragment, as in "@odata.id" of a part of a resource, is not sent: it is for
// the reader of the resource. A path that begins with ./ or ../ or a name begins at the
// active path of the client session.
func parsePath(arg string) (*url.URL, error) {
	const hint = "give the path alone, such as /redfish/v1/Systems/1/"
	if isRelative(arg) || isBare(arg) {
		arg = clients.ActivePrefix + strings.TrimPrefix(arg, "./")
	}
	if !strings.HasPrefix(arg, "/") {
		return nil, &usageError{fmt.Sprintf("path %q does not begin with /", arg), hint}
	}
	arg, fragment, _ := strings.Cut(arg, "#")
	u, err := url.ParseRequestURI(arg)
	if err != nil {
		var cause *url.Error
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return nil, &usageError{fmt.Sprintf("path %q: %v", arg, err), hint}
	}
	u.Scheme, u.Host = "http", "ilo" // the channel ignores both
	u.RawQuery, u.Fragment = escapeQuery(u.RawQuery), fragment
	return u, nil
}

func escapeQuery(q string) string {
	var b strings.Builder
	for _, c := range []byte(q) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"<>`, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
