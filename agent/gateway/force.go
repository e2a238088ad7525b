package gateway

import "net/http"

// watching are the routes by which root looks after the agent.
var watching = map[string]bool{"/ilod/v1/status": true, "/ilod/v1/metrics": true, "/ilod/v1/health": true}

// excepted reports a request that needs no client session although all do: root on the
// Unix socket looks after the agent, and an admin there who can make no session, since
// there are as many as there may be, lists them, ends some, or sets the limits.
func (g *Gateway) excepted(c *call, r *route) bool {
	switch {
	case c.who.peer == nil:
		return false
	case r.methods == reads && watching[r.pattern]:
		return c.who.owner == "uid:0"
	case c.who.role < Admin || !g.clients.Full(c.who.owner):
		return false
	}
	switch r.pattern {
	case "/ilod/v1/limits":
		return true
	case sessionsPattern, "/ilod/v1/sessions/*":
		return r.methods == reads || r.methods == http.MethodDelete
	}
	return false
}
