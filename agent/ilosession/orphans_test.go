package ilosession

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// lostLogins are ways in which a login ends without the iLO having executed it,
// and without anybody knowing that.
var lostLogins = map[string]func(m *machine){
	"killed": func(m *machine) { m.leave(untilIntent) },
	"answered 503": func(m *machine) {
		m.answers(redfish.Answer{Method: "POST", Status: 503, Times: 1})
		m.process(&life{left: -1}, nil, m.get1)
		m.answers()
	},
}

// A program that logs in when a login of ours may have been executed, uses its
// session once and then idles, keeps it: whoever used it has its token.
func TestRecoverSparesASessionUsedOnce(t *testing.T) {
	for name, lose := range lostLogins {
		for _, after := range []time.Duration{time.Second, 2 * time.Second} {
			bubble(t, fmt.Sprintf("%s, used after %v", name, after), func(t *testing.T) {
				m := newMachine(t, redfish.Options{IdleTimeout: redfish.NoIdleTimeout})
				lose(m)
				other := m.other()
				time.Sleep(after)
				m.use(other)
				time.Sleep(2 * lateness)
				m.clean()
				m.use(other)
				if err := other.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A login that the iLO has answered is not executed later: a session that another
// program opens then is not taken for its, used or not.
func TestRecoverAfterAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{IdleTimeout: redfish.NoIdleTimeout})
		lostLogins["answered 503"](m)
		time.Sleep(clockSlack + 2*time.Second)
		other := m.other()
		time.Sleep(2 * lateness)
		m.clean()
		m.use(other)
		if err := other.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A session that is not in use any more is not used again, even for what the Keeper
// does by itself.
func TestLentSessionIsTheOneInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		k := m.keeper()
		m.get(k)
		h := k.current
		if err := k.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := m.service.Stats().Requests
		if _, err := do(t.Context(), lent{k, h}, "GET", system, ""); !errors.Is(err, ErrNoLogin) {
			t.Error(err)
		}
		if after := m.service.Stats().Requests; !maps.Equal(before, after) {
			t.Errorf("requests %v, then %v", before, after)
		}
	})
}

// Of several sessions that one login may have opened none is taken for ours, not
// even if nobody has used them: the iLO's idle timeout has them.
func TestRecoverLeavesSeveralCandidates(t *testing.T) {
	for name, steps := range map[string]int{"both are of others": untilIntent, "one is ours": untilPosted} {
		bubble(t, name, func(t *testing.T) {
			m := newMachine(t, redfish.Options{})
			m.leave(steps)
			others := []*Session{m.other()}
			if steps == untilIntent {
				others = append(others, m.other())
			}
			k := m.keeper()
			if err := k.Recover(t.Context()); err != nil {
				t.Error(err)
			}
			time.Sleep(4 * lateness)
			synctest.Wait()
			if got := m.service.Stats().Deletes; got != 0 {
				t.Errorf("%d sessions were deleted", got)
			}
			for _, other := range others {
				m.use(other)
			}
			time.Sleep(time.Hour)
			m.service.ForgiveExpired()
			synctest.Wait()
			closeKeeper(t, k)
		})
	}
}

// A session whose times the iLO does not tell may have been used.
func TestNeverUsed(t *testing.T) {
	login := time.Date(2022, 4, 14, 16, 53, 23, 0, time.UTC)
	unused := api.ILOSession{InBand: true, Login: login, Access: login} // as an iLO 5 2.46 shows one, seven minutes on
	if !neverUsed(unused) {
		t.Error("it was never used")
	}
	for name, change := range map[string]func(e *api.ILOSession){
		"used a second later": func(e *api.ILOSession) { e.Access = login.Add(time.Second) },
		"used before, by it":  func(e *api.ILOSession) { e.Access = login.Add(-time.Second) },
		"no times":            func(e *api.ILOSession) { e.Login, e.Access = time.Time{}, time.Time{} },
		"not in-band":         func(e *api.ILOSession) { e.InBand = false },
		"in the ledger":       func(e *api.ILOSession) { e.Ours = true },
		"in use here":         func(e *api.ILOSession) { e.Current = true },
	} {
		e := unused
		if change(&e); neverUsed(e) {
			t.Errorf("%s: taken for never used", name)
		}
	}
}
