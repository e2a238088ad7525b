package terminal

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		p := &Progress{w: &b, begun: time.Now()}
		p.Show(0, 100)
		time.Sleep(999 * time.Millisecond)
		p.Show(1, 100)
		p.End()
		if b.Len() > 0 {
			t.Errorf("within the first second: %q", &b)
		}
		time.Sleep(9001 * time.Millisecond)
		p.Show(25, 100)
		p.End()
		p.End()
		if want := "\r[" + strings.Repeat("=", 10) + strings.Repeat(" ", 30) + "] 25/100, 30s left  \n"; b.String() != want {
			t.Errorf("%q, want %q", &b, want)
		}
		b.Reset()
		p.Show(1, 100)
		long := b.Len()
		b.Reset()
		p.Show(99, 100)
		if b.Len() != long || !strings.Contains(b.String(), " 99/100, 0s left") {
			t.Errorf("%q does not cover %d bytes", &b, long)
		}
	})
	(&Progress{}).Show(1, 2)
}

// TestWatch looks each second until it is stopped, and not at all off a terminal.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		done := 0
		stop := (&Progress{w: &b, begun: time.Now()}).Watch(t.Context(), func(context.Context) (int, int) {
			done++
			return done, 4
		})
		time.Sleep(2500 * time.Millisecond)
		stop()
		time.Sleep(time.Minute)
		if got := b.String(); done != 2 || !strings.Contains(got, "2/4, 2s left") || strings.Count(got, "\r") != 2 || !strings.HasSuffix(got, "\n") {
			t.Errorf("%d looks, %q", done, got)
		}
		(&Progress{}).Watch(t.Context(), nil)()
	})
}
