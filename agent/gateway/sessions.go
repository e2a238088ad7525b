package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	sessionsPath = "/redfish/v1/SessionService/Sessions"
	maxLogin     = 64 << 10 // bytes of a login's body
	maxList      = 8 << 20  // bytes of the iLO's session collection
)

// createSession makes a client session, without a word to the iLO. On the Unix
// socket the kernel says whose it is, and the credentials that Redfish clients
// send are not looked at.
func createSession(g *Gateway, w http.ResponseWriter, c *call) *failure {
	login, bad := g.loginBody(w, c)
	if bad != nil {
		return bad
	}
	of := clientSession{owner: c.who.owner, user: c.who.name, local: true}
	switch {
	case c.who.peer != nil:
	case login.UserName == nil:
		return &failure{status: http.StatusBadRequest, key: "PropertyMissing", args: []string{"UserName"}}
	case login.Password == nil:
		return &failure{status: http.StatusBadRequest, key: "PropertyMissing", args: []string{"Password"}}
	default:
		account, ok := g.login(*login.UserName, *login.Password)
		if !ok {
			return &failure{status: http.StatusUnauthorized, key: "ResourceAtUriUnauthorized", args: []string{sessionsPath, "invalid user name or password"}}
		}
		of = clientSession{owner: account.owner(), user: account.name, role: account.role}
	}
	s, token, err := g.sessions.create(of)
	if errors.Is(err, errSessionsFull) {
		g.log.WithField("owner", of.owner).Warn("no more client sessions")
		return &failure{status: http.StatusServiceUnavailable, key: "SessionLimitExceeded", retry: time.Minute}
	} else if err != nil {
		return g.explain(c, err)
	}
	g.log.WithFields(logrus.Fields{"session": s.id, "owner": s.owner}).Debug("client session created")
	h := w.Header()
	h.Set("Location", s.path())
	h.Set(tokenHeader, token)
	g.replySession(w, http.StatusCreated, s)
	return nil
}

// login is what Redfish clients send.
type login struct {
	UserName, Password *string
}

// loginBody reads a login, which may be empty.
func (g *Gateway) loginBody(w http.ResponseWriter, c *call) (l login, bad *failure) {
	body, release, bad := g.readBody(w, c, maxLogin)
	if bad != nil {
		return l, bad
	}
	defer release()
	if len(bytes.TrimSpace(body)) == 0 {
		return l, nil
	}
	if kind, _, _ := mime.ParseMediaType(c.Header.Get("Content-Type")); kind != "" && kind != "application/json" {
		return l, &failure{status: http.StatusUnsupportedMediaType, key: "HeaderInvalid", args: []string{"Content-Type"}, text: "A login is application/json."}
	}
	if err := json.Unmarshal(body, &l); err != nil { // whose text may quote the password
		return l, &failure{status: http.StatusBadRequest, key: "MalformedJSON"}
	}
	return l, nil
}

// path is where the session is in Redfish.
func (s *clientSession) path() string { return sessionsPath + "/" + s.id }

// resource is the session as Redfish shows it.
func (s *clientSession) resource() map[string]any {
	return map[string]any{
		"@odata.id":   s.path(),
		"@odata.type": "#Session.v1_0_0.Session",
		"Id":          s.id,
		"Name":        "Client Session",
		"Description": "Session of a local client with ilod; the iLO does not know it",
		"UserName":    s.user,
		"Oem": map[string]any{"Ilod": map[string]any{
			"ClientSession": true, "Owner": s.owner, "LoginTime": s.created.UTC().Format(time.RFC3339),
		}},
	}
}

// replySession answers with a session, and with its ETag.
func (g *Gateway) replySession(w http.ResponseWriter, status int, s clientSession) {
	resource := s.resource()
	tag := etag([]byte(s.id))
	resource["@odata.etag"] = tag
	w.Header().Set("ETag", tag)
	w.Header().Set("Link", "</redfish/v1/JsonSchemas/Session>; rel=describedby")
	g.reply(w, status, resource)
}

// etag is one for these bytes.
func etag(of []byte) string {
	hash := sha256.Sum256(of)
	return `"` + base64.RawURLEncoding.EncodeToString(hash[:12]) + `"`
}

// mine finds the client session of the path, if the caller may see it: its own
// ones, an admin all.
func (g *Gateway) mine(c *call) (clientSession, *failure) {
	s, ok := g.sessions.byID(c.path[strings.LastIndexByte(c.path, '/')+1:])
	if !ok || !c.who.sees(&s) {
		return s, missing(c.URL.Path)
	}
	return s, nil
}

func (c *caller) sees(s *clientSession) bool { return c.role == Admin || s.owner == c.owner }

func showSession(g *Gateway, w http.ResponseWriter, c *call) *failure {
	s, bad := g.mine(c)
	if bad != nil {
		return bad
	}
	if c.Method == http.MethodOptions {
		g.reply(w, http.StatusNoContent, nil)
		return nil
	}
	if tag := etag([]byte(s.id)); matches(c.Header.Values("If-None-Match"), tag) {
		w.Header().Set("ETag", tag)
		g.reply(w, http.StatusNotModified, nil)
		return nil
	}
	g.replySession(w, http.StatusOK, s)
	return nil
}

// matches compares the value of an If-None-Match with a tag (RFC 9110 §13.1.2).
func matches(values []string, tag string) bool {
	for candidate := range strings.SplitSeq(strings.Join(values, ","), ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == tag {
			return true
		}
	}
	return false
}

func endSession(g *Gateway, w http.ResponseWriter, c *call) *failure {
	s, bad := g.mine(c)
	if bad != nil {
		return bad
	}
	g.sessions.end(s.id)
	g.log.WithFields(logrus.Fields{"session": s.id, "by": c.who.name}).Debug("client session ended")
	g.reply(w, http.StatusNoContent, nil)
	return nil
}

// listSessions answers with the iLO's collection as it is and adds the client
// sessions to its members, named once more in Oem.Ilod so that they can be told
// from the others. With query options the iLO's answer stays as it is: what they
// do to a collection is the iLO's to say.
func listSessions(g *Gateway, w http.ResponseWriter, c *call) *failure {
	if c.Method == http.MethodOptions {
		g.reply(w, http.StatusNoContent, nil)
		return nil
	}
	own := g.sessions.list(c.who.sees)
	if c.URL.RawQuery != "" || len(own) == 0 {
		w.Header().Del("Allow")
		return g.proxy(w, c)
	}
	plain := *c
	plain.Request = c.Request.Clone(c.Context())
	for _, name := range []string{"Accept-Encoding", "If-None-Match", "If-Match", "If-Modified-Since", "Range"} {
		plain.Header.Del(name) // they are about the iLO's bytes, which are not what is answered
	}
	resp, bad := g.roundTrip(&plain, http.MethodGet, nil)
	if bad != nil {
		return bad
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxList))
	if err != nil {
		return g.explain(c, err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if merged, ok := addMembers(body, own); ok && resp.StatusCode == http.StatusOK {
		resp.Body = io.NopCloser(bytes.NewReader(merged))
		resp.ContentLength = int64(len(merged))
		resp.Header = resp.Header.Clone()
		resp.Header.Set("Content-Length", strconv.Itoa(len(merged)))
		resp.Header.Set("ETag", etag(merged))
	}
	w.Header().Del("Allow")
	g.relay(w, resp)
	return nil
}

// addMembers adds client sessions to a session collection.
func addMembers(collection []byte, own []clientSession) ([]byte, bool) {
	var all map[string]json.RawMessage
	var members []json.RawMessage
	oem := map[string]json.RawMessage{}
	if json.Unmarshal(collection, &all) != nil || json.Unmarshal(all["Members"], &members) != nil {
		return nil, false
	}
	if all["Oem"] != nil && json.Unmarshal(all["Oem"], &oem) != nil {
		return nil, false
	}
	type link struct {
		ID string `json:"@odata.id"`
	}
	var links []link
	for i := range own {
		links = append(links, link{own[i].path()})
	}
	for _, l := range links {
		members = append(members, encode(l))
	}
	oem["Ilod"] = encode(map[string]any{"ClientSessions": links, "ClientSessions@odata.count": len(links)})
	all["Oem"], all["Members"], all["Members@odata.count"] = encode(oem), encode(members), encode(len(members))
	delete(all, "@odata.etag") // of other content
	return encode(all), true
}

// encode is for what always can be encoded.
func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return slices.Clip(b)
}
