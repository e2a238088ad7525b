//go:build unix

package clients

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestOnlyWritersWaitForTheDisk: while the disk takes nothing, the counts, and all
// that needs no write, are there at once, and what waits is done when it goes on.
func TestOnlyWritersWaitForTheDisk(t *testing.T) {
	// stall has the replacement of a file wait until go on is called.
	stall := func(t *testing.T, r *Registry, base string) (goOn func()) {
		wait := make(chan struct{})
		r.journal.before = func(replaced string) {
			if replaced == base {
				<-wait
			}
		}
		return func() { close(wait) }
	}
	full := func(t *testing.T, r *Registry) (goOn func()) {
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close() })
		_ = out.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		for err == nil {
			_, err = out.Write(make([]byte, 4096))
		}
		_ = out.SetWriteDeadline(time.Time{})
		r.disk.Lock()
		defer r.disk.Unlock()
		_ = r.journal.out.Close()
		r.journal.out = out
		return func() { _, _ = in.Read(make([]byte, 1<<20)) }
	}
	for name, c := range map[string]struct {
		stall func(t *testing.T, r *Registry) (goOn func())
		write func(r *Registry) error
	}{
		"append": {full, func(r *Registry) error { _, _, err := r.Create(bob, Request{}); return err }},
		"rewrite": {func(t *testing.T, r *Registry) func() {
			r.disk.Lock()
			defer r.disk.Unlock()
			r.journal.appended = 2 * rewriteAfter
			return stall(t, r, journalFile)
		}, func(r *Registry) error { _, _, err := r.Create(bob, Request{}); return err }},
		"limits": {func(t *testing.T, r *Registry) func() { return stall(t, r, limitsFile) },
			func(r *Registry) error { return setLimits(r, DefaultLimits()) }},
		"key": {func(t *testing.T, r *Registry) func() { return stall(t, r, keyFile) },
			(*Registry).RotateKey},
		"version": {full, func(r *Registry) error { r.Bump("a test"); return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Open(Options{Limits: DefaultLimits(), Dir: filepath.Join(t.TempDir(), "clients")})
			if err != nil {
				t.Fatal(err)
			}
			_, handle := create(t, r, alice, Request{Compatible: true})
			goOn := c.stall(t, r)
			written := make(chan error, 1)
			go func() { written <- c.write(r) }()
			for r.disk.TryLock() {
				r.disk.Unlock()
				time.Sleep(time.Millisecond)
			}
			answered := make(chan error, 1)
			go func() {
				r.Stats()
				l, err := r.Use(handle, alice.Key)
				if err == nil {
					l.Session()
					r.List(everybody)
					l.Release()
				}
				answered <- err
			}()
			select {
			case err := <-answered:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(time.Minute):
				t.Error("it waits for the disk")
			}
			select {
			case err := <-written:
				t.Errorf("the disk does not stall: %v", err)
				return
			default:
			}
			goOn()
			if err := <-written; err != nil {
				t.Error(err)
			}
			r.disk.Lock()
			_ = r.journal.close()
			r.disk.Unlock()
		})
	}
}
