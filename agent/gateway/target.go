package gateway

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/ilopath"
)

// canonicalPath is the path by which a request is judged: that which all its
// spellings have in common, since an iLO takes them for the same. The iLO gets
// the path as the client wrote it, and therefore what could mean one thing here
// and another one there is refused.
func canonicalPath(u *url.URL) (string, *failure) {
	path, plain := ilopath.Of(u)
	switch {
	case u.IsAbs() || u.Opaque != "" || u.Host != "" || !strings.HasPrefix(u.Path, "/"):
		return "", badTarget(u, "The target is not an absolute path.")
	case !plain:
		return "", badTarget(u, "The path has a character that no resource path has. Write it as links do: of letters, digits, and - _ . $ within segments, without dot segments and encoded slashes.")
	}
	return path, nil
}

// ofILO reports a canonical path of the iLO's.
func ofILO(path string) bool { return ilopath.Within(path, "/redfish") }

func badTarget(u *url.URL, text string) *failure {
	return &failure{status: http.StatusBadRequest, key: "InvalidURI", args: []string{u.Path}, text: text}
}

// checkHeaders refuses what a web page could send through a browser of this
// host, but for the agent's own page, and what would make a request another one than
// it was judged as.
func (g *Gateway) checkHeaders(c *call) *failure {
	if !ofOwnPage(c) {
		if _, given := c.Header["Origin"]; given {
			return &failure{status: http.StatusForbidden, key: "HeaderInvalid", args: []string{"Origin"}, text: "Requests of other web pages are not served."}
		}
		if site, given := c.Header["Sec-Fetch-Site"]; given && !slices.Equal(site, []string{"none"}) { // "none" is for what a person typed
			return &failure{status: http.StatusForbidden, key: "HeaderInvalid", args: []string{"Sec-Fetch-Site"}, text: "Requests of other web pages are not served."}
		}
	}
	if version, given := c.Header["Odata-Version"]; given && !slices.Equal(version, []string{"4.0"}) {
		return &failure{status: http.StatusPreconditionFailed, key: "HeaderInvalid", args: []string{"OData-Version"}}
	}
	if c.who.peer == nil && !tlsHosts[hostName(c.Host)] {
		return &failure{status: http.StatusMisdirectedRequest, key: "HeaderInvalid", args: []string{"Host"}, text: "This listener does not serve that host."}
	}
	for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
		if _, given := c.Header[name]; given {
			return &failure{status: http.StatusBadRequest, key: "HeaderInvalid", args: []string{name}}
		}
	}
	return nil
}

// options are the query parameters with a $ that Redfish or OData has.
var options = map[string]bool{
	"$expand": true, "$select": true, "$filter": true, "$skip": true, "$top": true, "$orderby": true,
	"$count": true, "$search": true, "$format": true, "$skiptoken": true,
}

// checkQuery refuses parameters with a $ that nobody knows (DSP0266, query
// parameters), and a value of the parameter only, which has none. Letter case does
// not count, as with an iLO; what is encoded twice is for reach to judge.
func checkQuery(c *call) *failure {
	query, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil || !isRead(c.Method) {
		return nil // for whom it is to judge
	}
	for name, values := range query {
		if strings.HasPrefix(name, "$") && !strings.Contains(name, "%") && !options[strings.ToLower(name)] {
			return &failure{status: http.StatusNotImplemented, key: "QueryNotSupported", text: fmt.Sprintf("The query parameter %.64q is not known.", name)}
		}
		if name == "only" && match("/redfish/v1/sessionservice/sessions", c.path) && !slices.Equal(values, []string{""}) {
			return &failure{status: http.StatusBadRequest, key: "QueryNotSupported", text: "The query parameter only has no value."}
		}
	}
	return nil
}

// tlsHosts are the names of the TLS listener in the Host header.
var tlsHosts = map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true}

// hostName is a Host header without port and brackets, in lower case.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	return strings.ToLower(host)
}
