//go:build linux

package vm

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
)

// entries reads a newc archive as the kernel does.
func entries(t *testing.T, archive []byte) (list []string) {
	t.Helper()
	next := func(n int) (b []byte) {
		if n > len(archive) {
			t.Fatalf("the archive ends %d bytes early, after %q", n-len(archive), list)
		}
		b, archive = archive[:n], archive[n:]
		return b
	}
	total := len(archive)
	align := func() { next(-(total - len(archive)) & 3) }
	for len(archive) > 0 {
		if magic := string(next(6)); magic != "070701" {
			t.Fatalf("magic %q after %q", magic, list)
		}
		var field [13]int
		for i := range field {
			v, err := strconv.ParseUint(string(next(8)), 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			field[i] = int(v)
		}
		mode, size, nameSize := field[1], field[6], field[11]
		name := next(nameSize)
		align()
		list = append(list, fmt.Sprintf("%q %o %q", name, mode, next(size)))
		align()
	}
	return list
}

func TestInitramfs(t *testing.T) {
	got := entries(t, Initramfs(
		File{"/init", 0o755, []byte("program")},
		File{"/a/b/empty", 0o600, nil},
		File{"a/b/four", 0o644, []byte("1234")}))
	want := []string{
		`"init\x00" 100755 "program"`,
		`"a\x00" 40755 ""`,
		`"a/b\x00" 40755 ""`,
		`"a/b/empty\x00" 100600 ""`,
		`"a/b/four\x00" 100644 "1234"`,
		`"TRAILER!!!\x00" 0 ""`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("entries\n%q\nwant\n%q", got, want)
	}
}
