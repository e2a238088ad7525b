//go:build linux

package linuxpe

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// overlayLimit is how large the compressed overlay may be, in bytes.
const overlayLimit = 9_000_000

// overlay makes the overlay with the driver of a kernel.
func overlay(t *testing.T, ilod, module, release string) []byte {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, release, "kernel/drivers/misc/hpilo.ko"), 0o644, read(t, module))
	out := filepath.Join(dir, "overlay")
	run(t, "./mkoverlay", "--ilod", ilod, "--modules", dir, "--kernel", release, out)
	return read(t, out)
}

// TestOverlay: the overlay has what it should, belongs to root, is small, and the
// same each time.
func TestOverlay(t *testing.T) {
	asked(t, "ILOD_TEST_LINUXPE", "linuxpe-demo", "cpio", "gzip", "xz")
	kernel, release := kernel(t)
	ilod := program(t)
	first := overlay(t, ilod, kernel.Module, release)
	t.Logf("%d bytes", len(first))
	if len(first) > overlayLimit {
		t.Errorf("the overlay has %d bytes, more than %d", len(first), overlayLimit)
	}

	// The second one at another time, in another place, by another user, of a packed
	// module.
	dir, err := os.MkdirTemp("/var/tmp", "ilod-linuxpe")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	module := write(t, filepath.Join(dir, release, "updates/hpilo.ko"), 0o600, read(t, kernel.Module))
	run(t, "xz", module)
	out := filepath.Join(dir, "overlay")
	run(t, "touch", ilod)
	cmd := exec.CommandContext(t.Context(), "./mkoverlay", out, "--kernel", release, "--modules", dir, "--ilod", ilod)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if !bytes.Equal(read(t, out), first) {
		t.Error("the second overlay differs from the first")
	}

	list := run(t, "sh", "-c", `gzip -dc "$1" | cpio -tv --quiet --numeric-uid-gid`, "sh", out)
	want := map[string]string{
		"etc": "drwxr-xr-x", "etc/ilod": "drwxr-xr-x", "etc/ilod/deploy.ilod": "-rw-r--r--", "etc/ilod/ilod.toml": "-rw-r--r--",
		"usr": "drwxr-xr-x", "usr/bin": "drwxr-xr-x", "usr/bin/ilod": "-rwxr-xr-x", "usr/bin/ilod-pe": "-rwxr-xr-x",
		"usr/lib": "drwxr-xr-x", "usr/lib/ilod": "drwxr-xr-x",
		"usr/lib/ilod/" + release: "drwxr-xr-x", "usr/lib/ilod/" + release + "/hpilo.ko": "-rw-r--r--",
	}
	for line := range strings.Lines(string(list)) {
		f := strings.Fields(line) // mode, links, user, group, size, month, day, year, name
		name := f[len(f)-1]
		if f[0] != want[name] || f[2] != "0" || f[3] != "0" {
			t.Errorf("unexpected: %s", line)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// TestStop: there being no agent is no failure; another one has ilod's exit code.
func TestStop(t *testing.T) {
	for said, want := range map[string]int{"0": 0, "94": 0, "75": 75} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "ilod"), 0o755, []byte("#!/bin/sh\nexit "+said+"\n"))
		cmd := exec.CommandContext(t.Context(), "./ilod-pe", "stop")
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Errorf("%s becomes %d, %s; want %d", said, code, out, want)
		}
	}
}

// TestDracutDriver: the driver is in the image even if it is made for a host that has
// not loaded it.
func TestDracutDriver(t *testing.T) {
	const script = `hostonly=-h; instmods() { echo "$hostonly $*"; }; . ./dracut/90ilod/module-setup.sh; installkernel`
	if out := string(run(t, "bash", "-c", script)); out != " hpilo\n" {
		t.Errorf("instmods is told %q", out)
	}
}

// TestScriptsRefuse: what cannot be meant is an error, and leaves no file.
func TestScriptsRefuse(t *testing.T) {
	dir := t.TempDir()
	ilod := write(t, filepath.Join(dir, "ilod"), 0o755, nil)
	out := filepath.Join(dir, "overlay")
	for _, c := range []struct {
		code int
		why  string
		args []string
	}{
		{2, "usage: mkoverlay", []string{"./mkoverlay"}},
		{2, "usage: mkoverlay", []string{"./mkoverlay", "--verbose", out}},
		{2, "usage: mkoverlay", []string{"./mkoverlay", out, out}},
		{2, "usage: mkoverlay", []string{"./mkoverlay", out, "--kernel"}},
		{1, "both --modules and --kernel", []string{"./mkoverlay", "--ilod", ilod, "--kernel", "6.1", out}},
		{1, "make build-all", []string{"./mkoverlay", "--ilod", dir + "/none", out}},
		{1, "has no hpilo.ko", []string{"./mkoverlay", "--ilod", ilod, "--modules", dir, "--kernel", ".", out}},
		{1, "none", []string{"./mkoverlay", "--ilod", ilod, "--batch", dir + "/none", out}},
		{2, "usage: ilod-pe", []string{"./ilod-pe"}},
		{2, "usage: ilod-pe", []string{"./ilod-pe", "start", "now"}},
		{2, "usage: ilod-pe", []string{"./ilod-pe", "batch"}},
		{2, "usage: ilod-pe", []string{"./ilod-pe", "restart"}},
	} {
		cmd := exec.CommandContext(t.Context(), c.args[0], c.args[1:]...)
		said, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(string(said), c.why) {
			t.Errorf("%q: exit status %d, %s; want %d, %q", c.args, code, said, c.code, c.why)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a file was made")
	}
}
