package chif

import (
	"context"
	"errors"
	"time"
)

const (
	// maxLeftovers bounds the blobs that are kept in mind. The iLO purges what is
	// forgotten by itself.
	maxLeftovers = 256
	// leftoverTimeout bounds one round of deletions, its wait for a channel
	// included.
	leftoverTimeout = 10 * time.Second
	// leftoverLife is how long an iLO that does not serve is waited for.
	leftoverLife = 10 * time.Minute
	// sweepPatience is what Close gives to the last round.
	sweepPatience = 200 * time.Millisecond
)

// leftoverPauses are those before each try to delete a blob. The later ones are
// for an answer that the iLO stores only after its caller has left.
var leftoverPauses = [...]time.Duration{0, 2 * time.Second, 8 * time.Second, 30 * time.Second}

// leftover is a blob of ours that may be in the iLO.
type leftover struct {
	name  blobName
	late  bool // the iLO may not have stored it yet
	tries int
	since time.Time // when it was left
	due   time.Time
}

// again has b tried again, unless it was often enough. An iLO that does not serve
// does not count, for a while.
func (b *leftover) again(r removal) bool {
	last := len(leftoverPauses) - 1
	if b.tries++; b.tries > last && (r != unserved || time.Since(b.since) > leftoverLife) {
		return false
	}
	b.due = time.Now().Add(leftoverPauses[min(b.tries, last)])
	return true
}

// gone tells whether r says that the blob needs no more care.
func (b leftover) gone(r removal) bool { return r == removed || r == missing && !b.late }

// discardLater has blobs deleted that a failed request left in the iLO, on
// another channel and without making the caller wait.
func (t *Transport) discardLater(blobs []leftover) {
	if len(blobs) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range blobs {
		b.since = time.Now()
		b.due = b.since.Add(leftoverPauses[b.tries])
		t.leftovers = append(t.leftovers, b)
	}
	if n := len(t.leftovers) - maxLeftovers; n > 0 {
		t.leftovers = t.leftovers[n:]
	}
	switch {
	case t.sweeping:
		select {
		case t.more <- struct{}{}:
		default:
		}
	case !t.closed:
		t.sweeping = true
		t.sweeper.Go(t.sweep)
	}
}

// sweep deletes leftovers as they fall due, until there are none.
func (t *Transport) sweep() {
	for {
		t.mu.Lock()
		if len(t.leftovers) == 0 {
			t.sweeping = false
			t.mu.Unlock()
			return
		}
		next := t.leftovers[0].due
		for _, b := range t.leftovers {
			if b.due.Before(next) {
				next = b.due
			}
		}
		t.mu.Unlock()
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
			t.sweepDue(time.Now())
		case <-t.more:
		case <-t.pool.requests.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// sweepDue tries once to delete what is due by then.
func (t *Transport) sweepDue(then time.Time) {
	t.mu.Lock()
	var due, rest []leftover
	for _, b := range t.leftovers {
		if b.due.After(then) {
			rest = append(rest, b)
		} else {
			due = append(due, b)
		}
	}
	t.leftovers = rest
	t.mu.Unlock()
	if len(due) == 0 {
		return
	}
	left := t.remove(due)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leftovers = append(t.leftovers, left...)
}

// remove deletes blobs on a channel of its own and returns those to be tried again.
func (t *Transport) remove(blobs []leftover) (left []leftover) {
	ctx, cancel := context.WithTimeout(t.sweeps, leftoverTimeout)
	defer cancel()
	l, err := t.pool.borrow(ctx, t.pool.life)
	if err != nil {
		for _, b := range blobs {
			if b.again(unserved) {
				left = append(left, b)
			}
		}
		return left
	}
	defer t.pool.put(l)
	p := newPatience(ctx)
	defer p.stop()
	for _, b := range blobs {
		if r := l.remove(p, b.name); !b.gone(r) && b.again(r) {
			left = append(left, b)
		}
	}
	if errors.Is(l.dead, ErrReset) {
		return nil // the iLO has lost them
	}
	return left
}
