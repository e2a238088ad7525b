package budget

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestRules: a share for each user, a reserve for those with privilege, and what
// is alone may be larger than its share.
func TestRules(t *testing.T) {
	b := New(100, 20, 50)
	purse := func(user string, privileged bool) *Purse { return b.Purse(user, privileged, nil) }
	a, a2, c, root := purse("a", false), purse("a", false), purse("c", false), purse("root", true)
	want := func(what string, err error, own, full bool) {
		t.Helper()
		e, is := errors.AsType[*FullError](err)
		if is != full || is && (e.Own != own || !errors.Is(err, ErrFull) || e.RetryAfter <= 0) || !is && err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	want("a share", a.Take(50), false, false)
	want("more than a share", a2.Take(1), true, true)
	want("what the reserve leaves", c.Take(30), false, false)
	want("of the reserve", c.Take(1), false, true)
	want("the reserve", root.Take(20), false, false)
	want("more than there is", root.Take(1), false, true)
	a.Close()
	want("another's room is no share", a2.Take(50), false, false)
	a2.Give(10)
	want("what was given back", a2.Take(10), false, false)
	want("more than that", a2.Take(1), true, true)
	a2.Force(30)
	a2.Close()
	a2.Close()
	c.Close()
	want("a large one alone", purse("d", false).Take(80), false, false)
	root.Close()
	if b.Held() != 80 || len(b.accounts) != 1 {
		t.Errorf("%d bytes, %v", b.Held(), b.accounts)
	}
	var none *Purse
	want("no purse", errors.Join(none.Take(1), none.Share(1, 1)), false, false)
	none.Force(1)
	none.Give(1)
	none.Close()
	if none.Tight() {
		t.Error("no purse is tight")
	}
}

// TestPressure: who is refused has those hurry that hold what is missing, and
// nobody who holds nothing.
func TestPressure(t *testing.T) {
	hurried := map[string]int{}
	b := New(100, 20, 50)
	purse := func(user, name string, privileged bool) *Purse {
		return b.Purse(user, privileged, func() { hurried[name]++ })
	}
	a, root := purse("a", "a", false), purse("root", "root", true)
	purse("a", "empty", false)
	shared := purse("c", "c", false)
	_, _, _ = a.Take(50), root.Take(20), shared.Share("x", 30)
	if a.Tight() != true || root.Tight() != true || len(hurried) != 0 {
		t.Errorf("%v", hurried)
	}
	_ = a.Take(1)
	if fmt.Sprint(hurried) != "map[a:1]" {
		t.Errorf("over the share: %v", hurried)
	}
	if err := purse("d", "d", false).Take(1); err == nil || fmt.Sprint(hurried) != "map[a:2 c:1]" {
		t.Errorf("over all: %v", hurried)
	}
	_ = root.Take(1)
	if fmt.Sprint(hurried) != "map[a:3 c:2 root:1]" {
		t.Errorf("root over all: %v", hurried)
	}
	a.Close()
	if root.Tight() || purse("a", "a", false).Tight() {
		t.Error("tight with half of it free")
	}
}

// TestNothingIsLost: whatever is taken, given and shared in whatever order, in the
// end nothing is held.
func TestNothingIsLost(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		b := New(1000, 100, 300)
		var open []*Purse
		mine := map[*Purse]int64{}
		for range 300 {
			if len(open) == 0 || r.IntN(6) == 0 {
				user := r.IntN(4)
				open = append(open, b.Purse(fmt.Sprint(user), user == 0, func() {}))
				continue
			}
			i := r.IntN(len(open))
			p, n := open[i], int64(r.IntN(100))
			switch r.IntN(5) {
			case 0:
				if p.Take(n) == nil {
					mine[p] += n
				}
			case 1:
				p.Force(n)
				mine[p] += n
			case 2:
				_ = p.Share(r.IntN(5), 60)
			case 3:
				n = min(n, mine[p])
				p.Give(n)
				mine[p] -= n
			case 4:
				p.Close()
				open[i] = open[len(open)-1]
				open = open[:len(open)-1]
			}
			ordinary := int64(0)
			for _, a := range b.accounts {
				if !a.privileged {
					ordinary += a.held
				}
			}
			if ordinary != b.heldOrd || b.held < ordinary {
				t.Fatalf("%d of %d", ordinary, b.heldOrd)
			}
		}
		for _, p := range open {
			p.Close()
		}
		if b.held != 0 || b.heldOrd != 0 || len(b.accounts) != 0 {
			t.Fatalf("left: %+v", b)
		}
	}
}
