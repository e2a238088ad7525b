package gateway

import (
	"errors"
	"net/http"

	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/agent/schedule"
)

// showHealth answers with a report of the server's state. The request's
// Cache-Control says how old its data may be.
func showHealth(g *Gateway, w http.ResponseWriter, c *call) *failure {
	return g.get(w, c, func() (any, *failure) {
		report, err := g.o.Health(tag(c, schedule.Interactive), http.Header{"Cache-Control": c.Header["Cache-Control"]})
		if e, ok := errors.AsType[*redfisherror.Error](err); ok && e.Status == http.StatusGatewayTimeout {
			w.Header().Set("Cache-Status", "ilod; detail=only-if-cached") // as the cache has it
			return nil, &failure{status: e.Status, key: "OperationTimeout", text: "The cache does not have it."}
		}
		if err != nil {
			return nil, g.below(c, err)
		}
		return report, nil
	})
}
