package agent

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// TestWatchdog: nobody is told that an engine is alive in which a room hangs.
func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alive, hangs := 0, make(chan struct{})
		var told []string
		e := Engine{o: Options{Serving: Serving{Manager: &manager{alive: func() { alive++ }, status: func(text string) { told = append(told, text) }}}}}
		asked := 0
		e.rooms.status = func() api.Status {
			if asked++; asked > 10 {
				<-hangs
			}
			var s api.Status
			switch {
			case asked > 5:
				s.Session.Session, s.Session.Since = "/redfish/v1/SessionService/Sessions/x", time.Unix(0, 0)
			case asked > 2:
				s.Session.LastError = "no answer"
			}
			return s
		}
		life := newLifecycle(t.Context())
		life.spawn("watchdog", e.feedWatchdog)
		time.Sleep(time.Hour)
		synctest.Wait()
		if alive != 10 {
			t.Errorf("told %d times", alive)
		}
		counts := "; client sessions: 0, open transactions: 0, cached answers: 0"
		want := []string{
			"no iLO session" + counts, "no iLO session (last error: no answer)" + counts,
			"iLO session since " + time.Unix(0, 0).Format(time.DateTime) + counts,
		}
		if !slices.Equal(told, want) {
			t.Errorf("%q, want %q", told, want)
		}
		close(hangs)
		if err := life.stopTasks(); err != nil {
			t.Error(err)
		}
	})
}
