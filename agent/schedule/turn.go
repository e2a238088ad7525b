package schedule

import (
	"context"
	"slices"
	"sync"
)

// Turn lets others wait for a request together with who has sent it: it then runs
// when the first of them has its turn, and goes on waiting for the others when
// one must make room.
type Turn struct {
	mu   sync.Mutex
	also []Peer
	s    *Scheduler // once the request waits there
	j    *job
}

type turnKey struct{}

// WithTurn returns a context for one read that others may join by t.
func WithTurn(ctx context.Context, t *Turn) context.Context {
	return context.WithValue(ctx, turnKey{}, t)
}

// Join makes the peer of ctx one of those who wait for the request.
func (t *Turn) Join(ctx context.Context) {
	peer := PeerOf(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case slices.Contains(t.also, peer):
	case t.s == nil:
		t.also = append(t.also, peer)
	default:
		t.also = append(t.also, peer)
		t.s.join(t.j, peer)
	}
}

// join adds a peer to a job, if that waits still.
func (s *Scheduler) join(j *job, peer Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.queued && !slices.Contains(j.peers, peer) {
		j.peers = append(j.peers, peer)
		s.queues[j.class].put(j, peer)
		s.dispatch()
	}
}

// enter has the job of a request wait, for all who have joined it.
func (s *Scheduler) enter(ctx context.Context, j *job) error {
	t, _ := ctx.Value(turnKey{}).(*Turn)
	if t == nil || j.class == Write {
		return s.enqueue(ctx, j)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.also {
		if !slices.Contains(j.peers, p) {
			j.peers = append(j.peers, p)
		}
	}
	t.s, t.j = s, j
	return s.enqueue(ctx, j)
}
