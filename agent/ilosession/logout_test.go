package ilosession

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

func TestLogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{Foreign: redfish.EveryKind()})
		m.places = 4
		k := m.keeper()
		if err := k.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		m.get(k)
		if err := m.service.SetFaults(redfish.Faults{Answers: []redfish.Answer{{Path: system, Latency: redfish.Duration(time.Minute)}}}); err != nil {
			t.Fatal(err)
		}
		get := func() {
			if status, err := do(t.Context(), k, "GET", system, ""); err != nil || status != 200 {
				t.Errorf("%d, %v", status, err)
			}
		}
		var wg sync.WaitGroup
		wg.Go(get)
		synctest.Wait()

		// It gives up, and the session goes on.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wg.Go(func() {
			if err := k.Logout(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
		synctest.Wait()
		wg.Go(get) // waits
		wg.Wait()
		m.expect(1, 0, 7)

		// It waits for the request in flight, and who comes later for it.
		wg.Go(get)
		synctest.Wait()
		wg.Go(func() {
			if err := k.Logout(t.Context()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		wg.Go(get)
		wg.Wait()
		m.expect(2, 1, 7)
		if err := k.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		m.expect(2, 2, 6)
		if s := k.Status(); s.Session != "" || s.LedgerEntries != 0 {
			t.Errorf("status %+v", s)
		}
		closeKeeper(t, k)
		if err := k.Logout(t.Context()); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}
