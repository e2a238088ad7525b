package pause_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/pause"
)

// A pause is as long as it was asked for, unless its context ends first.
func TestAPauseEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct{ ask, end, want time.Duration }{
			{time.Minute, time.Hour, time.Minute}, {time.Hour, time.Minute, time.Minute}, {0, time.Hour, 0}, {0, 0, 0},
		} {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), c.end)
			whole := pause.For(ctx, c.ask)
			cancel()
			if d := time.Since(began); d != c.want || whole != (c.ask < c.end) {
				t.Errorf("%v, cut after %v: %v, %v", c.ask, c.end, d, whole)
			}
		}
	})
}
