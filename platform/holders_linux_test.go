package platform

import (
	"os"
	"os/user"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"testing"
)

// write makes files below root.
func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// link makes symbolic links below root.
func link(t *testing.T, root string, links map[string]string) {
	t.Helper()
	for name, target := range links {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHolders(t *testing.T) {
	proc := t.TempDir()
	write(t, proc, map[string]string{
		"meminfo": "", "77/fd/none": "",
		"12/status": "Name:\tamsd\nUmask:\t0022\nUid:\t4294967294\t0\t0\t0\n",
	})
	link(t, proc, map[string]string{
		"812/fd/3": "/dev/hpilo/d0ccb15", "812/fd/4": "/dev/hpilo/d0ccb2", "812/fd/5": "/dev/hpilo/d0ccb2", "812/fd/6": "/dev/null",
		"12/fd/0": "/dev/hpilo/d0ccb0", "12/fd/1": "/dev/hpilo2/d0ccb1", "9/fd/0": "socket:[1]",
	})
	got, unseen, err := Holders(proc, "/dev/hpilo/")
	want := []Holder{{12, "amsd", "4294967294", []string{"d0ccb0"}}, {812, "", "", []string{"d0ccb15", "d0ccb2"}}}
	if err != nil || unseen != 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %d, %v", got, unseen, err)
	}
	if _, _, err := Holders(filepath.Join(proc, "none"), "/"); err == nil {
		t.Error("without procfs")
	}
}

func TestHoldersOfThisProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no procfs")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(dir, "d0ccb0"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := Holders("/proc", dir)
	if err != nil || len(got) != 1 || got[0].PID != os.Getpid() || got[0].User != me.Username || got[0].Command == "" {
		t.Errorf("%+v, %v; this is process %s", got, err, strconv.Itoa(os.Getpid()))
	}
}
