package transaction

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif/chiftest/need"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// TestFullDisk: without its first record a commit does not begin; one that can
// write no more is undone.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("ilod-transaction-test", dir, "tmpfs", 0, "size=64k,mode=0700"); err != nil {
		need.Absent(t, fmt.Sprintf("cannot mount a tmpfs (needs root): %v", err))
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	filler := filepath.Join(dir, "filler")
	fill := func() {
		if err := os.WriteFile(filler, make([]byte, 1<<17), 0o600); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("fill the disk: %v", err)
		}
	}
	f := newFixture(t, redfish.Options{})
	f.dir = dir
	f.start(Options{})
	fill()
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.ilo.requests()
	if _, err := f.commit(api.RolledBack, api.NotSent); !errors.Is(err, unix.ENOSPC) {
		t.Error(err)
	}
	for _, r := range f.ilo.requests() {
		if r != "GET "+system {
			t.Errorf("sent: %s", r)
		}
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	f.noFiles()
	f.begin()
	const writes = 30
	for range writes {
		f.stage("PATCH", system, `{"AssetTag":"mine"}`)
		f.stage("PATCH", system, `{"AssetTag":"mine, too"}`)
	}
	f.ilo.fault = func(r *http.Request) fault {
		if r.Method == http.MethodPatch && f.ilo.fault != nil {
			f.ilo.fault = nil
			fill()
		}
		return none
	}
	r, err := f.Commit(t.Context(), "s")
	if r.Result != api.RolledBack || !errors.Is(err, unix.ENOSPC) || r.Writes[0].Outcome != api.Undone || r.Writes[2*writes-1].Outcome != api.NotSent {
		t.Errorf("%v: %s", err, text(r))
	}
	f.is(system, "/AssetTag", `""`)
}
