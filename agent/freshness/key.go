package freshness

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/ilopath"
)

// root is the canonical path of the service root, legacy that of the tree that
// an iLO 4 serves beside it (ILO.md §1).
const (
	root   = "/redfish/v1"
	legacy = "/rest/v1"
)

// maxKey bounds keys in bytes; longer requests are passed through.
const maxKey = 1024

// appendKey appends the key under which the answer to a GET is kept: the path as
// ilopath.AppendRequest has it, and the query. ok is false for a path that may
// mean something else than it looks like, and for one that is too long.
func appendKey(b []byte, u *url.URL) (key []byte, ok bool) {
	if len(u.Path)+len(u.RawQuery) > maxKey {
		return b, false
	}
	if b, ok = ilopath.AppendRequest(b, u); ok && u.RawQuery != "" {
		b = append(append(b, '?'), u.RawQuery...)
	}
	return b, ok
}

// otherForm is the key of the same resource with a slash at the end of its path, or
// without. The answer to it may have other links (ILO.md §5).
func otherForm(key []byte) []byte {
	path, query, asked := bytes.Cut(key, []byte("?"))
	other, had := bytes.CutSuffix(slices.Clone(path), []byte("/"))
	if !had {
		other = append(other, '/')
	}
	if asked {
		other = append(append(other, '?'), query...)
	}
	return other
}

// pathOf is the canonical path of the resource that a key is about.
func pathOf(key string) string { return ilopath.Canonical(key) }

// pathOfLink is the canonical path that a link in a body leads to; empty if it
// is not one, or a part of a resource.
func pathOfLink(link string) string {
	u, err := url.Parse(strings.ReplaceAll(link, " ", "%20"))
	if err != nil || u.Fragment != "" || u.RawQuery != "" {
		return ""
	}
	path, plain := ilopath.Of(u)
	if !plain || len(path) > maxKey {
		return ""
	}
	return path
}

// parent is the path one segment up.
func parent(path string) string { return path[:max(strings.LastIndexByte(path, '/'), 0)] }

// hash is FNV-1a in 64 bits of a canonical path. It is part of what is stored.
func hash(path string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(path); i++ {
		h = (h ^ uint64(path[i])) * 1099511628211
	}
	return h
}
