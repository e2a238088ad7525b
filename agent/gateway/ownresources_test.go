package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// owning is a gateway with all of the agent's own resources.
func owning(t *testing.T, table *fakeTable, cache *Cache) *Gateway {
	t.Helper()
	return newGateway(t, Options{Status: statusOf, ILOSessions: table, Cache: cache, Health: func(context.Context, http.Header) (any, error) { return struct{}{}, nil }})
}

// The agent's own resources have no query, and tell what may be done with them.
func TestOwnResourcesHaveNoQuery(t *testing.T) {
	g := owning(t, &fakeTable{entries: []api.ILOSession{{ID: "x"}}}, &Cache{Stats: func() any { return struct{}{} }})
	for _, path := range []string{"", "/status", "/health", "/limits", "/sessions", "/sessions/current", "/cache", "/ilo-sessions", "/ilo-sessions/x"} {
		path = "/ilod/v1" + path
		wantFailure(t, ask(g, &operator, "GET", path+"?a", ""), 400, "QueryNotSupported")
		w := ask(g, &operator, "OPTIONS", path, "")
		if w.Code != 204 || w.Body.Len() != 0 || !strings.HasPrefix(w.Header().Get("Allow"), "GET, HEAD, OPTIONS") || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("OData-Version") != "4.0" {
			t.Errorf("OPTIONS %s: %d %v %s", path, w.Code, w.Header(), w.Body)
		}
		if w := ask(g, &operator, "GET", path+"/", ""); w.Code != 200 {
			t.Errorf("%s/: %d", path, w.Code)
		}
	}
	if w := ask(g, &operator, "OPTIONS", "/ilod/v1/metrics", ""); w.Code != 204 || w.Body.Len() != 0 {
		t.Errorf("metrics: %d %s", w.Code, w.Body)
	}
}

// A parameter that is false is as if it were not there.
func TestTerminationIsATrialOnlyIfThatIsAsked(t *testing.T) {
	for query, want := range map[string]struct{ ended, logins int }{
		"": {1, 0}, "?dry-run": {0, 0}, "?dry-run=true": {0, 0}, "?dry-run=false": {1, 0}, "?login": {1, 1}, "?login=true&dry-run=": {0, 1}, "?login=false": {1, 0},
	} {
		table := &fakeTable{entries: []api.ILOSession{{ID: "x", InBand: true}}}
		w := ask(owning(t, table, nil), &root, "DELETE", "/ilod/v1/ilo-sessions/x"+query, "")
		if w.Code != 200 || len(table.ended) != want.ended || table.logins != want.logins {
			t.Errorf("%q: %d, %d ended, %d logins", query, w.Code, len(table.ended), table.logins)
		}
	}
}

// An empty table is a list, and a table that cannot be read is an error whatever is
// looked for in it.
func TestTheILOsSessionTable(t *testing.T) {
	table := &fakeTable{}
	g := owning(t, table, nil)
	if w := ask(g, &reader, "GET", "/ilod/v1/ilo-sessions", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"Members":[],"Members@odata.count":0`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	table.err = context.DeadlineExceeded
	wantFailure(t, ask(g, &reader, "GET", "/ilod/v1/ilo-sessions/x", ""), 504, "OperationTimeout")
	wantFailure(t, ask(g, &root, "DELETE", "/ilod/v1/ilo-sessions/current", ""), 504, "OperationTimeout")
	bare := newGateway(t, Options{})
	for method, paths := range map[string][]string{"DELETE": {"/cache", "/ilo-sessions/x", "/ilo-sessions/current"}, "POST": {"/cache"}} {
		for _, path := range paths {
			wantFailure(t, ask(bare, &root, method, "/ilod/v1"+path, ""), 404, "ResourceMissingAtURI")
		}
	}
}

// Clearing that fails is told.
func TestACacheThatCannotBeClearedIsTold(t *testing.T) {
	g := owning(t, nil, &Cache{Clear: func() error { return errors.New("the disk is full") }})
	wantFailure(t, ask(g, &root, "DELETE", "/ilod/v1/cache", ""), 500, "InternalError")
}

// Warming can begin anew when it has ended, also if it was refused, and each of its
// lines is a change.
func TestWarmingCanBeginAnew(t *testing.T) {
	g := owning(t, nil, &Cache{Warm: func(_ context.Context, _ api.Warm, progress func(api.Warming)) error {
		for _, p := range [][2]int{{0, 0}, {0, 2}, {0, 2}, {1, 2}, {1, 3}, {1, 3}} {
			progress(api.Warming{Done: p[0], Total: p[1]})
		}
		return nil
	}})
	wantFailure(t, ask(g, &operator, "POST", "/ilod/v1/cache", strings.Repeat(" ", maxLogin+1)), 413, "PayloadTooLarge")
	for range 2 {
		w := ask(g, &operator, "POST", "/ilod/v1/cache", "")
		const want = `{"done":0,"total":0}
{"done":0,"total":2}
{"done":1,"total":2}
{"done":1,"total":3}
{"done":1,"total":3,"finished":true}
`
		h := w.Header()
		if w.Code != 200 || w.Body.String() != want || h.Get("Content-Type") != "application/x-ndjson" || h.Get("Cache-Control") != "no-store" || h.Get("OData-Version") != "4.0" {
			t.Errorf("%d %v\n%s", w.Code, h, w.Body)
		}
	}
}

// Warming may take longer than an answer that nobody reads, as long as its lines are
// read; and it ends if they are not.
func TestWarmingLastsAsLongAsItsLinesAreRead(t *testing.T) {
	for _, reads := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			finished := false
			g := owning(t, nil, &Cache{Warm: func(ctx context.Context, _ api.Warm, progress func(api.Warming)) error {
				for n := range 300 {
					select {
					case <-time.After(writeTimeout * 3 / 4):
						progress(api.Warming{Done: n, Total: 300})
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				finished = true
				return nil
			}})
			l, _, _ := serveCounted(t, g)
			c := l.connect(operator, 1)[0]
			go func() { _, _ = io.WriteString(c, "POST /ilod/v1/cache HTTP/1.1\r\nHost: x\r\n\r\n") }()
			if reads {
				go func() { _, _ = io.Copy(io.Discard, c) }()
			}
			time.Sleep(300 * writeTimeout)
			synctest.Wait()
			if finished != reads || g.counts.inFlight.Load() != 0 {
				t.Errorf("read %v: finished %v, %d requests", reads, finished, g.counts.inFlight.Load())
			}
		})
	}
}
