package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/agent/schedule"
)

func TestHealth(t *testing.T) {
	var fail error
	g := newGateway(t, Options{Health: func(ctx context.Context, header http.Header) (any, error) {
		if class, _ := schedule.ClassOf(ctx); class != schedule.Interactive {
			t.Errorf("class %v", class)
		}
		return map[string]string{"asked": strings.Join(header["Cache-Control"], ", ")}, fail
	}})
	const path = "/ilod/v1/health"
	if w := ask(g, &reader, "GET", path, "", "Cache-Control", "max-age=5", "Authorization", "Basic YTpi"); w.Code != http.StatusOK || w.Body.String() != `{"asked":"max-age=5"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(g, &reader, "GET", "/ilod/v1", ""); !strings.Contains(w.Body.String(), `"Health":{"@odata.id":"/ilod/v1/health"}`) {
		t.Errorf("the index: %s", w.Body)
	}
	fail = &redfisherror.Error{Status: http.StatusGatewayTimeout}
	if w := ask(g, &reader, "GET", path, ""); w.Code != http.StatusGatewayTimeout || w.Header().Get("Cache-Status") != "ilod; detail=only-if-cached" {
		t.Errorf("not in the cache: %d, %v", w.Code, w.Header())
	}
	fail = errors.New("out of order")
	if w := ask(g, &reader, "GET", path, ""); w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "out of order") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(newGateway(t, Options{}), &reader, "GET", path, ""); w.Code != http.StatusNotFound {
		t.Errorf("without: %d", w.Code)
	}
}
