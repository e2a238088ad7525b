package gateway

import (
	"fmt"
	"net/http"
	"os/user"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/schema"
)

// endClientSessions ends all client sessions of a user.
func endClientSessions(g *Gateway, w http.ResponseWriter, c *call) *failure {
	name, bad := onlyQuery(c, "user")
	if bad != nil {
		return bad
	}
	owners := []string{name}
	switch {
	case name == c.who.name || name == c.who.owner:
		owners = []string{c.who.owner}
	case c.who.role < Admin:
		return c.who.lacks(Admin)
	default:
		owners = append(owners, keysOf(name)...)
	}
	ended := []string{}
	for _, owner := range owners {
		ended = append(ended, g.clients.EndUser(owner, c.who.asOwner())...)
	}
	if len(ended) == 0 && len(owners) == 1 && owners[0] != c.who.owner && !g.knows(name) {
		return g.unknownUser(name)
	}
	g.reply(w, http.StatusOK, api.Terminated{Terminated: ended})
	return nil
}

// keysOf are the keys of the owner with that name or number, if the system knows it:
// sessions may be from before the user had the name.
func keysOf(name string) []string {
	number := strings.TrimPrefix(strings.TrimPrefix(name, "uid:"), "sid:")
	u, err := user.Lookup(name)
	if err != nil {
		u, err = user.LookupId(number)
	}
	switch {
	case err != nil:
		return nil
	case isSID(u.Uid):
		return []string{"sid:" + u.Uid}
	}
	return []string{"uid:" + u.Uid}
}

// knows reports a name of somebody who could have client sessions although the system
// cannot look it up: it does not know the users of a directory service.
func (g *Gateway) knows(name string) bool {
	_, role := g.roles.users[name]
	return role || slices.ContainsFunc(g.accounts, func(a account) bool { return name == a.name || name == accountPrefix+a.name })
}

// unknownUser refuses a name of nobody, with the nearest one that has sessions.
func (g *Gateway) unknownUser(name string) *failure {
	var names []string
	for _, s := range g.clients.List(func(api.Session) bool { return true }) {
		names = append(names, s.User)
		if strings.Contains(name, ":") {
			names = append(names, s.Owner)
		}
	}
	f := &failure{status: http.StatusNotFound, key: "UserUnknown", args: []string{name}}
	if near := schema.Suggest(name, slices.Compact(slices.Sorted(slices.Values(names)))); near != "" {
		f.text = fmt.Sprintf("%s%s.", strings.TrimSuffix(newInfo(f.key, "", f.args).Text, "."), near)
	}
	return f
}
