package agent

import (
	"context"
	"net"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/freshness"
	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/agent/ilosession"
)

// Options is what an Engine is made of: the configuration, and what it must not
// know by itself. Start needs all but Serving.
type Options struct {
	Config Config
	Log    logrus.FieldLogger
	// Unlock gives the instance lock back, which the caller of Start has.
	Unlock func() error
	// Guardian deletes the session if this process is killed. It may be nil.
	Guardian *ilosession.Guardian
	// Store opens the store of the cached tree.
	Store   func(context.Context) (Store, error)
	ILO     ILO
	Host    Host
	Serving Serving
}

// ILO is how the engine reaches the iLO.
type ILO struct {
	// Transport makes the way to the iLO, which calls onReset when it sees that
	// the iLO was reset.
	Transport func(onReset func()) (Transport, error)
	// NotSent reports errors of the transport after which the iLO has certainly
	// not seen the request.
	NotSent func(error) bool
	// Problem explains errors of the transport to clients.
	Problem func(error) gateway.Problem
	// Late is for how long the iLO may still carry out a request that it has not
	// answered; 0: transaction.DefaultLate.
	Late time.Duration
	// Credentials are those of an iLO account, nil for none.
	Credentials func() (*ilosession.Credentials, error)
	// Serial is the serial number of the iLO's board; see ilosession.
	Serial func(context.Context) (string, error)
}

// Host is the server on which the engine runs.
type Host struct {
	// Identity is what is known of it without asking the iLO. The cached tree must
	// be of this server, and sessions of an earlier boot are told by it.
	Identity freshness.Identity
	// Uptime is for how long it has been up.
	Uptime func() (time.Duration, error)
	// Seal and Unseal are those of ilosession.Ledger, which may be nil.
	Seal, Unseal func([]byte) ([]byte, error)
}

// Serving is what Run needs besides, for the clients of other processes.
type Serving struct {
	// Listen opens the Unix socket, or takes the listeners that it was given.
	Listen func(context.Context) ([]net.Listener, error)
	// Peer is who has connected.
	Peer func(net.Conn) (gateway.Peer, error)
	// Gone reports a process that has ended; nil: that is not known.
	Gone    func(api.Process) bool
	Manager ServiceManager
	Info    api.Agent // shown with the status
}

// Store keeps the cached tree; see package freshness.
type Store interface {
	freshness.Store
	State() any // for people; must encode as JSON
	Close() error
}
