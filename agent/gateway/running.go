package gateway

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// maxRunning bounds the requests of one user that are under way, from their
	// check to the last byte of the answer. Admins have no such bound.
	maxRunning = 16
	// runningPatience is how long a further one waits for one of them to end.
	runningPatience = 10 * time.Second
)

// running counts the requests that are under way by user. The zero value is ready.
type running struct {
	mu sync.Mutex
	of map[string]*places
}

// places are those of one user.
type places struct {
	taken chan struct{} // has an element for each request under way
	users int           // requests under way or waiting
}

// enter waits for a place for a request of a user; leave gives it back. Without one
// in time it fails, and panics with http.ErrAbortHandler if ctx ends first.
func (r *running) enter(ctx context.Context, user string) (leave func(), bad *failure) {
	p := r.places(user)
	leave = func() { <-p.taken; r.gone(user, p) }
	select {
	case p.taken <- struct{}{}:
		return leave, nil
	default:
	}
	patience := time.NewTimer(runningPatience)
	defer patience.Stop()
	select {
	case p.taken <- struct{}{}:
		return leave, nil
	case <-patience.C:
		r.gone(user, p)
		return nil, &failure{status: http.StatusServiceUnavailable, key: "ServiceTemporarilyUnavailable", retry: 5 * time.Second,
			text: fmt.Sprintf("%d requests of this user are under way, and none has ended for %v. Let them end, or read their answers, first.", maxRunning, runningPatience)}
	case <-ctx.Done():
		r.gone(user, p)
		panic(http.ErrAbortHandler)
	}
}

func (r *running) places(user string) *places {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.of[user]
	if p == nil {
		if r.of == nil {
			r.of = map[string]*places{}
		}
		p = &places{taken: make(chan struct{}, maxRunning)}
		r.of[user] = p
	}
	p.users++
	return p
}

// gone forgets a user of whom there is no request.
func (r *running) gone(user string, p *places) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.users--; p.users == 0 {
		delete(r.of, user)
	}
}
