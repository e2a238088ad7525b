//go:build unix

package platform

import (
	"os/exec"
	"syscall"
)

// Detach has cmd start in a session of its own, so that neither the signals of a
// terminal nor its end reach it.
func Detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
