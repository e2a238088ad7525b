package gateway

import (
	"context"
	"net/http"
	"strings"

	"github.com/ilod/ilod/agent/schedule"
)

// bulk are reads whose answers are large or slow (ilo-behaviour §5).
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
	switch {
	case !isRead(c.Method):
		return schedule.Write, nil
	case given:
		return schedule.Background, nil
	case strings.Contains(c.path, "/logservices/"), strings.Contains(c.path, "/logs/"):
		return schedule.Bulk, nil
	}
	for _, pattern := range bulk {
		if match(pattern, c.path) {
			return schedule.Bulk, nil
		}
	}
	return schedule.Interactive, nil
}

// tag tells package schedule what kind of work the request is, and whose if that
// is not the peer of the connection.
func tag(c *call, class schedule.Class) context.Context {
	ctx := c.Context()
	if c.who.session != nil || c.who.peer == nil {
		ctx = schedule.WithPeer(ctx, c.who.key())
	}
	return schedule.WithClass(ctx, class)
}
