//go:build unix

package transaction

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// TestCountsDoNotWaitForTheDisk: while the disk takes nothing, the counts and what
// the client sessions hold are there at once.
func TestCountsDoNotWaitForTheDisk(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	name := filepath.Join(f.dir, hex.EncodeToString([]byte("stalled"))+openSuffix)
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	begun := make(chan error, 1)
	go func() { _, err := f.Begin("stalled", 0); begun <- err }()
	for f.Manager.disk.TryLock() { // until it waits for somebody to read
		f.Manager.disk.Unlock()
		time.Sleep(time.Millisecond)
	}
	answered := make(chan Stats, 1)
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
	fifo, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer fifo.Close()
	if err := <-begun; err != nil {
		t.Error(err)
	}
	if _, err := f.Rollback("stalled"); err != nil {
		t.Error(err)
	}
}
