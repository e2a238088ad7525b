// Package transaction keeps the writes of a client session until a commit sends them
// together. Either the commit applies all of them, or it undoes what it has applied, as
// far as the iLO lets it. The result says which. The package sends reads and writes
// through package freshness below.
//
// An iLO knows no transactions. A commit makes one from fresh reads, If-Match, a
// journal, and undo writes. An undo restores a former value only while the present
// value is still ours. Reads take no part: they run at once and do not see what is
// staged.
package transaction

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/silent"
)

const (
	DefaultTimeout = 5 * time.Minute // of Options
	DefaultLate    = 3 * time.Minute // of Options: as long as the channel waits for an answer
	// defaultDeadline bounds a commit, and once more the putting back.
	defaultDeadline = 10 * time.Minute
	// defaultPause passes before the iLO is asked again what became of a write;
	// longer each time.
	defaultPause = 500 * time.Millisecond
)

// closeGrace is how long Close waits for commits.
const closeGrace = 20 * time.Second

// Options configures a Manager; Next is required.
type Options struct {
	Next http.RoundTripper
	// Check names what is wrong with a write before it is staged; nil: nothing
	// ever is.
	Check func(ctx context.Context, w Write) ([]Violation, error)
	// Allowed reports whether who has made the request of the context may write to a
	// path. It is asked when a write is staged, about its real target, and again when
	// it is committed: a right may have gone in between. Nil: they may.
	Allowed func(ctx context.Context, method, uri string) bool
	// Dir is where the journal of a commit is until it is over, a directory that
	// need not exist and is used by this Manager alone; empty: nowhere, so
	// that a crash leaves half a commit behind.
	Dir string
	// Timeout is the idle timeout of transactions that are begun without one; nil:
	// DefaultTimeout, 0: none.
	Timeout func() time.Duration
	// Unknown reports errors of Next after which the iLO may have executed the
	// request; nil: all of them are.
	Unknown func(error) bool
	// Late is how long after it was sent the iLO may still carry out a write that it
	// has not answered. One that does not show for so long had no effect. 0:
	// DefaultLate.
	Late time.Duration
	Now  func() time.Time   // nil: time.Now
	Log  logrus.FieldLogger // nil: nobody

	deadline, pause time.Duration // others in tests; 0: the default ones
}

// Manager keeps the transactions of all client sessions. It is an
// http.RoundTripper and safe for concurrent use.
type Manager struct {
	o     Options
	locks locks

	mu      sync.Mutex
	closed  bool
	open    map[string]*transaction // by client session
	reports map[string][]*report    // by client session, the oldest first
	stats   api.TransactionStats
	crashed []*commit // what journals of former processes tell; they have their locks

	recovering map[string]int // by client session: commits that Recover has not finished

	disk   sync.Mutex // of the files that say what is open; taken before mu
	noting func()     // called before such a file is made; tests let it wait

	wg      sync.WaitGroup  // commits; Add only while not closed
	life    context.Context // ends when commits have to
	abandon context.CancelFunc
}

// New makes a Manager. It reads what journals a crash has left in Dir: until
// Recover has dealt with them, their resources are locked for other commits. It
// panics without Next.
func New(o Options) (*Manager, error) {
	if o.Next == nil {
		panic("transaction: Options.Next is nil")
	}
	if o.Timeout == nil {
		o.Timeout = func() time.Duration { return DefaultTimeout }
	}
	if o.Allowed == nil {
		o.Allowed = func(context.Context, string, string) bool { return true }
	}
	if o.Unknown == nil {
		o.Unknown = func(error) bool { return true }
	}
	o.deadline, o.pause, o.Late = cmp.Or(o.deadline, defaultDeadline), cmp.Or(o.pause, defaultPause), cmp.Or(o.Late, DefaultLate)
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Log = silent.Unless(o.Log)
	m := &Manager{
		o: o, locks: locks{held: map[string]*hold{}},
		open: map[string]*transaction{}, reports: map[string][]*report{}, recovering: map[string]int{},
	}
	if err := m.readJournals(); err != nil {
		return nil, err
	}
	m.life, m.abandon = context.WithCancel(context.Background())
	return m, nil
}

// Close refuses new requests and waits for commits that are under way. One that
// takes much longer, since the iLO does not answer, is left to the next process,
// as after a crash. What is only staged is lost.
func (m *Manager) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	defer m.abandon()
	defer time.AfterFunc(closeGrace, m.abandon).Stop()
	m.wg.Wait()
	return nil
}
