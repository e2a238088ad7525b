package ilosession

import (
	"context"

	"github.com/ilod/ilod/agent/api"
)

// askedKey is the key of a [2]string in a context: who asks, and where from.
type askedKey struct{}

// AskedBy returns a context for what somebody asks of a Keeper, who and where from for
// the audit.
func AskedBy(ctx context.Context, who, from string) context.Context {
	return context.WithValue(ctx, askedKey{}, [2]string{who, from})
}

// tell tells KeeperOptions.Audit what has happened to a session.
func (k *Keeper) tell(ctx context.Context, deed api.SessionDeed, path, why string) {
	e := api.SessionEvent{Event: deed, ILO: true, Why: why}
	if path != "" {
		e.Session = sessionID(path)
	}
	asked, _ := ctx.Value(askedKey{}).([2]string)
	e.By, e.From = asked[0], asked[1]
	k.o.Audit(e)
}
