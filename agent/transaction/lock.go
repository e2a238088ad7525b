package transaction

import (
	"context"
	"sync"
)

// locks are one for each resource that a commit is about, or a write that is sent
// at once. Writes share one; a commit has it alone.
type locks struct {
	mu   sync.Mutex
	held map[string]*hold
}

type hold struct {
	shared int           // how many writes hold it; 0: a commit does
	done   chan struct{} // closed when given back
}

// take waits for the locks of some keys, which are sorted so that two commits
// never wait for each other. The error is the cause of the context's end.
func (l *locks) take(ctx context.Context, shared bool, keys ...string) (release func(), err error) {
	var mine []string
	release = func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, key := range mine {
			h := l.held[key]
			if h.shared--; h.shared <= 0 {
				close(h.done)
				delete(l.held, key)
			}
		}
	}
	for _, key := range keys {
		for {
			l.mu.Lock()
			h := l.held[key]
			free := h == nil || shared && h.shared > 0
			if h == nil {
				h = &hold{done: make(chan struct{})}
				l.held[key] = h
			}
			if free {
				if shared {
					h.shared++
				}
				mine = append(mine, key)
			}
			l.mu.Unlock()
			if free {
				break
			}
			select {
			case <-h.done:
			case <-ctx.Done():
				release()
				return nil, context.Cause(ctx)
			}
		}
	}
	return release, nil
}
