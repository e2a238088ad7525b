package agent

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/platform"
)

// TestThousandClients: 1,000 tools that each connect, log in, read, and neither
// log out nor hang up, are one login at the iLO.
func TestThousandClients(t *testing.T) {
	const clients = 1000
	h := newHost(t, redfish.Options{MaxSessions: 1})
	r := h.run(t, h.options(t))
	exchange := func(c *http.Client, method, path, token, body string, want int) *http.Response {
		req, err := http.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return nil
		}
		req.Header.Set("Content-Type", "application/json")
		if token != "" {
			req.Header.Set("X-Auth-Token", token)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Error(err)
			return nil
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != want {
			t.Errorf("%s %s: %s, %v", method, path, resp.Status, err)
		}
		return resp
	}
	var g sync.WaitGroup
	for n := range clients {
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return platform.Dial(ctx, h.config.SocketPath())
		}}
		defer transport.CloseIdleConnections()
		g.Go(func() {
			c := &http.Client{Transport: transport}
			login := exchange(c, http.MethodPost, "/redfish/v1/SessionService/Sessions/", "", `{"UserName":"tool","Password":"secret"}`, http.StatusCreated)
			if login == nil {
				return
			}
			token := login.Header.Get("X-Auth-Token")
			if token == "" {
				t.Error("no token")
			}
			for _, path := range []string{"/redfish/v1/", "/redfish/v1/Systems/1/", fmt.Sprintf("/redfish/v1/Chassis/1/?client=%d", n%50)} {
				exchange(c, http.MethodGet, path, token, "", http.StatusOK)
			}
		})
	}
	g.Wait()
	if s := h.Stats(); s.Logins != 1 || s.RefusedLogins != 0 || s.MaxSessions != 1 {
		t.Errorf("while they live: %d logins, %d refused, %d sessions at most", s.Logins, s.RefusedLogins, s.MaxSessions)
	}
	r.stop()
	if err := <-r.result; err != nil {
		t.Error(err)
	}
	if s := h.Stats(); s.Logins != 1 || s.Deletes != 1 || s.Sessions != 0 {
		t.Errorf("in the end: %d logins, %d deletions, %d sessions left", s.Logins, s.Deletes, s.Sessions)
	}
}
