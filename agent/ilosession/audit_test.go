package ilosession

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// TestEachDeedOfAnILOSessionIsTold: its making, its end and why, the end of another one
// and who has asked for it, and a login that is refused.
func TestEachDeedOfAnILOSessionIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		var mu sync.Mutex
		var got []string
		var k *Keeper
		k = m.keeper(func(o *KeeperOptions) {
			o.Audit = func(e api.SessionEvent) {
				_ = k.Status() // it takes the lock, which nobody holds
				mu.Lock()
				defer mu.Unlock()
				if !e.ILO {
					t.Errorf("not about the iLO: %+v", e)
				}
				got = append(got, fmt.Sprintf("%s %v by %s from %s: %s", e.Event, strings.HasPrefix(e.Session, "system administrator"), e.By, e.From, e.Why))
			}
		})
		want := func(texts ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(texts, got); diff != "" {
				t.Error(diff)
			}
			got = nil
		}
		m.get(k)
		want("made true by  from : ")
		m.get(k)
		want()
		time.Sleep(10 * time.Minute)
		want("ended true by  from : it was unused for 10m0s")
		m.get(k)
		ctx := AskedBy(t.Context(), "olga", "bash (7)")
		if err := k.Logout(ctx); err != nil {
			t.Fatal(err)
		}
		want("made true by  from : ", "ended true by olga from bash (7): somebody has asked for it")
		m.get(k)
		m.service.EndSession(m.service.Sessions()[0].ID)
		m.get(k)
		want("made true by  from : ", "terminated true by  from : the iLO has ended it", "made true by  from : ")
		other := m.other()
		time.Sleep(time.Minute)
		if _, err := k.Terminate(ctx, other.path, TerminateOptions{DryRun: true}); err != nil {
			t.Fatal(err)
		}
		want()
		if _, err := k.Terminate(ctx, other.path, TerminateOptions{}); err != nil {
			t.Fatal(err)
		}
		want("terminated true by olga from bash (7): it was unused for 1m0s")
		if err := k.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.answers(redfish.Answer{Method: "POST", Status: 400, MessageID: "SessionLimitExceeded", Times: 1})
		got = nil
		if _, err := do(t.Context(), k, "GET", "/redfish/v1/Systems/1/", ""); err == nil {
			t.Fatal("the login was not refused")
		}
		synctest.Wait()
		if len(got) != 1 || !strings.HasPrefix(got[0], "refused false by  from : ") || !strings.Contains(got[0], "session table is full") {
			t.Errorf("%q", got)
		}
		closeKeeper(t, k)
	})
}
