package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/schedule"
)

// mayBecomeActive refuses a new active path that does not exist. The session keeps its
// old one, or if that is gone, too, has the default.
func (g *Gateway) mayBecomeActive(c *call, s api.Session, changes map[string]json.RawMessage) *failure {
	v := s.Variables
	if err := change(&v, api.Variables{}, changes); err != nil {
		return g.explain(c, err)
	}
	active, ok := clients.ActivePath(v.ActivePath)
	if !ok || active == s.ActivePath || active == clients.Root {
		return nil // Set says what is wrong
	}
	there, bad := g.exists(c, active)
	if bad != nil || there {
		return bad
	}
	reason := "does not exist; the active path is still " + s.ActivePath
	if s.ActivePath != clients.Root {
		if there, bad := g.exists(c, s.ActivePath); bad == nil && !there {
			_, err := g.clients.Set(s.ID, func(v *api.Variables) error { v.ActivePath = clients.Root; return nil })
			if err != nil {
				return g.explain(c, err)
			}
			reason = "does not exist, and neither does " + s.ActivePath + "; the active path is " + clients.Root
		}
	}
	return g.explain(c, &clients.ValueError{Property: "activePath", Value: active, Reason: reason})
}

// exists asks for a resource that the caller may read. An iLO that is not well does not
// tell whether there is one.
func (g *Gateway) exists(c *call, path string) (bool, *failure) {
	ctx := tag(c, schedule.Interactive)
	u, err := url.Parse(path)
	if err != nil {
		return false, g.explain(c, err)
	}
	if !g.allowed(ctx, u) {
		return false, insufficientPrivilege()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://ilo"+path, nil)
	if err != nil {
		return false, g.explain(c, err)
	}
	req.Header.Set(clients.RecursiveHeader, "false")
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		return false, g.below(c, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusInternalServerError {
		return false, &failure{status: http.StatusBadGateway, key: "OperationFailed", text: fmt.Sprintf("The iLO answered %s to a GET of %s, so it is not known whether that exists.", resp.Status, path)}
	}
	return resp.StatusCode != http.StatusNotFound, nil
}
