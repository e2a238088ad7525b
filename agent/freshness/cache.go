// Package freshness answers reads of the Redfish tree from what was read before,
// as long as that is good enough.
//
// An iLO's ETag does not prove that a body is unchanged (ilo-behaviour §6.1), so
// how long an answer is good depends on the class of its resource. Every answer
// that could come from memory says in Age how long ago the iLO was asked for it,
// and in Cache-Status (RFC 9211) where it came from.
package freshness

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/schedule"
)

// ErrClosed: the cache takes no more requests.
var ErrClosed = errors.New("the cache is closed")

// Defaults of Options.
const (
	DefaultFetchTimeout = 2 * time.Minute
	DefaultHotBytes     = 2 << 20
	DefaultMaxEntries   = 8192
	DefaultWorkers      = 4
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
	// Classes replaces the limits of some classes. Never cannot be changed, and
	// Volatile is bounded by MaxVolatile.
	Classes map[Class]Ages
	// FetchTimeout bounds a read that goes on after its client has left.
	FetchTimeout time.Duration
	// HotBytes bounds the bodies kept ready in memory beside the store.
	HotBytes int
	// MaxEntries bounds the answers that are kept; of refusals far fewer are.
	MaxEntries int
	// Workers is how many reads Warm has under way.
	Workers int
	Log     logrus.FieldLogger // nil: nobody
}

// Cache is an http.RoundTripper that answers GET and HEAD from a Store.
type Cache struct {
	o    Options
	ages [classes]Ages

	ctx    context.Context // ends with Close
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
	stats        Stats
}

// Stats count what a Cache did and holds.
type Stats struct {
	Hits          int64     `json:"hits"`          // answered from the cache
	Misses        int64     `json:"misses"`        // nothing was there
	Stale         int64     `json:"stale"`         // what was there was too old
	Collapsed     int64     `json:"collapsed"`     // joined the exchange of another request
	Bypassed      int64     `json:"bypassed"`      // not for this cache
	StaleServed   int64     `json:"staleServed"`   // too old, and the client agreed
	Writes        int64     `json:"writes"`        // requests that may have changed something
	Sweeps        int64     `json:"sweeps"`        // of the directory, that succeeded
	Invalidations int64     `json:"invalidations"` // of everything
	Entries       int       `json:"entries"`
	HotBytes      int       `json:"hotBytes"`
	Epoch         uint64    `json:"epoch"`
	LastSweep     time.Time `json:"lastSweep"`
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
	if o.FetchTimeout <= 0 {
		o.FetchTimeout = DefaultFetchTimeout
	}
	if o.HotBytes <= 0 {
		o.HotBytes = DefaultHotBytes
	}
	if o.MaxEntries <= 0 {
		o.MaxEntries = DefaultMaxEntries
	}
	if o.Workers <= 0 {
		o.Workers = DefaultWorkers
	}
	if o.Log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		o.Log = l
	}
	c := &Cache{
		o: o, entries: map[string]*entry{}, hot: list.New(), refused: list.New(),
		flights: map[string]*flight{}, active: map[*flight]bool{},
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	for class, ages := range DefaultAges() {
		if own, ok := o.Classes[class]; ok {
			ages = own
		}
		if class == Volatile {
			ages.Fresh, ages.Max = min(ages.Fresh, MaxVolatile), min(ages.Max, MaxVolatile)
		}
		c.ages[class] = ages
	}
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
	class, large := classify(pathOf(string(key)))
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

// asBulk makes the context's work bulk, unless it is of less importance already.
func asBulk(ctx context.Context) context.Context {
	if c, _ := schedule.ClassOf(ctx); c > schedule.Bulk {
		return ctx
	}
	return schedule.WithClass(ctx, schedule.Bulk)
}

// answer is a document and how it was come by.
type answer struct {
	doc    *document
	class  Class
	age    time.Duration
	ttl    time.Duration // how long it is still good; negative: was
	reason string        // why it was forwarded; empty: it was not
	stored bool
	joined bool // the exchange was another request's
}

func (a *answer) response(r *http.Request) (*http.Response, error) {
	if a.doc == nil {
		return gatewayTimeout(r), nil
	}
	b := make([]byte, 0, 64)
	b = append(b, "ilod; "...)
	if a.reason == "" {
		b = append(b, "hit"...)
	} else {
		b = append(append(b, "fwd="...), a.reason...)
		if a.joined {
			b = append(b, "; collapsed"...)
		}
		if a.stored {
			b = append(b, "; stored"...)
		}
	}
	if a.reason == "" || a.stored {
		b = append(b, "; ttl="...)
		b = strconv.AppendInt(b, int64(floorSeconds(a.ttl)), 10)
	}
	b = append(append(b, "; detail="...), a.class.String()...)
	return a.doc.response(r, strconv.FormatInt(int64(max(0, floorSeconds(a.age))), 10), string(b))
}

// floorSeconds rounds down, also below zero.
func floorSeconds(d time.Duration) time.Duration {
	s := d / time.Second
	if d < 0 && d%time.Second != 0 {
		s--
	}
	return s
}

// gatewayTimeout is the answer to only-if-cached without one (RFC 9111 §5.2.1.7).
func gatewayTimeout(r *http.Request) *http.Response {
	const text = `{"error":{"code":"Base.1.0.GeneralError","message":"The cache holds no answer that is fresh enough, and the request forbids to ask the iLO."}}`
	resp := &http.Response{
		Status: statusLine(http.StatusGatewayTimeout), StatusCode: http.StatusGatewayTimeout, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"Content-Type": {"application/json; charset=utf-8"}, "Odata-Version": {"4.0"},
			"Cache-Status": {"ilod; detail=only-if-cached"}, "Content-Length": {strconv.Itoa(len(text))},
		},
		Body: http.NoBody, ContentLength: int64(len(text)), Request: r,
	}
	if r.Method != http.MethodHead {
		resp.Body = io.NopCloser(strings.NewReader(text))
	}
	return resp
}

// limits are the ages of a class now.
func (c *Cache) limits(class Class) Ages {
	a := c.ages[class]
	if c.early && class > Slow {
		a.Fresh, a.Max = min(a.Fresh, c.ages[Slow].Fresh), min(a.Max, c.ages[Slow].Max)
	}
	return a
}

// ttl is how long an entry is still good; negative: since when it is not.
// Entries of another epoch never are.
func (c *Cache) ttl(e *entry, now time.Time) time.Duration {
	if e.epoch != c.epoch {
		return -forever
	}
	age := now.Sub(e.fetched)
	if age < 0 { // from the future
		return -forever
	}
	if e.negative() {
		return negativeAge - age
	}
	l := c.limits(e.class)
	if e.unsettled && e.class != Immutable {
		v := c.ages[Volatile]
		l.Fresh, l.Max = min(l.Fresh, v.Fresh), min(l.Max, v.Max)
	}
	return min(l.Fresh-now.Sub(e.validated), l.Max-age)
}

// fromIndex answers from what is kept, if the directives allow that.
func (c *Cache) fromIndex(key []byte, d directives) (*answer, bool) {
	if d.maxAge == 0 {
		return nil, false
	}
	now := c.o.Now()
	c.mu.Lock()
	e := c.entries[string(key)]
	if e == nil {
		c.mu.Unlock()
		return nil, false
	}
	a := &answer{class: e.class, age: now.Sub(e.fetched), ttl: c.ttl(e, now)}
	fresh := a.ttl >= 0
	switch {
	case fresh && a.age <= d.maxAge:
	case fresh || e.negative() || a.age > d.maxAge || d.maxStale == 0 || -a.ttl > d.maxStale:
		c.mu.Unlock()
		return nil, false
	}
	if a.doc = e.doc; a.doc != nil && !e.negative() {
		c.hot.MoveToFront(e.place)
	}
	if a.doc != nil {
		c.countHit(fresh)
	}
	c.mu.Unlock()
	if a.doc != nil {
		return a, true
	}
	if a.doc = c.fetchStored(e); a.doc == nil {
		return nil, false
	}
	c.mu.Lock()
	c.countHit(fresh)
	c.mu.Unlock()
	return a, true
}

func (c *Cache) countHit(fresh bool) {
	c.stats.Hits++
	if !fresh {
		c.stats.StaleServed++
	}
}

// fetchStored reads an entry's document from the store, once for all who have it
// at one time. What the store has lost leaves the index.
func (c *Cache) fetchStored(e *entry) *document {
	e.fetching.Lock()
	defer e.fetching.Unlock()
	if d := e.given.Value(); d != nil {
		return d
	}
	value, ok := c.o.Store.Get(e.key)
	var d *document
	if ok {
		stored, doc, err := decode(e.key, value, true)
		if err != nil {
			c.o.Log.WithError(err).WithField("path", e.path).Warn("an entry of the cache is unreadable")
		} else if stored.epoch == e.epoch && stored.wall == e.wall {
			d, doc.fetched = doc, e.fetched
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.entries[e.key] != e: // replaced meanwhile
	case d == nil:
		c.forget(e)
	case e.doc == nil:
		c.heat(e, d)
	}
	if d != nil {
		e.given = weak.Make(d)
	}
	return d
}

// heat keeps a document in memory, and lets go of those used least lately.
func (c *Cache) heat(e *entry, d *document) {
	if len(d.body) > c.o.HotBytes/4 {
		return
	}
	e.doc, e.place = d, c.hot.PushFront(e)
	for c.hotBytes += len(d.body); c.hotBytes > c.o.HotBytes; {
		c.cool(c.hot.Back().Value.(*entry))
	}
}

func (c *Cache) cool(e *entry) {
	if e.place == nil {
		return
	}
	list, bytes := c.hot, &c.hotBytes
	if e.negative() {
		list, bytes = c.refused, &c.refusedBytes
	}
	list.Remove(e.place)
	*bytes -= len(e.doc.body)
	e.doc, e.place = nil, nil
}

// forget takes an entry out of the index; the caller holds mu.
func (c *Cache) forget(e *entry) {
	c.cool(e)
	if c.entries[e.key] == e {
		delete(c.entries, e.key)
	}
}

// read answers from the iLO, or after all from the cache when a sweep has
// renewed what was there or the iLO does not answer.
func (c *Cache) read(ctx context.Context, key string, u *url.URL, d directives) (*answer, error) {
	if d.onlyIfCached {
		return &answer{}, nil
	}
	now := c.o.Now()
	c.mu.Lock()
	reason := "miss"
	e := c.entries[key]
	switch {
	case d.maxAge == 0 || e != nil && c.ttl(e, now) >= 0:
		reason = "request"
	case e != nil:
		reason = "stale"
	}
	renewable := reason == "stale" && c.couldRenew(e, now) && now.Sub(e.fetched) <= d.maxAge
	sweepPays := renewable && c.debt >= c.dir.cost
	switch reason {
	case "miss":
		c.stats.Misses++
	case "stale":
		c.stats.Stale++
	}
	c.mu.Unlock()
	if sweepPays {
		// If it fails, so will the read, or it does not matter.
		class, _ := schedule.ClassOf(ctx) // somebody waits for this one
		_ = c.Sweep(schedule.WithClass(ctx, class))
		if a, ok := c.fromIndex([]byte(key), d); ok {
			return a, nil
		}
	}
	f, joined, err := c.join(ctx, key, u, d.maxAge)
	if err == nil {
		err = f.wait(ctx)
	}
	if joined && errors.Is(err, schedule.ErrQueueFull) { // it was refused to another, just before
		if f, _, err = c.join(ctx, key, u, 0); err == nil {
			err = f.wait(ctx)
		}
	}
	if err == nil && renewable {
		c.mu.Lock()
		c.debt += f.took
		c.mu.Unlock()
	}
	if d.staleIfError > 0 && ctx.Err() == nil && (err != nil || unavailable(f.doc.status)) {
		d.maxAge, d.maxStale = forever, d.staleIfError
		if a, ok := c.fromIndex([]byte(key), d); ok {
			return a, nil
		}
	}
	if err != nil {
		return nil, err
	}
	class, _ := classify(f.path)
	a := &answer{doc: f.doc, class: class, age: c.o.Now().Sub(f.doc.fetched), reason: reason, stored: f.stored, joined: joined}
	if f.stored {
		a.ttl = f.ttl
	}
	return a, nil
}

// unavailable are the answers that stale-if-error is about (RFC 5861 §4).
func unavailable(status int) bool {
	return slices.Contains([]int{500, 502, 503, 504}, status)
}

// Stats returns the counts.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.stats
	st.Entries, st.HotBytes, st.Epoch, st.LastSweep = len(c.entries), c.hotBytes, c.epoch, c.dir.asked
	return st
}

// Entry describes one answer that is kept.
type Entry struct {
	Key      string        `json:"key"` // canonical path, a slash if asked for with one, and query
	Class    string        `json:"class"`
	Status   int           `json:"status"`
	ETag     string        `json:"etag,omitempty"`
	Age      time.Duration `json:"ageNs"`
	TTL      time.Duration `json:"ttlNs"` // negative: too old
	Outdated bool          `json:"outdated,omitempty"`
	Listed   bool          `json:"listed"` // the ResourceDirectory lists it
}

// Entries returns what is kept, by key.
func (c *Cache) Entries() []Entry {
	now := c.o.Now()
	c.mu.Lock()
	all := make([]Entry, 0, len(c.entries))
	for _, e := range c.entries {
		x := Entry{
			Key: e.key, Class: e.class.String(), Status: e.status, ETag: e.etag, Listed: e.listed,
			Age: now.Sub(e.fetched), TTL: c.ttl(e, now), Outdated: e.epoch != c.epoch,
		}
		if x.TTL == -forever {
			x.TTL = -x.Age
		}
		all = append(all, x)
	}
	c.mu.Unlock()
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	return all
}

// Clear drops everything that is kept.
func (c *Cache) Clear() error {
	c.Invalidate("cleared")
	c.disk.Lock()
	defer c.disk.Unlock()
	return c.clear()
}

// clear empties index and store, and writes the epoch down again; the caller
// holds disk.
func (c *Cache) clear() error {
	c.mu.Lock()
	for _, e := range c.entries {
		c.forget(e)
	}
	c.mu.Unlock()
	if err := c.o.Store.Clear(); err != nil {
		return fmt.Errorf("clear the store: %w", err)
	}
	return c.saveMeta()
}
