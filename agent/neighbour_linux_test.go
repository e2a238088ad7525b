package agent

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ilod/ilod/agent/pause"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// neighbour is another program on the host of a soak. Again and again it logs in to
// the iLO, uses its session once within two seconds, and idles for longer than a
// session may be taken for an abandoned one of ours. Nothing but a reset may end
// its session. It has a way to the iLO of its own, on which nothing fails.
type neighbour struct {
	*soak
	id     atomic.Value // of its session, a string
	logins int
}

// idleFor is longer than the recovery leaves a session alone that nobody uses.
const idleFor = 45 * time.Second

func (n *neighbour) live(ctx context.Context) {
	for ctx.Err() == nil {
		begun := time.Now()
		token, location := n.logIn()
		if token == "" { // the table is full, or the iLO is being reset
			pause.For(ctx, 100*time.Millisecond)
			continue
		}
		n.logins++
		pause.For(context.WithoutCancel(ctx), time.Second) // the iLO's times are whole seconds
		n.ask(http.MethodGet, "/redfish/v1/Managers/1/", token, "")
		for time.Since(begun) < idleFor && n.there() && pause.For(ctx, 100*time.Millisecond) {
		}
		for gone := time.Now(); !n.there() && n.resets.since(begun) == 0; pause.For(context.WithoutCancel(ctx), 100*time.Millisecond) {
			if time.Since(gone) > 10*time.Second {
				n.t.Errorf("the session %v of another program is gone without a reset", n.id.Load())
				break
			}
		}
		n.ask(http.MethodDelete, location, token, "")
	}
}

func (n *neighbour) logIn() (token, location string) {
	w := n.ask(http.MethodPost, "/redfish/v1/SessionService/Sessions/", "", `{"UserName":null,"Password":null}`)
	if w.Code != http.StatusCreated {
		return "", ""
	}
	_, location, _ = strings.Cut(w.Header().Get("Location"), "/redfish/")
	location = "/redfish/" + strings.TrimSuffix(strings.ReplaceAll(location, " ", "%20"), "/")
	n.id.Store(path.Base(location))
	return w.Header().Get("X-Auth-Token"), location
}

func (n *neighbour) there() bool {
	return slices.ContainsFunc(n.Sessions(), n.owns)
}

func (n *neighbour) owns(x redfish.Session) bool {
	id, _ := n.id.Load().(string)
	return path.Base(x.URI) == id
}

func (n *neighbour) ask(method, uri, token, body string) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest(method, uri, strings.NewReader(body)), httptest.NewRecorder()
	if token != "" {
		r.Header.Set("X-Auth-Token", token)
	}
	n.Service.ServeHTTP(w, r)
	return w
}
