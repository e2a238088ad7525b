package agent

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestWatchdog: nobody is told that an engine is alive in which a room hangs.
func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alive, hangs := 0, make(chan struct{})
		e := Engine{o: Options{Manager: &manager{alive: func() { alive++ }}}}
		asked := 0
		e.rooms.status = func() Status {
			if asked++; asked > 10 {
				<-hangs
			}
			return Status{}
		}
		life := newLifecycle(t.Context())
		life.spawn("watchdog", e.feedWatchdog)
		time.Sleep(time.Hour)
		synctest.Wait()
		if alive != 10 {
			t.Errorf("told %d times", alive)
		}
		close(hangs)
		if err := life.stopTasks(); err != nil {
			t.Error(err)
		}
	})
}
