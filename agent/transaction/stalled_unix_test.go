//go:build unix

package transaction

import (
	"errors"
	"testing"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// TestCountsDoNotWaitForTheDisk: while the disk takes nothing, the counts and what
// the client sessions hold are there at once.
func TestCountsDoNotWaitForTheDisk(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	stalled := make(chan struct{})
	f.Manager.noting = func() { <-stalled }
	begun := make(chan error, 1)
	go func() { _, err := f.Begin("stalled", 0); begun <- err }()
	for f.Manager.disk.TryLock() { // until it waits
		f.Manager.disk.Unlock()
		time.Sleep(time.Millisecond)
	}
	answered := make(chan api.TransactionStats, 1)
	go func() {
		f.Holds("stalled")
		if _, err := f.Status("other"); !errors.Is(err, ErrNone) {
			t.Error(err)
		}
		answered <- f.Stats()
	}()
	select {
	case s := <-answered:
		if s.Open != 1 {
			t.Errorf("%+v", s)
		}
	case <-time.After(time.Minute):
		t.Error("they wait for the disk")
	}
	select {
	case err := <-begun:
		t.Errorf("the disk does not stall: %v", err)
		return
	default:
	}
	close(stalled)
	if err := <-begun; err != nil {
		t.Error(err)
	}
	if _, err := f.Rollback("stalled"); err != nil {
		t.Error(err)
	}
}
