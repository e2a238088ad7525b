package freshness

import (
	"net/url"
	"strings"
)

// root is the canonical path of the service root, legacy that of the tree that
// an iLO 4 serves beside it (ilo-behaviour §1).
const (
	root   = "/redfish/v1"
	legacy = "/rest/v1"
)

// maxKey bounds keys in bytes; longer requests are passed through.
const maxKey = 1024

// appendKey appends the key under which the answer to a GET is kept. All
// spellings of a path that an iLO takes for the same have one key: letter case,
// repeated slashes and percent-encoding do not count (ilo-behaviour §5). A
// trailing slash does, since links in the body follow it, and so does the query.
//
// ok is false for a path that may mean something else than it looks like:
// encoded delimiters, control characters, dot segments.
func appendKey(b []byte, u *url.URL) (key []byte, ok bool) {
	if u.RawPath != "" && strings.Contains(strings.ToLower(u.RawPath), "%2f") ||
		len(u.Path)+len(u.RawQuery) > maxKey || u.Path == "" || u.Path[0] != '/' {
		return b, false
	}
	for i := 0; i < len(u.Path); i++ {
		c := u.Path[i]
		switch {
		case c == '/' && len(b) > 0 && b[len(b)-1] == '/':
			continue
		case c == '.' && b[len(b)-1] == '/':
			dots := strings.TrimLeft(u.Path[i:], ".")
			if dots == "" || dots[0] == '/' {
				return b, false
			}
		case c <= 0x1f, c == 0x7f, c == '?', c == '#', c == '%', c == '\\':
			return b, false
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	if u.RawQuery != "" {
		b = append(append(b, '?'), u.RawQuery...)
	}
	return b, true
}

// pathOf is the canonical path of the resource that a key is about: without
// query and trailing slash.
func pathOf(key string) string {
	path, _, _ := strings.Cut(key, "?")
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	if rest, ok := strings.CutPrefix(path, legacy); ok && (rest == "" || rest[0] == '/') {
		path = root + rest
	}
	return path
}

// pathOfLink is the canonical path that a link in a body leads to; empty if it
// is not one, or a part of a resource.
func pathOfLink(link string) string {
	u, err := url.Parse(strings.ReplaceAll(link, " ", "%20"))
	if err != nil || u.Fragment != "" || u.RawQuery != "" {
		return ""
	}
	key, ok := appendKey(nil, u)
	if !ok {
		return ""
	}
	return pathOf(string(key))
}

// parent is the path one segment up.
func parent(path string) string { return path[:max(strings.LastIndexByte(path, '/'), 0)] }

// within tells whether a path is base or below it.
func within(path, base string) bool {
	rest, ok := strings.CutPrefix(path, base)
	return ok && (rest == "" || rest[0] == '/')
}

// hash is FNV-1a in 64 bits of a canonical path. It is part of what is stored.
func hash(path string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(path); i++ {
		h = (h ^ uint64(path[i])) * 1099511628211
	}
	return h
}
