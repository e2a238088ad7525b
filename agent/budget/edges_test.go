package budget

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestDefaults: an agent of 60 MiB and this fit into the service's 192 MiB.
func TestDefaults(t *testing.T) {
	if DefaultTotal != 67108864 || DefaultReserve != 16777216 || DefaultShare != 25165824 {
		t.Error(DefaultTotal, DefaultReserve, DefaultShare)
	}
}

// TestNothingIsAlwaysThere: who wants nothing is never refused and changes nothing.
func TestNothingIsAlwaysThere(t *testing.T) {
	b := New(100, 20, 50)
	p := b.Purse("a", false, nil)
	defer p.Close()
	p.Force(200)
	for _, n := range []int64{0, -1} {
		if err := errors.Join(p.Take(n), p.Share("x", n)); err != nil {
			t.Errorf("%d: %v", n, err)
		}
		p.Force(n)
		p.Give(n)
	}
	if b.Held() != 200 || len(p.shares) != 0 {
		t.Errorf("%d bytes, %v", b.Held(), p.shares)
	}
}

// TestSharedMemoryCountsOncePerUser: however many purses of a user have it and however
// often, until the last of them is closed.
func TestSharedMemoryCountsOncePerUser(t *testing.T) {
	b := New(100, 20, 50)
	one, two, other := b.Purse("a", false, nil), b.Purse("a", false, nil), b.Purse("b", false, nil)
	for i, c := range []struct {
		do   func() error
		held int64
	}{
		{func() error { return one.Share("x", 30) }, 30},
		{func() error { return one.Share("x", 30) }, 30},
		{func() error { return two.Share("x", 30) }, 30},
		{func() error { return other.Share("x", 30) }, 60},
		{func() error { return one.Share("y", 10) }, 70},
		{func() error { one.Close(); return nil }, 60},
		{func() error { two.Close(); return nil }, 30},
		{func() error { two.Give(30); two.Close(); return nil }, 30},
		{func() error { other.Close(); return nil }, 0},
	} {
		if err := c.do(); err != nil || b.Held() != c.held {
			t.Errorf("step %d: %v, %d bytes, want %d", i, err, b.Held(), c.held)
		}
	}
}

// TestSharedMemoryThatIsNotThere: what was refused is not had.
func TestSharedMemoryThatIsNotThere(t *testing.T) {
	b := New(100, 20, 50)
	p := b.Purse("a", false, nil)
	if err := p.Share("x", 90); !errors.Is(err, ErrFull) || b.Held() != 0 {
		t.Errorf("%v, %d bytes", err, b.Held())
	}
	if err := p.Share("x", 50); err != nil || b.Held() != 50 {
		t.Errorf("%v, %d bytes", err, b.Held())
	}
	p.Close()
	if b.Held() != 0 {
		t.Errorf("%d bytes are left", b.Held())
	}
}

// TestTightFromThreeQuarters: of a user's share, of what those without privilege may
// have, and for those with it of all.
func TestTightFromThreeQuarters(t *testing.T) {
	for name, c := range map[string]struct {
		privileged    bool
		mine, another int64
		tight         bool
	}{
		"three quarters of the share": {false, 30, 0, false},
		"more":                        {false, 31, 0, true},
		"three quarters of all":       {false, 0, 60, false},
		"more of all":                 {false, 0, 61, true},
		"root, three quarters":        {true, 75, 0, false},
		"root, more":                  {true, 76, 0, true},
		"root, of others":             {true, 16, 60, true},
		"root does not mind a share":  {true, 49, 0, false},
	} {
		b := New(100, 20, 40)
		p, other := b.Purse("a", c.privileged, nil), b.Purse("b", false, nil)
		p.Force(c.mine)
		other.Force(c.another)
		if p.Tight() != c.tight {
			t.Errorf("%s: %v", name, p.Tight())
		}
	}
}

// TestRefusalSaysWhoseTheMemoryIs: and when to come back.
func TestRefusalSaysWhoseTheMemoryIs(t *testing.T) {
	b := New(100, 20, 50)
	a := b.Purse("a", false, nil)
	a.Force(50)
	for purse, want := range map[*Purse]string{a: "of this user", b.Purse("b", false, nil): "all the memory that there is"} {
		full, ok := errors.AsType[*FullError](purse.Take(40))
		if !ok || !strings.Contains(full.Error(), want) || full.RetryAfter != 5*time.Second || !strings.HasSuffix(full.Error(), "retry in 5s") {
			t.Errorf("%v, want %q", full, want)
		}
	}
}

// TestPurseOfAContext: the one that it was given, else none.
func TestPurseOfAContext(t *testing.T) {
	p := New(1, 0, 1).Purse("a", false, nil)
	if Of(context.Background()) != nil || Of(WithPurse(context.Background(), p)) != p {
		t.Error("another purse")
	}
}
