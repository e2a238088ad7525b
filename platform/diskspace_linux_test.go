package platform

import (
	"errors"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
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

func TestWritable(t *testing.T) {
	dir := t.TempDir()
	if err := Writable(dir); err != nil {
		t.Error(err)
	}
	if err := Writable(filepath.Join(dir, "none")); !errors.Is(err, unix.ENOENT) {
		t.Errorf("nothing: %v", err)
	}
}
