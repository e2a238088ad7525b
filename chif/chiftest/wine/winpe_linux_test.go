package wine

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ilod/ilod/chif/chiftest"
)

// TestWinPE runs a batch with defaults where the registry has the key by which
// Windows PE is known. It stays in memory and calls neither the service manager nor
// the event log, which Windows PE need not have.
func TestWinPE(t *testing.T) {
	h := newHost(t, chiftest.Options{})
	h.env = slices.DeleteFunc(h.env, func(v string) bool {
		return strings.HasPrefix(v, "ILOD_STATE_DIR=") || strings.HasPrefix(v, "ILOD_RUNTIME_DIR=") || strings.HasPrefix(v, "WINEDEBUG=")
	})
	const key = `HKLM\System\CurrentControlSet\Control\MiniNT`
	if o := h.wine("reg", "add", key, "/f"); o.code != 0 {
		t.Fatal(o)
	}
	defer h.wine("reg", "delete", key, "/f")
	dir := filepath.Join(os.Getenv("WINEPREFIX"), "drive_c", "ilod")
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}()
	commands := filepath.Join(h.dir, "deploy.txt")
	if err := os.WriteFile(commands, []byte("select Bios.\r\nget BootMode\r\nset BootMode=LegacyBios\r\nset AdminName=pe --commit\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	h.env = append(h.env, "WINEDEBUG=+service,+eventlog")
	if o := h.ilod("service", "status"); !strings.Contains(o.stderr, "trace:service:OpenSCManagerW") {
		t.Fatalf("calls do not show: %v", o)
	}
	o := h.ilod("batch", windows(commands))
	if o.code != 0 || !strings.HasPrefix(o.stdout, "BootMode=") {
		t.Error(o)
	}
	for _, channel := range []string{"trace:service:", "trace:eventlog:"} {
		if strings.Contains(o.stderr, channel) {
			t.Errorf("batch calls the system's services: %v", o)
		}
	}
	h.noSession(1)
	if _, err := os.Stat(filepath.Join(dir, "state")); !os.IsNotExist(err) {
		t.Errorf("the state directory: %v", err)
	}
	if got := size(t, dir); got > 64<<10 { // of 8 MB that it may be
		t.Errorf("%d bytes are left", got)
	}
}

// size is how much the files below a directory have on the disk.
func size(t *testing.T, dir string) (bytes int64) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	return bytes
}
