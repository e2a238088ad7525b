package chif

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// store is the iLO's end of channels that keeps the times at which a blob was to be
// deleted, and answers DELETE with a code.
type store struct {
	code    Code
	silent  atomic.Bool // STATUS is not answered
	deletes []time.Duration
	names   [][]byte
	start   time.Time
}

func (s *store) answer(request []byte) [][]byte {
	if binary.LittleEndian.Uint16(request[4:]) != commandBlob {
		if s.silent.Load() {
			return nil
		}
		return serve(request)
	}
	s.deletes = append(s.deletes, time.Since(s.start))
	s.names = append(s.names, slices.Clone(request[12:60]))
	if s.code == 4711 { // the iLO is reset
		return [][]byte{nil}
	}
	return [][]byte{reply(request, commandBlob|responseFlag, words(uint32(s.code))...)}
}

// pass lets d go by, and all that happens in it.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// sweeping is a Transport to s.
func sweeping(t *testing.T, s *store) (*Transport, *scripts) {
	t.Helper()
	d := &scripts{answer: s.answer}
	tr, err := NewTransport(d, TransportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.start = time.Now()
	return tr, d
}

// blobs are leftovers that were tried so often.
func blobs(n, tries int, late bool) (all []leftover) {
	for range n {
		all = append(all, leftover{name: newBlobName(), tries: tries, late: late})
	}
	return all
}

// A blob that could not be deleted is tried again, four times in all: at once, and 2,
// 8 and 30 s after the try before. Success means that it is gone. So does "no such
// blob", once the iLO can no longer store it. After any other code it may still be there.
func TestDeletionIsTriedAgain(t *testing.T) {
	all := []time.Duration{0, 2 * time.Second, 10 * time.Second, 40 * time.Second}
	for _, c := range []struct {
		code  Code
		late  bool
		tried int // before
		want  []time.Duration
	}{
		{CodeSuccess, false, 0, all[:1]},
		{CodeSuccess, true, 0, all[:1]},
		{CodeNotFound, false, 0, all[:1]},
		{CodeNotModified, false, 0, all[:1]},
		{CodeNotFound, true, 0, all},
		{CodeNotModified, true, 0, all},
		{CodeNotFound, true, 1, []time.Duration{2 * time.Second, 10 * time.Second, 40 * time.Second}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &store{code: c.code}
			tr, _ := sweeping(t, s)
			defer tr.Close()
			tr.discardLater(blobs(1, c.tried, c.late))
			pass(time.Hour)
			if !slices.Equal(s.deletes, c.want) {
				t.Errorf("code %s, late %v: deleted at %v, want %v", c.code, c.late, s.deletes, c.want)
			}
		})
	}
}

// An iLO that refuses a deletion is asked every 30 s, for ten minutes and not longer.
func TestRefusedDeletionEndsAfterTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{code: CodeUnavailable}
		tr, _ := sweeping(t, s)
		defer tr.Close()
		tr.discardLater(blobs(1, 0, false))
		pass(time.Hour)
		last := s.deletes[len(s.deletes)-1]
		if len(s.deletes) != 23 || last != 610*time.Second { // at 0, 2, 10, 40, 70, … s
			t.Errorf("%d deletions, the last after %v", len(s.deletes), last)
		}
	})
}

// An iLO that does not serve is waited for ten minutes: no channel to delete a blob
// on is no try.
func TestDeletionWaitsForAnILOThatServes(t *testing.T) {
	for silence, want := range map[time.Duration]int{9 * time.Minute: 1, 15 * time.Minute: 0} {
		synctest.Test(t, func(t *testing.T) {
			s := &store{}
			s.silent.Store(true)
			tr, _ := sweeping(t, s)
			defer tr.Close()
			tr.discardLater(blobs(1, 0, false))
			pass(silence)
			s.silent.Store(false)
			pass(time.Hour)
			if len(s.deletes) != want {
				t.Errorf("after %v of silence: %d deletions, want %d", silence, len(s.deletes), want)
			}
		})
	}
}

// A round of deletions waits ten seconds for a channel, and does not keep one for
// longer.
func TestRoundOfDeletionsTakesTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		tr, _ := sweeping(t, s)
		defer tr.Close()
		var taken []*lease
		for range 2 {
			l, err := tr.pool.get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			taken = append(taken, l)
		}
		if left := tr.remove(blobs(1, 0, false)); time.Since(s.start) != 10*time.Second || len(left) != 1 {
			t.Errorf("%d left after %v", len(left), time.Since(s.start))
		}
		for _, l := range taken {
			tr.pool.put(l)
		}
	})
}

// The sweep ends when nothing is left, and begins again with the next failure; a blob
// that is due earlier than what it waits for is not kept waiting.
func TestSweepTakesUpWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		tr, _ := sweeping(t, s)
		defer tr.Close()
		for range 3 {
			tr.discardLater(blobs(1, 3, false)) // due in 30 s
			pass(time.Second)
			tr.discardLater(blobs(1, 1, false)) // due in 2 s
			tr.discardLater(blobs(1, 2, false)) // due in 8 s
			pass(time.Minute - time.Second)
		}
		var want []time.Duration
		for i := range 3 {
			start := time.Duration(i) * time.Minute
			want = append(want, start+3*time.Second, start+9*time.Second, start+30*time.Second)
		}
		if !slices.Equal(s.deletes, want) {
			t.Errorf("deleted at %v, want %v", s.deletes, want)
		}
	})
}

// At most 256 blobs are kept in mind, the latest of them.
func TestLeftoversAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		tr, _ := sweeping(t, s)
		defer tr.Close()
		all := blobs(300, 1, false)
		tr.discardLater(all)
		pass(time.Minute)
		if len(s.names) != 256 {
			t.Fatalf("%d deletions, want 256", len(s.names))
		}
		if last := all[299].name.append(nil); !slices.Equal(s.names[255], last) {
			t.Errorf("the last deletion is of %q, want %q", s.names[255], last)
		}
		s.names = nil
		tr.discardLater(blobs(256, 1, false))
		pass(time.Minute)
		if len(s.names) != 256 {
			t.Errorf("%d of 256 were deleted", len(s.names))
		}
	})
}

// A reset of the iLO takes its blobs away: none is deleted afterwards.
func TestResetEndsTheDeletions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{code: 4711}
		tr, d := sweeping(t, s)
		defer tr.Close()
		tr.discardLater(blobs(3, 0, true))
		pass(time.Hour)
		if len(s.deletes) != 1 || len(d.opened) != 1 {
			t.Errorf("%d deletions on %d channels", len(s.deletes), len(d.opened))
		}
	})
}

// Close deletes what was to be deleted later, once, and takes a fifth of a second
// for it at the most.
func TestCloseDeletesWhatIsNotDueYet(t *testing.T) {
	for _, silent := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := &store{}
			s.silent.Store(silent)
			tr, d := sweeping(t, s)
			tr.discardLater(blobs(3, 3, true))
			pass(time.Second)
			start := time.Now()
			tr.Close()
			want, took := 3, time.Duration(0)
			if silent {
				want, took = 0, 200*time.Millisecond
			}
			if len(s.deletes) != want || time.Since(start) != took || d.opened[0].closed == 0 {
				t.Errorf("silent %v: %d deletions in %v", silent, len(s.deletes), time.Since(start))
			}
			tr.discardLater(blobs(1, 0, false)) // of a request that ends late: nothing is begun
			pass(time.Hour)
			if len(s.deletes) != want || len(d.opened) != 1 {
				t.Errorf("silent %v: %d deletions on %d channels after Close", silent, len(s.deletes), len(d.opened))
			}
		})
	}
}

// registry is a caller's context that counts what is hooked to it.
type registry struct {
	context.Context
	hooked *int
}

func (r registry) AfterFunc(f func()) func() bool {
	*r.hooked++
	return func() bool { *r.hooked--; return true }
}

func (r registry) Done() <-chan struct{} { return make(chan struct{}) }

// What a request hooked to its caller's context is gone when the request has ended:
// a caller may use one context for years.
func TestNothingStaysOnTheCallersContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		tr, _ := sweeping(t, s)
		defer tr.Close()
		hooked := 0
		ctx := registry{t.Context(), &hooked}
		for range 2 { // with a new channel, and with an idle one
			l, err := tr.pool.get(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.Status(ctx); err != nil {
				t.Error(err)
			}
			tr.pool.put(l)
			m := &message{method: "GET", path: "/"}
			if _, _, err := tr.attempt(ctx, m); !errors.Is(err, ErrProtocol) { // an answer of a code alone
				t.Error(err)
			}
			if hooked != 0 {
				t.Errorf("%d hooks are left", hooked)
			}
		}
	})
}
