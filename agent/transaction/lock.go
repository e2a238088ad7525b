package transaction

import (
	"context"
	"sync"
)

// locks are one for each resource that a commit is about.
type locks struct {
	mu   sync.Mutex
	held map[string]chan struct{} // closed when given back
}

// take waits for the locks of some keys, which are sorted so that two commits
// never wait for each other. The error is the cause of the context's end.
func (l *locks) take(ctx context.Context, keys []string) (release func(), err error) {
	var mine []string
	release = func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, key := range mine {
			close(l.held[key])
			delete(l.held, key)
		}
		mine = nil
	}
	for _, key := range keys {
		for {
			l.mu.Lock()
			other, taken := l.held[key]
			if !taken {
				l.held[key] = make(chan struct{})
				mine = append(mine, key)
			}
			l.mu.Unlock()
			if !taken {
				break
			}
			select {
			case <-other:
			case <-ctx.Done():
				release()
				return nil, context.Cause(ctx)
			}
		}
	}
	return release, nil
}
