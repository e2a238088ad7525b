package need

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// As runs f on a thread that belongs to the user uid: the kernel judges that thread,
// and the rest of the process stays what it is. Only root can do that.
func As(tb testing.TB, uid int, f func() error) {
	tb.Helper()
	Root(tb)
	done := make(chan error)
	go as(uid, f, done)
	if err := <-done; err != nil {
		tb.Fatal(err)
	}
}

// as never unlocks the thread, so that it ends with this goroutine. The main thread
// would stay, and its user is the process's in /proc: it is not taken.
func as(uid int, f func() error, done chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		again := make(chan error)
		go as(uid, f, again)
		err := <-again
		runtime.UnlockOSThread()
		done <- err
		return
	}
	id := uintptr(uid)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, id, id, id); errno != 0 {
		done <- errno
		return
	}
	done <- f()
}
