package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/ilopath"
)

const (
	tokenHeader = "X-Auth-Token"
	// classHeader lets a client that does not wait for the answer step back:
	// "background" is its only value.
	classHeader = "Ilod-Class"
)

// proxy hands the request on to the iLO and its answer back.
func (g *Gateway) proxy(w http.ResponseWriter, c *call) *failure {
	if c.Method == http.MethodOptions {
		return g.allow(w, c)
	}
	var body []byte
	if !isRead(c.Method) && c.ContentLength != 0 {
		var release func()
		var bad *failure
		if body, release, bad = g.readBody(w, c, maxBody); bad != nil {
			return bad
		}
		defer release()
		if bad := g.strict(c, body); bad != nil {
			return bad
		}
	}
	resp, bad := g.roundTrip(c, c.Method, body)
	if bad != nil {
		return bad
	}
	if err := c.pay(resp); err != nil {
		return g.explain(c, err)
	}
	defer resp.Body.Close()
	if !isRead(c.Method) {
		g.log.WithFields(logrus.Fields{
			"method": c.Method, "path": c.target(), "peer": c.who.name, "owner": c.who.owner, "clientSession": c.session.ID, "status": resp.StatusCode,
		}).Info("write")
	}
	g.relay(w, resp)
	return nil
}

// target is the path on the iLO, for the log.
func (c *call) target() string {
	if ofILO(ilopath.Canonical(c.URL.Path)) {
		return c.URL.Path
	}
	return c.path // what is relative to the active path
}

// allow answers OPTIONS with what the iLO allows, which it says with a HEAD.
func (g *Gateway) allow(w http.ResponseWriter, c *call) *failure {
	resp, bad := g.roundTrip(c, http.MethodHead, nil)
	if bad != nil {
		return bad
	}
	defer resp.Body.Close()
	allow := resp.Header.Get("Allow")
	if allow == "" {
		g.relay(w, resp)
		return nil
	}
	w.Header().Set("Allow", allow)
	g.reply(w, http.StatusNoContent, nil)
	return nil
}

// roundTrip sends the request to Next, with that method and body.
func (g *Gateway) roundTrip(c *call, method string, body []byte) (*http.Response, *failure) {
	req, bad := g.outgoing(c, method, body)
	if bad != nil {
		return nil, bad
	}
	resp, err := g.next.RoundTrip(req)
	switch {
	case err != nil && c.Context().Err() != nil:
		panic(http.ErrAbortHandler) // nobody is there to be told
	case err != nil:
		f := g.explain(c, err)
		log := g.log.WithError(err).WithFields(logrus.Fields{"method": method, "path": c.URL.Path, "status": f.status})
		if f.status < http.StatusInternalServerError { // refused by a room on the way
			log.Debug("refused")
		} else {
			g.noAnswers.warn(log, "no answer from the iLO")
		}
		return nil, f
	case resp.StatusCode < 200 || resp.StatusCode > 599:
		resp.Body.Close()
		return nil, &failure{status: http.StatusBadGateway, key: "OperationFailed", text: "The iLO answered with the status " + strconv.Itoa(resp.StatusCode) + "."}
	}
	if resp.Header.Get(tokenHeader) != "" {
		g.log.WithFields(logrus.Fields{"method": method, "path": c.URL.Path}).Error("the iLO opened a session that nobody asked for")
	}
	return resp, nil
}

// outgoing is the request for the iLO.
func (g *Gateway) outgoing(c *call, method string, body []byte) (*http.Request, *failure) {
	class, bad := classOf(c)
	if bad != nil {
		return nil, bad
	}
	req := c.Request.WithContext(tag(c, class)) // a shallow copy
	req.Method = method
	req.URL = &url.URL{Scheme: "https", Host: "ilo", Path: c.URL.Path, RawPath: c.URL.RawPath, RawQuery: c.URL.RawQuery}
	req.Host, req.RequestURI, req.RemoteAddr, req.TLS = "ilo", "", "", nil
	req.Header, req.Trailer, req.TransferEncoding, req.Close = outgoingHeader(c.Header), nil, nil, false
	req.Body, req.ContentLength = http.NoBody, 0
	if len(body) > 0 {
		req.ContentLength = int64(len(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Body, _ = req.GetBody()
	}
	if !c.who.known {
		// What is open to everybody costs the iLO no more than the cache asks for.
		req.URL.RawQuery = ""
		req.Header.Del("Cache-Control")
		req.Header.Del("Pragma")
		req.Header.Del(clients.RecursiveHeader)
	}
	return req, nil
}

// passed are the header fields of a request that go on: what Redfish (DSP0266) and
// HTTP have a meaning for at a service, and what the rooms on the way want to know.
// Nothing else does, since what an iLO makes of it nobody here knows: other
// credentials, another method, another host.
var passed = map[string]bool{
	"Accept": true, "Accept-Charset": true, "Accept-Encoding": true, "Accept-Language": true,
	"Content-Encoding": true, "Content-Language": true, "Content-Type": true, "User-Agent": true,
	"If-Match": true, "If-None-Match": true, "If-Modified-Since": true, "If-Unmodified-Since": true, "If-Range": true, "Range": true,
	"Cache-Control": true, "Pragma": true, "Prefer": true,
	"Odata-Version": true, "Odata-Maxversion": true,
	clients.RecursiveHeader: true, clients.ReturnedPathHeader: true, transactionHeader: true,
}

// outgoingHeader is a header for the iLO.
func outgoingHeader(in http.Header) http.Header {
	out := make(http.Header, len(in)+1)
	for name, values := range in {
		if passed[name] {
			out[name] = values
		}
	}
	dropNamed(out, in)
	return out
}

// isHop reports header fields that concern one connection (RFC 9110 §7.6.1).
func isHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// dropNamed removes from h the fields that the Connection fields of in name.
func dropNamed(h, in http.Header) {
	for _, value := range in["Connection"] {
		for name := range strings.SplitSeq(value, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
}

// relay writes the iLO's answer.
func (g *Gateway) relay(w http.ResponseWriter, resp *http.Response) {
	h := w.Header()
	for name, values := range resp.Header {
		if name != tokenHeader && name != "Set-Cookie" && name != "Set-Cookie2" && !isHop(name) {
			h[name] = values
		}
	}
	dropNamed(h, resp.Header)
	relativeLinks(h)
	if _, given := h["Content-Length"]; !given && resp.ContentLength >= 0 && bodyAllowed(resp.StatusCode) {
		h.Set("Content-Length", strconv.FormatInt(resp.ContentLength, 10))
	}
	limitWriting(w)
	w.WriteHeader(resp.StatusCode)
	if _, err := io.Copy(w, resp.Body); err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		abort(w, err) // the client must not take half an answer for a whole one
	}
}

// relativeLinks takes the iLO's host out of the links in a header, since a client
// of the agent cannot reach it.
func relativeLinks(h http.Header) {
	for _, name := range []string{"Location", "Content-Location"} {
		if values := h[name]; len(values) > 0 {
			h[name] = []string{ilopath.Relative(values[0])}
		}
	}
	for i, value := range h["Link"] { // <URI>; parameters, <URI>; …
		if i == 0 {
			h["Link"] = slices.Clone(h["Link"])
		}
		h["Link"][i] = linkTarget.ReplaceAllStringFunc(value, func(target string) string {
			return "<" + ilopath.Relative(target[1:len(target)-1]) + ">"
		})
	}
}

// linkTarget is a target in a Link header (RFC 8288 §3).
var linkTarget = regexp.MustCompile(`<[^<>]*>`)

// abort cuts the answer off, as a handler does it (see http.ErrAbortHandler). A
// server of this process, which has a method for it, learns why.
func abort(w http.ResponseWriter, err error) {
	if s, ok := unwrap(w).(interface{ Abort(error) }); ok {
		s.Abort(err)
	}
	panic(http.ErrAbortHandler)
}

func bodyAllowed(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

func isRead(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}
