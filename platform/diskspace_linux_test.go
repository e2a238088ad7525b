package platform

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/chif/chiftest/need"
)

func TestDiskSpace(t *testing.T) {
	dir := t.TempDir()
	if free, total, err := DiskSpace(dir); err != nil || free > total {
		t.Errorf("%d of %d, %v", free, total, err)
	}
	if _, _, err := DiskSpace(filepath.Join(dir, "none")); !errors.Is(err, unix.ENOENT) {
		t.Errorf("of nothing: %v", err)
	}
}

// TestDiskSpaceIsThatOfOrdinaryUsers compares with stat(1) of coreutils, which knows
// what is kept for root. Other programs write meanwhile.
func TestDiskSpaceIsThatOfOrdinaryUsers(t *testing.T) {
	for _, dir := range []string{t.TempDir(), "/", "/dev/shm"} {
		var available, free, blocks, size uint64
		out, err := exec.Command("stat", "--file-system", "--format=%a %f %b %S", dir).Output()
		if err != nil {
			need.Absent(t, err.Error())
		}
		if _, err := fmt.Sscan(string(out), &available, &free, &blocks, &size); err != nil {
			t.Fatal(err)
		}
		got, total, err := DiskSpace(dir)
		if err != nil || total != blocks*size {
			t.Errorf("%s: %d in all, want %d; %v", dir, total, blocks*size, err)
		}
		reserved := (free - available) * size
		if diff := int64(got) - int64(available*size); reserved > 0 && uint64(max(diff, -diff)) > reserved/2 {
			t.Errorf("%s: %d free, want %d of which %d are not root's", dir, got, free*size, available*size)
		}
	}
}

func TestWritable(t *testing.T) {
	dir := t.TempDir()
	if err := Writable(dir); err != nil {
		t.Error(err)
	}
	if err := Writable(filepath.Join(dir, "none")); !errors.Is(err, unix.ENOENT) {
		t.Errorf("nothing: %v", err)
	}
}
