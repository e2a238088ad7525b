// Package ilopath compares paths of an iLO's resources.
//
// An iLO accepts many spellings of the path of one resource. Letter case, repeated
// slashes, percent-encoding and a slash at the end do not count. /rest/v1, the tree of
// an iLO 4 before Redfish, shows the same resources as /redfish/v1. To find out whether
// two paths name one resource, compare their canonical forms from this package. No
// other package makes such a form.
package ilopath

import (
	"net/url"
	"strings"
)

// Canonical returns the form that all spellings of a path have in common:
// without query and fragment, percent-encoding undone however often it was done,
// ASCII letters in lower case, dot segments and repeated slashes resolved, with a
// slash at the beginning and none at the end, and /redfish for /rest. It is also
// the canonical form of itself. A path that has this form costs no allocation.
//
// Encoded question marks and hashes stay encoded, since as they are they would
// begin a query or a fragment.
func Canonical(path string) string {
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	for len(path) > 1 && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	if isCanonical(path) {
		return path
	}
	return modern(resolve(decode(path)))
}

// Of is Canonical for the path of a URL. plain tells whether everybody who reads
// the path finds the same resource. That holds for the characters that the paths of
// real iLOs have, letters, digits and -_.$, and for few others within a segment; not
// for what one server decodes, resolves or cuts off and another one does not: encoded
// slashes, percent signs, question marks and hashes, dot segments, a dot or a blank
// at the end of a segment, path parameters, plus signs, backslashes, control characters,
// and whatever is not ASCII. Such a path names no resource of an iLO.
func Of(u *url.URL) (canonical string, plain bool) {
	if isCanonical(u.Path) {
		return u.Path, isPlain(u)
	}
	return Canonical(u.EscapedPath()), isPlain(u)
}

// AppendRequest appends the form of a URL's path by which the answers to it can
// be kept, and reports whether the path is plain; if not, it appends something of
// no use. It is the canonical form, except that a slash at the end and /rest
// stay, because the links in the answer have the form of the request.
func AppendRequest(b []byte, u *url.URL) (form []byte, plain bool) {
	if !isPlain(u) {
		return b, false
	}
	for i := 0; i < len(u.Path); i++ {
		c := u.Path[i]
		if c == '/' && i > 0 && u.Path[i-1] == '/' {
			continue
		}
		b = append(b, lower(c))
	}
	return b, true
}

// Within reports whether a canonical path is base or below it.
func Within(path, base string) bool {
	rest, under := strings.CutPrefix(path, base)
	return under && (rest == "" || rest[0] == '/')
}

// Relative is a link to a resource of the iLO without scheme and host, and with
// blanks encoded; any other text stays as it is. The host means nothing: an iLO
// has none, or its own address on a network, in what it answers over the host's
// channel, where a Location may also hold a literal blank.
func Relative(link string) string {
	path := afterHost(link)
	if !within(path, roots...) {
		return link
	}
	return strings.ReplaceAll(path, " ", "%20")
}

// Location is Relative for a link that must lead to a resource, as a Location: its
// path can go into a request. What stands before /redfish or /rest is left out,
// such as a host without scheme; path is empty if nothing is left.
func Location(link string) (path string, ok bool) {
	path = afterHost(link)
	for path != "" && strings.IndexByte("?#", path[0]) < 0 && !within(path, roots...) {
		path = path[1:]
	}
	path = strings.ReplaceAll(path, " ", "%20")
	if _, err := url.ParseRequestURI(path); err != nil {
		return "", false
	}
	return path, true
}

// roots are those of the iLO's resources.
var roots = []string{"/redfish", "/rest"}

// afterHost is a link without scheme and host.
func afterHost(link string) string {
	scheme, rest, absolute := strings.Cut(link, "//")
	if absolute && (scheme == "" || strings.HasSuffix(scheme, ":") && !strings.ContainsAny(scheme, "/?#")) && !within(link, "//redfish", "//rest") {
		return rest[strings.IndexByte(rest+"/", '/'):]
	}
	return link
}

// within reports whether a link is one of the roots or below it, letter case
// aside.
func within(link string, roots ...string) bool {
	for _, root := range roots {
		if n := len(root); len(link) >= n && strings.EqualFold(link[:n], root) && (len(link) == n || strings.IndexByte("/?#", link[n]) >= 0) {
			return true
		}
	}
	return false
}

// isPlain looks at a path that is decoded once already.
func isPlain(u *url.URL) bool {
	if u.Path == "" || u.Path[0] != '/' || u.RawPath != "" && strings.Contains(strings.ToLower(u.RawPath), "%2f") {
		return false
	}
	for i := 1; i < len(u.Path); i++ {
		c, first := u.Path[i], u.Path[i-1] == '/'
		last := i+1 == len(u.Path) || u.Path[i+1] == '/'
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '/', c == '_', c == '-':
		case c == '$' && first:
		case inside(c) && !first && !last:
		default:
			return false
		}
	}
	return true
}

// inside reports a character that stands in a segment of a path, but neither begins
// nor ends one: a server might cut it off there, and find another resource. All but
// the dot come from names that somebody has chosen, as of an account in the id of its
// session.
func inside(c byte) bool {
	switch c {
	case '.', ' ', '@', ':', ',', '(', ')':
		return true
	}
	return false
}

// isDots reports whether a path begins with a dot segment.
func isDots(path string) bool {
	segment, _, _ := strings.Cut(path, "/")
	return segment == "." || segment == ".."
}

// isCanonical reports whether Canonical has nothing to do.
func isCanonical(path string) bool {
	if path == "" || path[0] != '/' || path != "/" && path[len(path)-1] == '/' || Within(path, legacy) {
		return false
	}
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '%', c == '?', c == '#', c != lower(c):
			return false
		case i == 0 || path[i-1] != '/':
		case c == '/', c == '.' && isDots(path[i:]):
			return false
		}
	}
	return true
}

// decode undoes percent-encoding, also of what it has decoded, and lowers
// letters.
func decode(path string) []byte {
	out := make([]byte, 0, len(path)+1)
	for i := 0; i < len(path); i++ {
		out = append(out, path[i])
		for n := len(out) - 3; n >= 0 && out[n] == '%'; n = len(out) - 3 {
			high, low := digit(out[n+1]), digit(out[n+2])
			c := byte(high<<4 | low)
			if high < 0 || low < 0 || c == '?' || c == '#' {
				break
			}
			out = append(out[:n], c)
		}
	}
	for i, c := range out {
		out[i] = lower(c)
	}
	return out
}

// resolve removes empty and dot segments.
func resolve(path []byte) string {
	var out []string
	for segment := range strings.SplitSeq(string(path), "/") {
		switch segment {
		case "", ".":
		case "..":
			out = out[:max(len(out)-1, 0)]
		default:
			out = append(out, segment)
		}
	}
	return "/" + strings.Join(out, "/")
}

const legacy = "/rest"

// modern has /redfish for /rest.
func modern(path string) string {
	if Within(path, legacy) {
		return "/redfish" + path[len(legacy):]
	}
	return path
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// digit is the value of a hexadecimal digit, -1 for anything else.
func digit(c byte) int {
	switch c = lower(c); {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
