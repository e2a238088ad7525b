//go:build linux

package guest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/chif/chiftest"
)

// control asks the simulator outside the machine.
var control chiftest.Client

// TestMain is the machine's init when it is process 1: it mounts the file
// systems, runs the tests, says how they ended and turns the power off.
func TestMain(m *testing.M) {
	if os.Getpid() != 1 {
		os.Exit(m.Run())
	}
	code := 1
	if err := setUp(); err != nil {
		fmt.Println("setting up the guest:", err)
	} else {
		code = m.Run()
	}
	if code != 0 {
		printKernelLog()
	}
	fmt.Printf("exit status %d\n", code)
	unix.IoctlSetInt(1, unix.TCSBRK, 1) // waits until the console has sent everything
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func setUp() error {
	for _, fs := range []struct{ kind, dir string }{
		{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/run"}, {"tmpfs", "/tmp"},
	} {
		if err := os.MkdirAll(fs.dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(fs.kind, fs.dir, fs.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", fs.dir, err)
		}
	}
	line, err := openSerial("/dev/ttyS1")
	if err != nil {
		return err
	}
	control = chiftest.Client{Transport: line}
	return errors.Join(os.Chmod("/tmp", os.ModeSticky|0o777), os.Setenv("HOME", "/tmp"))
}

// printKernelLog prints what the driver told the kernel log.
func printKernelLog() {
	b := make([]byte, 1<<20)
	n, err := unix.Klogctl(unix.SYSLOG_ACTION_READ_ALL, b)
	if err != nil {
		fmt.Println("kernel log:", err)
		return
	}
	for line := range bytes.Lines(b[:n]) {
		if bytes.Contains(line, []byte("hpilo")) {
			fmt.Printf("kernel log: %s", line)
		}
	}
}

const maxCCBParameter = "/sys/module/hpilo/parameters/max_ccb"

// load inserts the driver for that many channels and checks what it made of them.
func load(t *testing.T, channels int) {
	t.Helper()
	f, err := os.Open("/hpilo.ko")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), fmt.Sprintf("max_ccb=%d", channels), 0); err != nil {
		t.Fatalf("insert hpilo.ko: %v", err)
	}
	if nodes := nodes(t); len(nodes) != channels {
		t.Errorf("max_ccb=%d made %d nodes: %q", channels, len(nodes), nodes)
	}
	parameter, err := os.ReadFile(maxCCBParameter)
	if got := strings.TrimSpace(string(parameter)); err != nil || got != fmt.Sprint(channels) {
		t.Errorf("%s: %q, %v; want %d", maxCCBParameter, got, err, channels)
	}
}

// unload removes the driver.
func unload(t *testing.T) {
	t.Helper()
	if err := unix.DeleteModule("hpilo", unix.O_NONBLOCK); err != nil {
		t.Fatalf("remove hpilo: %v", err)
	}
	if nodes := nodes(t); len(nodes) != 0 {
		t.Errorf("the removed driver left %q", nodes)
	}
}

func nodes(t *testing.T) []string {
	t.Helper()
	nodes, err := filepath.Glob("/dev/hpilo/d0ccb*")
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}
