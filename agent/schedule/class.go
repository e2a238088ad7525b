package schedule

import (
	"context"
	"fmt"
	"net/http"
)

// Class is the kind of work that a request is. The zero value is Interactive.
type Class int

const (
	// Interactive is a read that somebody waits for.
	Interactive Class = iota
	// Write is any request that may change something. Every method other than
	// GET, HEAD and OPTIONS is a Write, whatever its context says.
	Write
	// Background is work that nobody waits for: sweeps and warming.
	Background
	// Bulk is a read whose answer is large or slow: logs, registries, downloads.
	Bulk

	classes = iota
)

var classNames = [classes]string{"interactive", "write", "background", "bulk"}

// String is the lower-case name of the class.
func (c Class) String() string {
	if c < 0 || c >= classes {
		return fmt.Sprintf("Class(%d)", int(c))
	}
	return classNames[c]
}

type classKey struct{}

// WithClass gives the requests of a context a class. It panics if there is no
// such class.
func WithClass(ctx context.Context, c Class) context.Context {
	if c < 0 || c >= classes {
		panic("schedule: there is no " + c.String())
	}
	return context.WithValue(ctx, classKey{}, c)
}

// ClassOf is the class that WithClass gave to the context; without one it is
// Interactive, and ok is false.
func ClassOf(ctx context.Context) (c Class, ok bool) {
	c, ok = ctx.Value(classKey{}).(Class)
	return c, ok
}

// Peer is whose a request is.
type Peer struct {
	User    string
	Session string // of the user; empty is one, too
	// Privileged peers have places in the queues that no others get.
	Privileged bool
}

type peerKey struct{}

// WithPeer names whose the requests of a context are. Within a class users take
// turns, and in the turns of a user its sessions. The writes of one peer reach the
// iLO one by one, in their order.
func WithPeer(ctx context.Context, p Peer) context.Context {
	return context.WithValue(ctx, peerKey{}, p)
}

// PeerOf is the peer that WithPeer named, else the zero Peer, which is one too.
func PeerOf(ctx context.Context) Peer {
	p, _ := ctx.Value(peerKey{}).(Peer)
	return p
}

func classOf(r *http.Request) Class {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		return Write
	}
	if c, _ := ClassOf(r.Context()); c != Write {
		return c
	}
	return Interactive
}
