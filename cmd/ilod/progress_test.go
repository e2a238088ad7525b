package main

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
		p := &progress{w: &b, begun: time.Now()}
		p.show(0, 100)
		time.Sleep(999 * time.Millisecond)
		p.show(1, 100)
		p.end()
		if b.Len() > 0 {
			t.Errorf("within the first second: %q", &b)
		}
		time.Sleep(9001 * time.Millisecond)
		p.show(25, 100)
		p.end()
		p.end()
		if want := "\r[" + strings.Repeat("=", 10) + strings.Repeat(" ", 30) + "] 25/100, 30s left  \n"; b.String() != want {
			t.Errorf("%q, want %q", &b, want)
		}
		b.Reset()
		p.show(1, 100)
		long := b.Len()
		b.Reset()
		p.show(99, 100)
		if b.Len() != long || !strings.Contains(b.String(), " 99/100, 0s left") {
			t.Errorf("%q does not cover %d bytes", &b, long)
		}
	})
	(&progress{}).show(1, 2)
}

// TestWatch looks each second until it is stopped, and not at all off a terminal.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		done := 0
		stop := (&progress{w: &b, begun: time.Now()}).watch(t.Context(), func(context.Context) (int, int) {
			done++
			return done, 4
		})
		time.Sleep(2500 * time.Millisecond)
		stop()
		time.Sleep(time.Minute)
		if got := b.String(); done != 2 || !strings.Contains(got, "2/4, 2s left") || strings.Count(got, "\r") != 2 || !strings.HasSuffix(got, "\n") {
			t.Errorf("%d looks, %q", done, got)
		}
		(&progress{}).watch(t.Context(), nil)()
	})
}
