package platform

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/platform/ownedfile"
)

func openState(dir string) (*os.File, error) {
	if err := ownedfile.MakeAll(dir, 0o700); err != nil {
		return nil, err
	}
	return ownedfile.OpenDirectory(dir)
}

// tryLock takes the lock of a file unless another process has it.
func tryLock(file *os.File) (locked bool, err error) {
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return err == nil, err
}

func unlock(file *os.File) error { return unix.Flock(int(file.Fd()), unix.LOCK_UN) }

// lockHolder is the process that has the lock of a file, as the kernel knows it;
// 0 if it does not tell.
func lockHolder(file *os.File) int {
	var stat unix.Stat_t
	locks, err := os.ReadFile("/proc/locks")
	if err != nil || unix.Fstat(int(file.Fd()), &stat) != nil {
		return 0
	}
	return holderIn(locks, fmt.Sprintf("%02x:%02x:%d", unix.Major(uint64(stat.Dev)), unix.Minor(uint64(stat.Dev)), stat.Ino))
}

// holderIn finds the holder of a lock of flock(2) in /proc/locks (proc_locks(5)),
// such as "4: FLOCK  ADVISORY  WRITE 1274 fd:01:1442107 0 EOF"; lines with "->" are
// of processes that wait.
func holderIn(locks []byte, file string) int {
	lines := bufio.NewScanner(bytes.NewReader(locks))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 6 || f[1] != "FLOCK" || f[5] != file {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil && pid > 0 {
			return pid
		}
	}
	return 0
}

// commandLine is what a process was started with (proc_pid_cmdline(5)); nil if
// that cannot be known.
func commandLine(pid int) []string {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(line) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
}
