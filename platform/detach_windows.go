package platform

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

// Detach has cmd start in a process group of its own and without console, so
// that neither Ctrl-C nor the end of the console reaches it.
func Detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.DETACHED_PROCESS}
}
