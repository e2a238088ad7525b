package gateway

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/ilod/ilod/agent/budget"
	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/schedule"
)

// bulk are reads whose answers are large or slow (ILO.md §5).
var bulk = []string{
	"/redfish/v1/$metadata",
	"/redfish/v1/jsonschemas/**",
	"/redfish/v1/registries/**",
	"/redfish/v1/registrystore/**",
	"/redfish/v1/resourcedirectory",
	"/redfish/v1/schemastore/**",
}

// classOf is the class of work that a request is.
func classOf(c *call) (schedule.Class, *failure) {
	asked, given := c.Header[classHeader]
	if given && (len(asked) != 1 || asked[0] != "background") {
		return 0, &failure{status: http.StatusBadRequest, key: "HeaderInvalid", args: []string{classHeader}}
	}
	recursive := c.session.Recursive
	if v, given := c.Header[clients.RecursiveHeader]; given {
		var err error
		if recursive, err = strconv.ParseBool(v[0]); err != nil || len(v) != 1 {
			return 0, &failure{status: http.StatusBadRequest, key: "HeaderInvalid", args: []string{clients.RecursiveHeader}}
		}
	}
	switch {
	case !isRead(c.Method):
		return schedule.Write, nil
	case given:
		return schedule.Background, nil
	case recursive, strings.Contains(c.path, "/logservices/"), strings.Contains(c.path, "/logs/"):
		return schedule.Bulk, nil
	}
	for _, pattern := range bulk {
		if match(pattern, c.path) {
			return schedule.Bulk, nil
		}
	}
	return schedule.Interactive, nil
}

// tag tells the rooms below what kind of work the request is, who may see what it
// reads, the client session in which it runs, and whose it is.
func tag(c *call, class schedule.Class) context.Context {
	peer := schedule.Peer{User: c.who.owner, Privileged: c.who.role == Admin}
	if c.lease != nil && !c.session.Default {
		peer.Session = c.session.ID
	}
	ctx := schedule.WithPeer(c.Context(), peer)
	ctx = budget.WithPurse(context.WithValue(ctx, roleKey{}, c.who.role), c.purse)
	if c.lease != nil {
		ctx = clients.WithSession(ctx, c.session)
	}
	return schedule.WithClass(ctx, class)
}
