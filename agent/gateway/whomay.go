package gateway

import (
	"runtime"
	"strings"
)

// whoMay says in a refusal for lack of room whom to ask, if it is to somebody who may not
// end enough sessions.
func (g *Gateway) whoMay(f *failure) *failure {
	if f.room == nil || f.room.MayEnd {
		return f
	}
	f.room.Ask = g.admins()
	f.text = strings.TrimSuffix(f.text, ".") + ". An admin may end sessions of others: " + strings.Join(f.room.Ask, ", ") + "."
	return f
}

// admins are those who have the role, for people.
func (g *Gateway) admins() []string {
	all := []string{"root"}
	if runtime.GOOS == "windows" {
		all = []string{"an administrator"}
	}
	for _, name := range g.o.Roles.Admin.Users {
		all = append(all, "the user "+name)
	}
	for _, name := range g.o.Roles.Admin.Groups {
		all = append(all, "a member of the group "+name)
	}
	return all
}
