// Package freshness answers reads of the Redfish tree from its cache, while the
// cached answer is fresh enough. Otherwise it sends the read to package schedule below.
//
// An iLO's ETag does not prove that a body is unchanged (ILO.md §6). So the class of a
// resource says how long an answer stays fresh. The Age of each answer that may come
// from memory says how long ago the iLO was asked. Its Cache-Status (RFC 9211) says
// where it came from.
package freshness

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"iter"
	"net/http"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/silent"
)

// ErrClosed: the cache takes no more requests.
var ErrClosed = errors.New("the cache is closed")

const (
	// fetchTimeout bounds a read that goes on after its client has left.
	fetchTimeout = 2 * time.Minute
	// maxHotBytes bounds the bodies kept ready in memory beside the store.
	maxHotBytes = 2 << 20
	// maxEntries bounds the answers that are kept; of refusals far fewer are.
	maxEntries = 8192
	// warmReads is how many reads Warm has under way.
	warmReads = 4
)

// Store keeps bytes by key. It may lose anything at any time; what it gives back
// must be what was put. A value from Get is kept and not changed, here as well as
// there; one from All is not used after its turn. All methods may be called
// concurrently.
type Store interface {
	Get(key string) (value []byte, ok bool)
	Put(key string, value []byte) error
	Drop(keys ...string) // in one go
	Clear() error
	All() iter.Seq2[string, []byte]
}

// Options configures a Cache; Next and Store are required.
type Options struct {
	Next  http.RoundTripper // carries what the cache cannot answer
	Store Store             // used by this cache alone; not closed by it
	// Now is the clock; nil: time.Now. Its monotonic reading counts within a
	// process, its wall clock only across restarts.
	Now func() time.Time
	Log logrus.FieldLogger // nil: nobody

	hotBytes, entries int // bounds in tests; 0: maxHotBytes, maxEntries
}

// Cache is an http.RoundTripper that answers GET and HEAD from a Store.
type Cache struct {
	o Options

	life   context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // exchanges and sweeps; Add only while not closed

	// disk orders changes of the index together with those of the store. It is
	// taken before mu, and never by an answer from memory.
	disk sync.Mutex
	meta meta

	mu       sync.Mutex
	closed   bool
	epoch    uint64
	entries  map[string]*entry
	hot      *list.List // of *entry with a document, the one used last in front
	hotBytes int
	refused  *list.List // of *entry that are refusals, in the order of reading
	// refusedBytes are those of their bodies.
	refusedBytes int
	flights      map[string]*flight // those that others may join
	active       map[*flight]bool   // all of them
	sweep        *sweep             // under way
	dir          directory
	settled      time.Time     // by then, what was asked for last has happened
	early        bool          // the host discovers its devices: the tree is incomplete
	debt         time.Duration // time spent since the last sweep on what a sweep would have renewed
	stats        api.CacheStats
}

// New makes a Cache of what its store holds. Call SetIdentity before the first
// request: the store may have been filled from another iLO. It panics without
// Next or Store.
func New(o Options) *Cache {
	if o.Next == nil || o.Store == nil {
		panic("freshness: Options.Next or Options.Store is nil")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.hotBytes, o.entries = cmp.Or(o.hotBytes, maxHotBytes), cmp.Or(o.entries, maxEntries)
	o.Log = silent.Unless(o.Log)
	c := &Cache{
		o: o, entries: map[string]*entry{}, hot: list.New(), refused: list.New(),
		flights: map[string]*flight{}, active: map[*flight]bool{},
	}
	c.life, c.cancel = context.WithCancel(context.Background())
	c.load()
	return c
}

// Close cancels what is under way and waits for it. The store stays open.
func (c *Cache) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
	return nil
}

// RoundTrip answers a GET or HEAD from the cache or reads it from the iLO; any
// other method goes through and drops what it may have changed. The answer to
// only-if-cached may be a 504 of the cache's own. Errors are Next's, ErrClosed,
// or the cause of the context's end.
func (c *Cache) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, "":
	case http.MethodOptions:
		return c.pass(r)
	default:
		return c.write(r)
	}
	var buf [256]byte
	key, ok := appendKey(buf[:0], r.URL)
	if !ok || ownRequest(r) {
		return c.pass(r)
	}
	d := parseDirectives(r.Header)
	if a, ok := c.fromIndex(key, d); ok {
		return a.response(r)
	}
	if d.onlyIfCached {
		if a, ok := c.fromIndex(otherForm(key), d); ok {
			return a.response(r)
		}
	}
	class, large := classify(pathOf(string(key)))
	if class == Live && !d.onlyIfCached {
		d.maxAge = 0
	}
	if d.noStore && !d.onlyIfCached || class == Never && !d.onlyIfCached {
		if large {
			r = r.WithContext(asBulk(r.Context()))
		}
		return c.pass(r)
	}
	a, err := c.read(r.Context(), string(key), r.URL, d)
	if err != nil {
		return nil, err
	}
	return a.response(r)
}

// pass carries a request that is none of the cache's business.
func (c *Cache) pass(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.stats.Bypassed++
	c.mu.Unlock()
	resp, err := c.o.Next.RoundTrip(forServer(r))
	if err != nil {
		return nil, err
	}
	resp.Header.Set("Cache-Status", "ilod; fwd=bypass")
	return resp, nil
}
