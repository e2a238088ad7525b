// Package budget bounds the memory that the bodies of requests and answers take, in
// total and for each user. Package gateway uses it.
package budget

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrFull: there is no memory for the body now. The error is a *FullError.
var ErrFull = errors.New("no memory is left for bodies")

// FullError is ErrFull with when to come back.
type FullError struct {
	Own        bool // what the user has under way takes all of its share
	RetryAfter time.Duration
}

func (e *FullError) Error() string {
	if e.Own {
		return fmt.Sprintf("requests and answers of this user that are under way take all the memory that one user may have; retry in %v", e.RetryAfter)
	}
	return fmt.Sprintf("requests and answers that are under way take all the memory that there is for them; retry in %v", e.RetryAfter)
}

func (e *FullError) Is(target error) bool { return target == ErrFull }

// Defaults of New. Beside them an agent needs about 60 MiB, and the packages'
// service may have 192 MiB.
const (
	DefaultTotal   = 64 << 20
	DefaultReserve = 16 << 20
	DefaultShare   = 24 << 20
)

const retryAfter = 5 * time.Second

// Budget counts the bytes. It is safe for concurrent use.
type Budget struct {
	total    int64 // for everybody together
	ordinary int64 // for those without privilege together
	share    int64 // for one of those

	mu       sync.Mutex
	held     int64 // by everybody
	heldOrd  int64 // by those without privilege
	accounts map[string]*account
}

// account is a user of whom there are purses.
type account struct {
	privileged bool
	held       int64
	shared     map[any]*shared
	purses     map[*Purse]bool
}

// shared is memory that several answers of a user give out.
type shared struct {
	size int64
	uses int
}

// New makes a Budget of total bytes. Users without privilege leave the reserve
// free, and none of them has more than share.
func New(total, reserve, share int64) *Budget {
	return &Budget{total: total, ordinary: total - reserve, share: share, accounts: map[string]*account{}}
}

// Held is how many bytes are taken.
func (b *Budget) Held() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held
}

// Purse counts what one request has of the budget. Its methods may be called at
// once; those of a nil Purse do nothing and succeed.
type Purse struct {
	b     *Budget
	user  string
	hurry func()

	// Guarded by the Budget's mu.
	of     *account
	held   int64
	shares map[any]bool
	closed bool
}

// Purse makes the purse of a request. hurry is called, once or more often until
// Close, when the bytes are needed for somebody else; it must not wait nor use the
// Budget. Close must follow.
func (b *Budget) Purse(user string, privileged bool, hurry func()) *Purse {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.accounts[user]
	if a == nil {
		a = &account{privileged: privileged, shared: map[any]*shared{}, purses: map[*Purse]bool{}}
		b.accounts[user] = a
	}
	p := &Purse{b: b, user: user, hurry: hurry, of: a}
	a.purses[p] = true
	return p
}

// Take adds n bytes or fails with ErrFull. Then whoever holds what is missing is
// told to hurry. A user that holds nothing may take more than its share.
func (p *Purse) Take(n int64) error {
	if p == nil || n <= 0 {
		return nil
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	return p.take(n)
}

func (p *Purse) take(n int64) error {
	own := !p.of.privileged && p.of.held > 0 && p.of.held+n > p.b.share
	all := p.b.held+n > p.b.total || !p.of.privileged && p.b.heldOrd+n > p.b.ordinary
	if own || all {
		p.b.press(p.of, !own)
		return &FullError{Own: own, RetryAfter: retryAfter}
	}
	p.add(n)
	return nil
}

// Force adds n bytes, although there may be no room: for what must be told, such
// as the answer to a write.
func (p *Purse) Force(n int64) {
	if p == nil || n <= 0 {
		return
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	p.add(n)
}

// Share adds the n bytes of what key stands for, which count once however many
// purses of a user have them. It fails with ErrFull.
func (p *Purse) Share(key any, n int64) error {
	if p == nil || n <= 0 {
		return nil
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	s := p.of.shared[key]
	switch {
	case p.shares[key]:
		return nil
	case s == nil:
		if err := p.take(n); err != nil {
			return err
		}
		p.held -= n // it goes with the last that has it
		s = &shared{size: n}
		p.of.shared[key] = s
	}
	s.uses++
	if p.shares == nil {
		p.shares = map[any]bool{}
	}
	p.shares[key] = true
	return nil
}

// Give takes n bytes back that were added.
func (p *Purse) Give(n int64) {
	if p == nil || n <= 0 {
		return
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	if !p.closed {
		p.add(-n)
	}
}

// Close gives everything back. hurry is not called after it. Only the first call
// counts.
func (p *Purse) Close() {
	if p == nil {
		return
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	p.add(-p.held)
	for key := range p.shares {
		s := p.of.shared[key]
		if s.uses--; s.uses == 0 {
			delete(p.of.shared, key)
			p.add(-s.size)
		}
	}
	if delete(p.of.purses, p); len(p.of.purses) == 0 {
		delete(p.b.accounts, p.user)
	}
}

// Tight tells whether the user, or everybody together, has most of what there is:
// three quarters.
func (p *Purse) Tight() bool {
	if p == nil {
		return false
	}
	b := p.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.of.privileged {
		return 4*b.held > 3*b.total
	}
	return 4*p.of.held > 3*b.share || 4*b.heldOrd > 3*b.ordinary
}

func (p *Purse) add(n int64) {
	p.held += n
	p.of.held += n
	p.b.held += n
	if !p.of.privileged {
		p.b.heldOrd += n
	}
}

// press tells purses with something in them to hurry: those of an account, and of
// everybody without privilege.
func (b *Budget) press(a *account, everybody bool) {
	for _, other := range b.accounts {
		if other != a && (!everybody || other.privileged) {
			continue
		}
		for p := range other.purses {
			if p.hurry != nil && (p.held > 0 || len(p.shares) > 0) {
				p.hurry()
			}
		}
	}
}

type purseKey struct{}

// WithPurse returns a context for what is done for the request of a purse.
func WithPurse(ctx context.Context, p *Purse) context.Context {
	return context.WithValue(ctx, purseKey{}, p)
}

// Of is the purse that WithPurse gave to the context, else nil.
func Of(ctx context.Context) *Purse {
	p, _ := ctx.Value(purseKey{}).(*Purse)
	return p
}
