package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/ilopath"
)

// handler answers one request; it returns a failure if it has not done so.
type handler func(*Gateway, http.ResponseWriter, *call) *failure

// route says who may do what with the resources under a pattern.
type route struct {
	methods string // blank-separated
	pattern string // of canonical paths; see match
	need    Role
	handle  handler // nil: a matter of the iLO
}

const (
	reads  = "GET HEAD OPTIONS"
	writes = "POST PUT PATCH DELETE"
)

// routes is the table. Of those that match a path the first one with the method
// counts. A legacy path /rest/… has the routes of /redfish/….
//
// A role here is the least that a request needs; for the iLO's resources the
// privilege registry may ask for more, see privilege.go. Operators write to no
// services but those that are named: in the others the registry wants the privileges
// of an admin, or, as in a JobService, grants less what runs requests in the iLO's
// name and would be a way round every role, as OData's $batch is. Accounts are for
// admins even to read, which the registry leaves to Login; reach sees to it that no
// query unfolds them from above.
var routes = []route{
	{reads, "/redfish", Anyone, nil},
	{reads, "/redfish/v1", Anyone, nil},
	{reads, "/redfish/v1/odata", Anyone, nil},
	{reads, "/redfish/v1/$metadata", Anyone, nil},

	{"POST", "/redfish/v1/sessionservice/sessions", Anyone, createSession},
	{"POST", "/redfish/v1/sessionservice/sessions/members", Anyone, createSession},
	{"POST", "/redfish/v1/sessions", Anyone, createSession},
	{reads, "/redfish/v1/sessionservice/sessions", Reader, listSessions},
	{reads, "/redfish/v1/sessionservice/sessions/members", Reader, listSessions},
	{reads, "/redfish/v1/sessions", Reader, listSessions},
	{reads, "/redfish/v1/sessionservice/sessions/ilod-*", Reader, showSession},
	{"DELETE", "/redfish/v1/sessionservice/sessions/ilod-*", Reader, endSession},
	{"DELETE", "/redfish/v1/sessionservice/sessions/*", Admin, nil},
	{"DELETE", "/redfish/v1/sessions/*", Admin, nil},
	{"PATCH PUT", "/redfish/v1/sessionservice", Admin, nil},
	{reads, "/redfish/v1/sessionservice/**", Reader, nil},
	{reads, "/redfish/v1/sessions/*", Reader, nil},

	{reads + " " + writes, "/redfish/v1/accountservice/**", Admin, nil},
	{writes, "/redfish/v1/chassis/**", Operator, nil},
	{writes, "/redfish/v1/eventservice/**", Operator, nil},
	{writes, "/redfish/v1/fabrics/**", Operator, nil},
	{writes, "/redfish/v1/systems/**", Operator, nil},
	{writes, "/redfish/v1/updateservice/**", Operator, nil},
	{reads, "/redfish/**", Reader, nil},
	{writes, "/redfish/**", Admin, nil},

	{"GET HEAD", "/", Anyone, showPage},
	{"GET HEAD", "/ilod/page/**", Anyone, showPage},

	{reads, "/ilod/v1", Reader, showIndex},
	{reads + " " + writes, activePattern, Reader, nil},
	{reads, "/ilod/v1/sessions", Reader, listClientSessions},
	{"POST", sessionsPattern, Reader, createClientSession},
	{"DELETE", "/ilod/v1/sessions", Reader, endClientSessions},
	{"POST", "/ilod/v1/sessions/key", Admin, rotateKey},
	{reads, "/ilod/v1/sessions/*", Reader, showClientSession},
	{"PATCH", "/ilod/v1/sessions/*", Reader, setVariables},
	{"DELETE", "/ilod/v1/sessions/*", Reader, endClientSession},
	{"POST", handlePattern, Reader, newHandle},
	{reads, "/ilod/v1/session-log", Admin, showSessionLog},
	{reads, "/ilod/v1/limits", Reader, showLimits},
	{"PATCH", "/ilod/v1/limits", Admin, setLimits},
	{reads, "/ilod/v1/transaction", Reader, inSession(showTransaction)},
	{"POST", "/ilod/v1/transaction", Operator, inSession(beginTransaction)},
	{reads, "/ilod/v1/transaction/diff", Reader, inSession(showChanges)},
	{"DELETE", "/ilod/v1/transaction/reports/*", Reader, inSession(acknowledgeReport)},
	{"POST", "/ilod/v1/transaction/commit", Operator, commitTransaction},
	{"POST", "/ilod/v1/transaction/rollback", Operator, rollbackTransaction},
	{reads, "/ilod/v1/status", Reader, showStatus},
	{"POST", "/ilod/v1/stop", Admin, stopAgent},
	{reads, "/ilod/v1/metrics", Reader, showMetrics},
	{reads, "/ilod/v1/health", Reader, showHealth},
	{reads, "/ilod/v1/cache", Reader, showCache},
	{"POST", "/ilod/v1/cache", Operator, warmCache},
	{"DELETE", "/ilod/v1/cache", Admin, clearCache},
	{reads, "/ilod/v1/ilo-sessions", Reader, listILOSessions},
	{reads, "/ilod/v1/ilo-sessions/*", Reader, showILOSession},
	{"DELETE", "/ilod/v1/ilo-sessions/current", Admin, logoutILO},
	{"DELETE", "/ilod/v1/ilo-sessions/*", Admin, terminateILOSession},
}

// sessionRoots are paths where only the routes that name them count, so that no
// login and nothing else of the iLO's sessions is a write like any other.
var sessionRoots = []string{"/redfish/v1/sessionservice", "/redfish/v1/sessions"}

// knownMethods are those that have a meaning here; TRACE and CONNECT are known
// and allowed nowhere.
var knownMethods = map[string]bool{
	"GET": true, "HEAD": true, "OPTIONS": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true,
	"TRACE": true, "CONNECT": true,
}

// Patterns of routes that are not like others.
const (
	activePattern   = "/ilod/v1/active/**"
	sessionsPattern = "/ilod/v1/sessions"
	handlePattern   = "/ilod/v1/sessions/*/handle"
)

// relative reports a route that leaves the decision to another one, that of the
// path to which the active path leads.
func (r *route) relative() bool { return r.pattern == activePattern }

// sessionless reports a route whose requests need no client session, so that a handle
// which is not good is no reason to refuse them.
func (r *route) sessionless() bool {
	return r.methods == http.MethodPost && (r.need == Anyone || r.pattern == sessionsPattern || r.pattern == handlePattern)
}

// allows reports whether the route is one for the method.
func (r *route) allows(method string) bool {
	for m := range strings.FieldsSeq(r.methods) {
		if m == method {
			return true
		}
	}
	return false
}

// matching calls f with the routes of a canonical path, in order, until f has
// enough.
func matching(path string, f func(*route) (enough bool)) {
	own := slices.ContainsFunc(sessionRoots, func(root string) bool {
		return ilopath.Within(path, root)
	})
	// An operation of OData ($batch, $query) may be about any resource, wherever
	// it stands.
	operation := strings.Contains(path, "/$")
	for i := range routes {
		r := &routes[i]
		if own && strings.HasPrefix(r.pattern, "/redfish/**") || operation && r.need == Operator || !match(r.pattern, path) {
			continue
		}
		if f(r) {
			return
		}
	}
}

// find returns the route of a path and a method; nil if there is none, and
// whether the path has any.
func find(path, method string) (found *route, exists bool) {
	matching(path, func(r *route) bool {
		exists = true
		if r.allows(method) {
			found = r
		}
		return found != nil
	})
	return found, exists
}

// allowed is the Allow header of a path.
func allowed(path string) string {
	var list []string
	matching(path, func(r *route) bool {
		for m := range strings.FieldsSeq(r.methods) {
			if !slices.Contains(list, m) {
				list = append(list, m)
			}
		}
		return false
	})
	return strings.Join(list, ", ")
}

// match compares a path with a pattern, segment by segment. A segment that ends
// in * stands for one that begins so and goes on; a final ** for any number of
// segments.
func match(pattern, path string) bool {
	if star := strings.IndexByte(pattern, '*'); star < 0 {
		return pattern == path
	} else if pattern[star:] == "**" {
		return ilopath.Within(path, pattern[:star-1])
	}
	for pattern != "" {
		if path == "" {
			return false
		}
		var want, have string
		want, pattern = segment(pattern)
		have, path = segment(path)
		if prefix, open := strings.CutSuffix(want, "*"); !open && have != want ||
			open && (len(have) <= len(prefix) || !strings.HasPrefix(have, prefix)) {
			return false
		}
	}
	return path == ""
}

// segment splits "/a/b" into "a" and "/b".
func segment(path string) (first, rest string) {
	path = path[1:]
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}
