//go:build linux

package vm

import (
	"bytes"
	"os/exec"
	"testing"
)

func TestInitramfs(t *testing.T) {
	got := Initramfs(
		File{"/init", 0o755, []byte("program")},
		File{"/a/b/empty", 0o600, nil},
		File{"/a/b/four", 0o644, []byte("1234")})
	if len(got)%4 != 0 {
		t.Errorf("%d bytes are no multiple of 4", len(got))
	}
	header := "070701" + "00000000" + "000081ED" + "00000000" + "00000000" + "00000001" + "00000000" + "00000007" +
		"00000000" + "00000000" + "00000000" + "00000000" + "00000005" + "00000000" + "init\x00\x00" + "program\x00" + "070701"
	if !bytes.HasPrefix(got, []byte(header)) {
		t.Errorf("archive begins with\n%q\nwant\n%q", got[:len(header)], header)
	}
	cpio, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("no cpio program to read the archive with")
	}
	dir := t.TempDir()
	cmd := exec.Command(cpio, "--extract", "--verbose")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(got)
	list, err := cmd.CombinedOutput()
	if err != nil || !bytes.HasPrefix(list, []byte("init\na\na/b\na/b/empty\na/b/four\n")) {
		t.Errorf("cpio: %v\n%s", err, list)
	}
}
