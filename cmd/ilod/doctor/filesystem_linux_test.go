package doctor

import (
	"fmt"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/chif/chiftest/need"
)

// TestDoctorFileSystem has directories on a small and then read-only file system.
func TestDoctorFileSystem(t *testing.T) {
	d := newDoctor(t, nil)
	dir := t.TempDir()
	if err := unix.Mount("ilod-doctor-test", dir, "tmpfs", 0, "size=512k,mode=0700"); err != nil {
		need.Absent(t, fmt.Sprintf("cannot mount a tmpfs (needs root): %v", err))
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	d.Config.StateDir, d.Config.RuntimeDir = dir, filepath.Join(dir, "run")
	d.space()
	d.want(t, errOther, `^problem  disk space       .*: 0 MiB free of 0 MiB, ilod wants 64 MiB; remedy: free some space: until then the cache is in memory`)
	d.want(t, errOther, `^problem  runtime space    .*; remedy: free some space: until then a killed ilod may leave a session$`)

	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, d.Fix = range []bool{false, true} {
		d.findings = nil
		d.directories(false)
		d.want(t, errOther, `^problem  state dir        .*read-only file system; remedy: name another one with --state-dir, or say --nocache$`)
		d.want(t, errOther, `^problem  runtime dir      .*read-only file system; remedy: name another one with --runtime-dir$`)
	}
	d.directories(true)
	d.want(t, nil, `^ok       state dir        .*, drwx------$`)

	d.Config.RuntimeDir = "/proc" // has no size
	d.space()
	d.want(t, nil, `^skip     runtime space    the file system does not report its size$`)
}
