package main

import (
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
	})
	(&progress{}).show(1, 2)
}
