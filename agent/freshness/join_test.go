package freshness

import (
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/schedule"
)

// What may wait behind much is not joined by what is waited for, nor what began
// longer ago than the client accepts.
func TestWhichReadUnderWayIsJoined(t *testing.T) {
	for name, s := range map[string]struct {
		first, second schedule.Class
		control       string
		joined        bool
	}{
		"same class":        {schedule.Interactive, schedule.Interactive, "", true},
		"more important":    {schedule.Interactive, schedule.Background, "", true},
		"less important":    {schedule.Background, schedule.Interactive, "", false},
		"old enough":        {schedule.Interactive, schedule.Interactive, "max-age=3", true},
		"too old":           {schedule.Interactive, schedule.Interactive, "max-age=2", false},
		"wants its own":     {schedule.Interactive, schedule.Interactive, "no-cache", false},
		"wants its own now": {schedule.Interactive, schedule.Interactive, "at once, no-cache", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := &ilo{handler: one()}
				wait := newGate(next)
				c := New(Options{Next: wait, Store: newMemory()})
				defer c.Close()
				done := make(chan error)
				read := func(class schedule.Class, control string) {
					r := &http.Request{Method: "GET", URL: &url.URL{Path: account}, Header: http.Header{"Cache-Control": {control}}}
					_, err := c.RoundTrip(r.WithContext(schedule.WithClass(t.Context(), class)))
					done <- err
				}
				go read(s.first, "")
				synctest.Wait()
				if s.control != "at once, no-cache" {
					time.Sleep(3 * time.Second)
				}
				go read(s.second, s.control)
				synctest.Wait()
				close(wait.open)
				for range 2 {
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
				if n := len(next.seen()); (n == 1) != s.joined {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}
