package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/freshness"
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
	of := c.who
	switch {
	case c.who.peer != nil:
	case login.UserName == nil:
		return &failure{status: http.StatusBadRequest, key: "PropertyMissing", args: []string{"UserName"}}
	case login.Password == nil:
		return &failure{status: http.StatusBadRequest, key: "PropertyMissing", args: []string{"Password"}}
	default:
		account, ok := g.login(*login.UserName, *login.Password)
		if !ok {
			g.auditLogin(c)
			return &failure{status: http.StatusUnauthorized, key: "ResourceAtUriUnauthorized", args: []string{sessionsPath, "invalid user name or password"}}
		}
		of.be(account)
	}
	s, bad := g.create(w, c, of, clients.Request{Kind: api.KindRedfish, Compatible: true})
	if bad != nil {
		return bad
	}
	w.Header().Set("Location", redfishPath(s))
	g.replySession(w, http.StatusCreated, s)
	return nil
}

// create makes a client session and puts its handle into the answer's header.
func (g *Gateway) create(w http.ResponseWriter, c *call, of caller, q clients.Request) (api.Session, *failure) {
	var bad *failure
	if q.Terminate, bad = onlyQueries(c, "terminate"); bad != nil {
		return api.Session{}, bad
	}
	q.Admin = of.role == Admin
	s, handle, err := g.clients.Create(of.asOwner(), q)
	if err != nil {
		return s, g.explain(c, err)
	}
	w.Header().Set(tokenHeader, handle)
	return s, nil
}

// maxTerminate bounds how many sessions a request may name.
const maxTerminate = 1000

// onlyQueries returns the values of the only query parameter that there may be.
func onlyQueries(c *call, name string) ([]string, *failure) {
	query, err := url.ParseQuery(c.URL.RawQuery)
	values := query[name]
	delete(query, name)
	if err != nil || len(query) > 0 || len(values) > maxTerminate || slices.Contains(values, "") {
		return nil, &failure{status: http.StatusBadRequest, key: "QueryNotSupported", text: "The only query parameter is " + name + ", with a value."}
	}
	return values, nil
}

// onlyQuery returns the value of the only query parameter that there must be.
func onlyQuery(c *call, name string) (string, *failure) {
	values, bad := onlyQueries(c, name)
	if bad == nil && len(values) != 1 {
		bad = &failure{status: http.StatusBadRequest, key: "QueryNotSupported", text: "The only query parameter is " + name + ", once and with a value."}
	}
	return strings.Join(values, ""), bad
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
	if bad := wantJSON(c); bad != nil {
		return l, bad
	}
	if err := json.Unmarshal(body, &l); err != nil { // whose text may quote the password
		return l, &failure{status: http.StatusBadRequest, key: "MalformedJSON"}
	}
	return l, nil
}

// wantJSON refuses a body that says to be something else.
func wantJSON(c *call) *failure {
	if kind, _, _ := mime.ParseMediaType(c.Header.Get("Content-Type")); kind != "" && kind != "application/json" {
		return &failure{status: http.StatusUnsupportedMediaType, key: "HeaderInvalid", args: []string{"Content-Type"}, text: "The body must be application/json."}
	}
	return nil
}

// redfishPath is where the session is in Redfish.
func redfishPath(s api.Session) string { return sessionsPath + "/" + s.ID }

// resource is the session as Redfish shows it.
func resource(s api.Session) map[string]any {
	hpe := map[string]any{ // as an iLO 5 and later show theirs, in whole seconds
		"@odata.context": "/redfish/v1/$metadata#HpeiLOSession.HpeiLOSession",
		"@odata.type":    "#HpeiLOSession.v2_1_0.HpeiLOSession",
		"AccessTime":     stamp(s.Used), "LoginTime": stamp(s.Created), "MySession": s.Current,
		"UserExpires": stamp(s.Expires), "UserTag": "REST", "UserType": "Local",
	}
	if s.Address != "" {
		hpe["UserIP"] = s.Address
	}
	return map[string]any{
		"@odata.id":   redfishPath(s),
		"@odata.type": "#Session.v1_0_0.Session",
		"Id":          s.ID,
		"Name":        "Client Session",
		"Description": "Session of a local client with ilod; the iLO does not know it",
		"UserName":    s.User,
		"Oem": map[string]any{
			"Hpe":  hpe,
			"Ilod": map[string]any{"ClientSession": true, "Owner": s.Owner, "LoginTime": stamp(s.Created)},
		},
	}
}

// stamp is a time as an iLO writes it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// replySession answers with a session, and with its ETag.
func (g *Gateway) replySession(w http.ResponseWriter, status int, s api.Session) {
	body, tag := tagged(resource(s))
	w.Header().Set("ETag", tag)
	w.Header().Set("Link", "</redfish/v1/JsonSchemas/Session>; rel=describedby")
	g.reply(w, status, body)
}

// tagged adds the ETag of all else in a resource to it.
func tagged(resource map[string]any) (body map[string]any, tag string) {
	tag = etag(encode(resource))
	resource["@odata.etag"] = tag
	return resource, tag
}

// etag is one for these bytes.
func etag(of []byte) string {
	hash := sha256.Sum256(of)
	return `"` + base64.RawURLEncoding.EncodeToString(hash[:12]) + `"`
}

// mine finds a client session, if the caller may see it: its own ones, an admin
// all.
func (g *Gateway) mine(c *call, id string) (api.Session, *failure) {
	s, err := g.clients.Get(id)
	if err != nil || !c.who.sees(s) {
		return s, missing(c.URL.Path)
	}
	s.Current = c.lease != nil && s.ID == c.session.ID
	return s, nil
}

func showSession(g *Gateway, w http.ResponseWriter, c *call) *failure {
	s, bad := g.mine(c, lastSegment(c))
	if bad != nil {
		return bad
	}
	if c.Method == http.MethodOptions {
		g.reply(w, http.StatusNoContent, nil)
		return nil
	}
	if _, tag := tagged(resource(s)); freshness.IfNoneMatch(c.Header["If-None-Match"], tag) {
		w.Header().Set("ETag", tag)
		g.reply(w, http.StatusNotModified, nil)
		return nil
	}
	g.replySession(w, http.StatusOK, s)
	return nil
}

func endSession(g *Gateway, w http.ResponseWriter, c *call) *failure {
	s, bad := g.mine(c, lastSegment(c))
	if bad != nil {
		return bad
	}
	if bad := g.end(c, s); bad != nil {
		return bad
	}
	g.reply(w, http.StatusOK, succeeded())
	return nil
}

func (g *Gateway) end(c *call, s api.Session) *failure {
	if err := g.clients.End(s.ID, c.who.asOwner()); err != nil {
		return g.explain(c, err)
	}
	return nil
}

// listSessions answers with the iLO's collection and adds the client sessions to its
// members, except default sessions. Oem.Ilod repeats them so that clients can tell them
// apart. With query options the iLO's answer stays as it is: only the iLO knows what
// they do to a collection.
func listSessions(g *Gateway, w http.ResponseWriter, c *call) *failure {
	if c.Method == http.MethodOptions {
		g.reply(w, http.StatusNoContent, nil)
		return nil
	}
	own := g.clients.List(func(s api.Session) bool { return !s.Default && c.who.sees(s) })
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
func addMembers(collection []byte, own []api.Session) ([]byte, bool) {
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
		links = append(links, link{redfishPath(own[i])})
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
