package gateway

import (
	"net/http"
	"strings"

	"github.com/ilod/ilod/agent/page"
)

// pagePath is where the web page is.
const pagePath = "/ilod/page/"

// showPage serves the files of the page, to anyone: there is nothing of the server in them.
func showPage(_ *Gateway, w http.ResponseWriter, c *call) *failure {
	if c.path == "/" && c.who.peer != nil { // a person comes to the root of the TLS listener only
		w.Header().Del("Allow")
		return missing(c.URL.Path)
	}
	if c.path == "/" || c.path == strings.TrimSuffix(pagePath, "/") && !strings.HasSuffix(c.URL.Path, "/") {
		w.Header().Set("Location", pagePath)
		w.WriteHeader(http.StatusFound)
		return nil
	}
	page.Handler().ServeHTTP(w, c.Request)
	return nil
}

// ofOwnPage reports a request that a browser says comes from the page: on the TLS
// listener only, with an Origin, if it has one, of exactly this host and port.
func ofOwnPage(c *call) bool {
	origin, given := c.Header["Origin"]
	site := c.Header["Sec-Fetch-Site"]
	return c.who.peer == nil && tlsHosts[hostName(c.Host)] &&
		len(site) == 1 && site[0] == "same-origin" &&
		(!given || len(origin) == 1 && strings.EqualFold(origin[0], "https://"+c.Host))
}
