// Package schedule decides which request may use the iLO's few channels next. Each
// request waits here for its turn, and then goes to package ilosession below.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/silent"
)

var (
	// ErrQueueFull: too many requests of the class wait already. The error is a
	// *QueueFullError.
	ErrQueueFull = errors.New("too many requests are waiting for the iLO")
	// ErrClosed: the scheduler takes no more requests.
	ErrClosed = errors.New("the scheduler is closed")
	// ErrNotSent marks every error of this package: the request never left its
	// queue, so the iLO has certainly not seen it.
	ErrNotSent = errors.New("the request was not sent")
)

// QueueFullError is ErrQueueFull with a guess of when to come back.
type QueueFullError struct {
	Class      Class
	RetryAfter time.Duration // whole seconds, 1 s to 60 s
}

func (e *QueueFullError) Error() string {
	return fmt.Sprintf("%v (%s requests); retry in %v", ErrQueueFull, e.Class, e.RetryAfter)
}

func (e *QueueFullError) Is(target error) bool { return target == ErrQueueFull || target == ErrNotSent }

// Defaults of Options.
const (
	DefaultSlots      = 2
	DefaultQueue      = 256
	DefaultWriteQueue = 64
	DefaultBulkQueue  = 16
)

// quietAfter is how long there must have been neither interactive request nor
// write before background work may have all slots.
const quietAfter = time.Second

// Options configures a Scheduler; only Next is required.
type Options struct {
	// Next carries the requests. A request holds its slot until Next.RoundTrip
	// returns, so Next must have the answer's body by then, as chif.Transport
	// does; a client that never reads then holds no slot.
	Next http.RoundTripper
	// Slots is how many requests run at once: the number of channels. With one
	// slot nothing can be reserved and only the order of requests is decided.
	Slots int
	// Share is how many slots one user may have at once; 0: all.
	Share int
	// Queue bounds the waiting requests by class; 0 is the class's default. An
	// eighth more are for privileged peers.
	Queue [classes]int
	// Log receives refusals; nil: nobody.
	Log logrus.FieldLogger
}

// weights are the shares of the classes while all of them wait: a class is
// preferred by them and starved by none.
var weights = [classes]int{Interactive: 8, Write: 4, Background: 2, Bulk: 1}

// Scheduler is an http.RoundTripper that has requests wait for their turn.
//
// Writes, background and bulk work together hold all slots but one at most, so
// that with two slots a slow download or write leaves the other one to reads. While
// nobody else wants anything, background work may have them all: its reads
// are short.
type Scheduler struct {
	o Options

	mu      sync.Mutex
	queues  [classes]queue
	running [classes]int
	writing map[Peer]bool  // peers of which a write runs
	using   map[string]int // running requests by user
	credit  [classes]int   // smooth weighted round robin
	wanted  time.Time      // when an interactive request or a write came or ended last
	took    time.Duration  // moving average of how long a request holds a slot
	stats   api.ScheduleStats
	closed  bool
	wg      sync.WaitGroup // running requests; Add only while not closed
}

// New makes a Scheduler. It panics without Next.
func New(o Options) *Scheduler {
	if o.Next == nil {
		panic("schedule: Options.Next is nil")
	}
	if o.Slots <= 0 {
		o.Slots = DefaultSlots
	}
	for c, n := range [classes]int{DefaultQueue, DefaultWriteQueue, DefaultQueue, DefaultBulkQueue} {
		if o.Queue[c] <= 0 {
			o.Queue[c] = n
		}
	}
	o.Log = silent.Unless(o.Log)
	s := &Scheduler{o: o, writing: map[Peer]bool{}, using: map[string]int{}, stats: api.ScheduleStats{}}
	for c := range Class(classes) {
		s.stats[c.String()] = api.ClassStats{}
	}
	return s
}

// RoundTrip waits for a slot and carries the request. It returns ErrQueueFull at
// once when too many wait, ErrClosed after Close, and the cause of the context's
// end if that comes first; those errors match ErrNotSent. All others are Next's.
func (s *Scheduler) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	j := &job{class: classOf(r), peers: []Peer{PeerOf(ctx)}, decided: make(chan error, 1)}
	began := time.Now()
	err := s.enter(ctx, j)
	if err == nil {
		select {
		case err = <-j.decided:
		case <-ctx.Done():
			err = s.abandon(ctx, j)
		}
	}
	if err != nil {
		if r.Body != nil {
			r.Body.Close() // an http.RoundTripper closes it in any case
		}
		return nil, err
	}
	started := time.Now()
	defer s.release(j, started.Sub(began), started)
	return s.o.Next.RoundTrip(r)
}

// Stats returns the counts.
func (s *Scheduler) Stats() api.ScheduleStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(api.ScheduleStats, classes)
	for c := range Class(classes) {
		st := s.stats[c.String()]
		st.Queued, st.Running = s.queues[c].len, s.running[c]
		out[c.String()] = st
	}
	return out
}

// Close refuses all waiting and further requests with ErrClosed and waits for
// those that run: a write is never cut.
func (s *Scheduler) Close() error {
	s.mu.Lock()
	s.closed = true
	for c := range s.queues {
		for q := &s.queues[c]; q.len > 0; {
			j := q.parties[0].lines[0].jobs[0]
			q.remove(j)
			s.count(j.class, func(st *api.ClassStats) { st.Abandoned++ })
			j.decided <- notSent(ErrClosed)
		}
	}
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

func notSent(err error) error { return fmt.Errorf("%w: %w", ErrNotSent, err) }

func (s *Scheduler) count(c Class, f func(*api.ClassStats)) {
	st := s.stats[c.String()]
	f(&st)
	s.stats[c.String()] = st
}

func (s *Scheduler) enqueue(ctx context.Context, j *job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := context.Cause(ctx); err != nil || s.closed {
		if err == nil {
			err = ErrClosed
		}
		s.count(j.class, func(st *api.ClassStats) { st.Abandoned++ })
		return notSent(err)
	}
	q := &s.queues[j.class]
	most := s.o.Queue[j.class]
	if j.peers[0].Privileged {
		most += (most + 7) / 8
	}
	if q.len >= most && !s.mayStart(j.class, j.peers[0]) {
		out := q.makeRoom(j.peers[0])
		s.count(j.class, func(st *api.ClassStats) { st.Refused++ })
		full := &QueueFullError{Class: j.class, RetryAfter: s.retryAfter(j.class)}
		s.o.Log.WithField("class", j.class.String()).Debug("the queue for the iLO is full")
		if out == nil {
			return full
		}
		out.decided <- full
	}
	q.push(j)
	s.want(j.class)
	s.dispatch()
	return nil
}

// abandon takes a job whose context has ended out of its queue. If it has just
// been given a slot, it gives that back.
func (s *Scheduler) abandon(ctx context.Context, j *job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.queues[j.class].remove(j) {
		if err := <-j.decided; err != nil {
			return err
		}
		s.free(j)
	}
	s.count(j.class, func(st *api.ClassStats) { st.Abandoned++ })
	s.dispatch() // the line behind it may be free now
	return notSent(context.Cause(ctx))
}

func (s *Scheduler) release(j *job, waited time.Duration, started time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took += (time.Since(started) - s.took) / 8
	s.count(j.class, func(st *api.ClassStats) { st.Started++; st.Waited += api.Seconds(waited) })
	s.free(j)
	s.dispatch()
}

func (s *Scheduler) free(j *job) {
	s.running[j.class]--
	s.want(j.class)
	if j.class == Write {
		delete(s.writing, j.turn)
	}
	if s.using[j.turn.User]--; s.using[j.turn.User] == 0 {
		delete(s.using, j.turn.User)
	}
	s.wg.Done()
}

func (s *Scheduler) want(c Class) {
	if c == Interactive || c == Write {
		s.wanted = time.Now()
	}
}

// quiet tells whether background work is alone. Until it is again, those of its
// requests that run call dispatch when they end.
func (s *Scheduler) quiet() bool {
	return s.running[Bulk]+s.queues[Bulk].len == 0 && time.Since(s.wanted) >= quietAfter
}

// mayStart tells whether a slot is free for a job of a peer.
func (s *Scheduler) mayStart(c Class, peer Peer) bool {
	others := s.running[Write] + s.running[Background] + s.running[Bulk]
	open := others < max(1, s.o.Slots-1) // the last one is for reads
	switch {
	case others+s.running[Interactive] >= s.o.Slots, s.o.Share > 0 && s.using[peer.User] >= s.o.Share:
		return false
	case c == Write:
		return open && !s.writing[peer]
	case c == Background:
		return open || s.quiet()
	case c == Bulk:
		return open
	}
	return true
}

// dispatch starts what may start.
func (s *Scheduler) dispatch() {
	for {
		best, total := -1, 0
		var line *line
		for c := range s.queues {
			l := s.queues[c].next(func(p Peer) bool { return !s.mayStart(Class(c), p) })
			if l == nil {
				continue
			}
			s.credit[c] += weights[c]
			total += weights[c]
			if best < 0 || s.credit[c] > s.credit[best] {
				best, line = c, l
			}
		}
		if best < 0 {
			return
		}
		s.credit[best] -= total
		j := s.queues[best].pop(line)
		s.running[best]++
		if j.class == Write {
			s.writing[j.turn] = true
		}
		s.using[j.turn.User]++
		s.wg.Add(1)
		j.decided <- nil
	}
}

// retryAfter guesses when a queue will have room: in half the time that it takes
// to work it off.
func (s *Scheduler) retryAfter(c Class) time.Duration {
	d := s.took * time.Duration(s.queues[c].len) / time.Duration(2*s.o.Slots)
	return min(max(d.Round(time.Second), time.Second), time.Minute)
}
