package ilosession

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// A foreign session that was used between two looks is not reaped, however long it
// is idle by a clock of the iLO that jumps.
func TestReapSparesWhatWasUsedBetweenTwoLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{IdleTimeout: redfish.NoIdleTimeout})
		abandoned, inUse := m.other(), m.other()
		k := m.keeper(func(o *KeeperOptions) { o.ReapForeign = 20 * time.Minute })
		for range 60 {
			m.get(k)
			m.use(inUse)
			m.service.SetClock(m.service.Now().Add(time.Hour))
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		m.expect(3, 1, 2)
		m.use(inUse)
		closeKeeper(t, k)
		for _, s := range []*Session{abandoned, inUse} {
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestRoomIsNotMadeOf: a session of ours, however long it is idle, and one that was
// used since the list was read, stay when the table is full.
func TestRoomIsNotMadeOf(t *testing.T) {
	admin := &Credentials{"Administrator", "password"}
	options := redfish.Options{
		IdleTimeout: redfish.NoIdleTimeout,
		Accounts:    []redfish.Account{{UserName: "Administrator", Password: "password"}},
	}
	full := errors.New("full")
	policy := func(o *KeeperOptions) { o.LimitPolicy = OldestIdleInBand }
	bubble(t, "our own", func(t *testing.T) {
		m := newMachine(t, options)
		m.leave(untilRecorded) // the longest idle
		time.Sleep(time.Hour)
		k := m.keeper(policy)
		if limit, ok := errors.AsType[*SessionLimitError](k.makeRoom(t.Context(), admin, full)); !ok || len(limit.Sessions) != 1 || !limit.Sessions[0].Ours {
			t.Errorf("with nothing but ours: %+v", limit)
		}
		m.expect(1, 0, 1)
		other := m.other()
		time.Sleep(2 * minVictimIdle)
		if err := k.makeRoom(t.Context(), admin, full); err != nil {
			t.Error(err)
		}
		m.expect(2, 1, 1)
		if status, err := do(t.Context(), other, "GET", system, ""); err == nil && status == http.StatusOK {
			t.Error("the session of the other program is live")
		}
		_ = other.Close(context.Background())
		if err := k.Close(context.Background()); err != nil {
			t.Error(err)
		}
		m.clean()
	})
	bubble(t, "used since", func(t *testing.T) {
		m := newMachine(t, options)
		other := m.other()
		time.Sleep(time.Hour)
		looks := 0
		k := m.keeper(policy, func(o *KeeperOptions) {
			next := o.Next
			o.Next = roundTripper(func(r *http.Request) (*http.Response, error) {
				if strings.Contains(r.URL.RawQuery, "expand") {
					if looks++; looks == 2 {
						m.use(other)
					}
				}
				return next.RoundTrip(r)
			})
		})
		if err := k.makeRoom(t.Context(), admin, full); !errors.Is(err, ErrProtected) || !errors.Is(err, full) {
			t.Error(err)
		}
		if looks != 2 {
			t.Errorf("it has looked %d times", looks)
		}
		m.expect(1, 0, 1)
		m.use(other)
		closeKeeper(t, k)
		if err := other.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
