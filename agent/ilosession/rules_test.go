package ilosession

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// The wait for the next login begins anew once a session has worked.
func TestBackOffBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.answers(redfish.Answer{Method: "POST", Status: 403, Times: 5})
		k := m.keeper()
		for range 5 {
			m.get1(k)
			time.Sleep(refusedPauseMax)
		}
		m.get(k)
		m.service.EndSession(sessionID(k.Status().Session))
		m.answers(redfish.Answer{Method: "POST", Status: 403, Times: 1})
		m.get1(k)
		start := time.Now()
		m.get(k)
		if waited := time.Since(start); waited != refusedPause {
			t.Errorf("waited for %v", waited)
		}
		closeKeeper(t, k)
	})
}

// An iLO that refuses the login of its host may have no room for another session:
// one that an earlier process has left does as well.
func TestRefusedLoginTakesOverALeftSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.leave(untilRecorded)
		m.answers(redfish.Answer{Method: "POST", Status: 401, MessageID: "UnauthorizedLoginAttempt"})
		k := m.keeper()
		m.get(k)
		m.expect(1, 0, 1)
		closeKeeper(t, k)
		m.expect(1, 1, 0)
	})
}

// The session of a login whose answer was lost is looked for although nobody asks
// for anything any more.
func TestLostLoginIsMadeUpForUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.rules(chiftest.Rule{Fault: chiftest.FaultDropAnswer, Method: "POST", Times: 1})
		k := m.keeper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, _ = do(ctx, k, "GET", system, "")
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		m.expect(2, 2, 0)
		closeKeeper(t, k)
	})
}

// Close cuts a HEAD as it cuts a GET.
func TestCloseCutsHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		k := m.keeper()
		m.get(k)
		m.answers(redfish.Answer{Path: system, Latency: redfish.Duration(10 * time.Minute)})
		var requests sync.WaitGroup
		requests.Go(func() {
			if _, err := do(t.Context(), k, "HEAD", system, ""); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := k.Close(ctx); err != nil {
			t.Error(err)
		}
		requests.Wait()
		m.expect(1, 1, 0)
	})
}

// After a success the recovery is as quick as at first.
func TestRetryBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		k := m.keeper()
		for _, failures := range []int{logoutTries + 3, logoutTries} {
			m.get(k)
			m.answers(redfish.Answer{Method: "DELETE", Status: 503, Times: failures})
			if err := k.Logout(t.Context()); err == nil {
				t.Error("no error")
			}
			wait := 15 * retryPause // 15, 30, 60 and 120 s
			if failures == logoutTries {
				wait = retryPause
			}
			time.Sleep(wait)
			synctest.Wait()
			if s := k.Status(); s.LedgerEntries != 0 {
				t.Errorf("after %d failures: %+v", failures, s)
			}
		}
		m.expect(2, 2, 0)
		closeKeeper(t, k)
	})
}

// A record whose session is gone is settled even if the iLO refuses the deletion
// before it looks for the session.
func TestRefusedDeletionOfWhatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.leave(untilRecorded)
		l := openLedger(t, m.state, m.runtime)
		e := l.entries()[0]
		l.remove(e.Nonce)
		e.authorize = nil // as after a power loss
		l.put(e)
		m.service.EndSession(sessionID(e.Path))
		m.answers(redfish.Answer{Method: "DELETE", Path: e.Path, Status: 403, MessageID: "InsufficientPrivilege"})
		k := m.keeper()
		if err := k.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		if left := k.unsettled(); len(left) != 0 {
			t.Errorf("left: %+v", left)
		}
		m.answers()
		closeKeeper(t, k)
	})
}

// A session that is used after it was taken for an abandoned one is spared: just
// before it is deleted the iLO is asked again.
func TestRecoverLooksAgainBeforeItDeletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.leave(untilIntent)
		other := m.other()
		time.Sleep(lateness + clockSlack)
		var looks atomic.Int32
		k := m.keeper(func(o *KeeperOptions) {
			next := o.Next
			o.Next = roundTripper(func(r *http.Request) (*http.Response, error) {
				if strings.Contains(r.URL.RawQuery, "expand") {
					if looks.Add(1) == 2 {
						m.use(other)
					}
				}
				return next.RoundTrip(r)
			})
		})
		_ = k.Recover(t.Context()) // it says that the session was used meanwhile
		if looks.Load() < 2 {
			t.Errorf("it has looked %d times", looks.Load())
		}
		m.use(other)
		if err := other.Close(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * lateness)
		synctest.Wait()
		closeKeeper(t, k)
	})
}

// A login whose session was found is settled at once.
func TestFoundSessionSettlesItsLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.leave(untilPosted)
		time.Sleep(lateness + clockSlack)
		k := m.keeper()
		if err := k.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		m.expect(2, 1, 1)
		if left := k.unsettled(); len(left) != 0 {
			t.Errorf("left: %+v", left)
		}
		closeKeeper(t, k)
	})
}

// Of two states of an entry the newer counts, whichever directory has it.
func TestMerge(t *testing.T) {
	intent := entry{Nonce: "n", Time: time.Unix(1, 0)}
	ended, opened, known := intent, intent, intent
	ended.End = time.Unix(2, 0)
	opened.Path = "/redfish/v1/SessionService/Sessions/a"
	known.Path, known.authorize = opened.Path, authorizer("t")
	elsewhere := known
	elsewhere.Path = "/redfish/v1/SessionService/Sessions/b"
	for name, c := range map[string]struct {
		a, b, want entry
		token      bool
	}{
		"nothing, intent":    {entry{}, intent, intent, false},
		"intent, its end":    {intent, ended, ended, false},
		"end, session":       {ended, opened, opened, false},
		"intent, with token": {intent, known, known, true},
		"session, token":     {opened, known, known, true},
	} {
		for _, got := range []entry{merge(c.a, c.b), merge(c.b, c.a)} {
			if name == "nothing, intent" && got.Nonce == "" {
				continue // never asked for in this order
			}
			if got.Path != c.want.Path || !got.End.Equal(c.want.End) || (got.authorize != nil) != c.token {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
	if got := merge(elsewhere, opened); got.authorize != nil { // the token of another session
		t.Errorf("%+v", got)
	}
}

// The time in which the iLO may execute a login is counted from its end, by whatever
// clock that was noted, and from its begin only if the end is not known.
func TestOldAt(t *testing.T) {
	for _, c := range []struct{ begin, end, want int64 }{{100, 220, 250}, {100, 0, 130}, {1000, 100, 130}} {
		e := entry{Time: time.Unix(c.begin, 0)}
		if c.end > 0 {
			e.End = time.Unix(c.end, 0)
		}
		if got := e.oldAt().Unix(); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
