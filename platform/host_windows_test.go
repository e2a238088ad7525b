package platform

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestBootID: it stays as it is while the clock goes on.
func TestBootID(t *testing.T) {
	first, err := BootID()
	if err != nil || first == "" {
		t.Fatalf("%q, %v", first, err)
	}
	time.Sleep(50 * time.Millisecond)
	if second, err := BootID(); second != first || err != nil {
		t.Errorf("%q, then %q, %v", first, second, err)
	}
}

func TestDiskSpace(t *testing.T) {
	dir := t.TempDir()
	if free, total, err := DiskSpace(dir); err != nil || free > total || total == 0 {
		t.Errorf("%d of %d, %v", free, total, err)
	}
	none := filepath.Join(dir, "none")
	if _, _, err := DiskSpace(none); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
	if err := Writable(dir); err != nil {
		t.Error(err)
	}
	if err := Writable(none); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
		t.Errorf("left %v, %v", left, err)
	}
}
