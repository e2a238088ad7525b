package freshness

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/guard"
)

// A panic in the goroutines of a sweep or of Warm is the error of who waits for
// them.
func TestPanicOfSweepAndWarmIsAnError(t *testing.T) {
	r := site()
	r.list("/redfish/v1/", "/redfish/v1/Systems", "/redfish/v1/Systems/1")
	c, _, _ := open(t, r)
	err := c.Warm(t.Context(), api.Warm{}, func(api.Warming) { panic("a fault of the caller") })
	if p, ok := errors.AsType[*guard.PanicError](err); !ok || p.Value != "a fault of the caller" {
		t.Error(err)
	}

	c, next, _ := open(t, r)
	next.handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a fault of the transport") })
	for range 2 { // it is not stuck, either
		if err := c.Sweep(t.Context()); err == nil || !strings.Contains(err.Error(), "a fault of the transport") {
			t.Error(err)
		}
	}
}
