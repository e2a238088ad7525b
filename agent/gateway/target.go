package gateway

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// canonicalPath is the path by which a request is judged: decoded, in lower
// case, slashes folded, none at the end, /rest/… as /redfish/…. An iLO takes all
// these spellings for the same (ilo-behaviour §5); the iLO gets the path as the
// client wrote it.
//
// Refused is what could mean one thing here and another one there: encoded
// slashes, encoded percent signs, dot segments, path parameters, backslashes,
// control characters.
func canonicalPath(u *url.URL) (string, *failure) {
	if u.IsAbs() || u.Opaque != "" || u.Host != "" || !strings.HasPrefix(u.Path, "/") {
		return "", badTarget(u, "The target is not an absolute path.")
	}
	if strings.ContainsFunc(u.Path, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == ';' || r == '%' }) {
		return "", badTarget(u, "The target has a character that no resource has.")
	}
	if u.RawPath != "" && strings.Contains(strings.ToLower(u.RawPath), "%2f") {
		return "", badTarget(u, "The target has an encoded slash.")
	}
	path := lower(u.Path)
	if strings.Contains(path, "//") {
		path = foldSlashes(path)
	}
	if strings.Contains(path, "/.") {
		for s := range strings.SplitSeq(path, "/") {
			if s == "." || s == ".." {
				return "", badTarget(u, "The target has dot segments.")
			}
		}
	}
	path = strings.TrimSuffix(path, "/")
	if rest, legacy := strings.CutPrefix(path, "/rest"); legacy && (rest == "" || rest[0] == '/') {
		path = "/redfish" + rest
	}
	return path, nil
}

// ofILO reports a canonical path of the iLO's.
func ofILO(path string) bool { return path == "/redfish" || strings.HasPrefix(path, "/redfish/") }

func badTarget(u *url.URL, text string) *failure {
	return &failure{status: http.StatusBadRequest, key: "InvalidURI", args: []string{u.Path}, text: text}
}

// lower turns ASCII letters to lower case; other letters have no other case in
// an iLO.
func lower(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if b[i] >= 'A' && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

func foldSlashes(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] != '/' || i == 0 || s[i-1] != '/' {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// checkHeaders refuses what a web page could send through a browser of this
// host, and what would make a request another one than it was judged as.
func (g *Gateway) checkHeaders(c *call) *failure {
	if _, given := c.Header["Origin"]; given {
		return &failure{status: http.StatusForbidden, key: "HeaderInvalid", args: []string{"Origin"}, text: "Requests of web pages are not served."}
	}
	if c.who.peer == nil && !g.hosts[hostName(c.Host)] {
		return &failure{status: http.StatusMisdirectedRequest, key: "HeaderInvalid", args: []string{"Host"}, text: "This listener does not serve that host."}
	}
	for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
		if _, given := c.Header[name]; given {
			return &failure{status: http.StatusBadRequest, key: "HeaderInvalid", args: []string{name}}
		}
	}
	return nil
}

// hostName is a Host header without port and brackets, in lower case.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	return strings.ToLower(host)
}
