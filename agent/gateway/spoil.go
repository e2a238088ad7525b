package gateway

import (
	"context"
	"strings"

	"github.com/ilod/ilod/agent/ilopath"
)

// transactionHeader of a write is "immediate" if it is not for the open
// transaction.
const transactionHeader = "Ilod-Transaction"

const activePath = ownPath + "/active"

// spoil marks the open transaction of the client session as errant after a write
// that did not come as far as the transactions: who lacks the role, has the path
// wrong, or sends half a body, must not have the rest of it applied.
func (g *Gateway) spoil(c *call, why string) {
	if g.o.Transactions == nil || !knownMethods[c.Method] || isRead(c.Method) || c.Header.Get(transactionHeader) == "immediate" {
		return
	}
	path := c.path
	switch {
	case path == "":
		path = c.URL.Path
		if ilopath.Within(ilopath.Canonical(path), ownPath) {
			return // no write that a transaction could have
		}
	case ilopath.Within(path, activePath):
		path = "." + strings.TrimPrefix(path, activePath)
	case ilopath.Within(path, ownPath):
		return
	}
	// A stale handle names its client session as well as a good one. One that is not
	// genuine, or is somebody else's, names none.
	session := c.named
	if session == "" {
		if c.lease == nil && (!c.valid || !c.who.known || g.useDefault(c) != nil || c.lease == nil) {
			return // nobody knows whose transaction it was for
		}
		session = c.session.ID
	}
	g.o.Transactions.Spoil(context.WithoutCancel(c.Context()), session, c.Method, path, why)
}
