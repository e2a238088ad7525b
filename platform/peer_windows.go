package platform

import (
	"errors"
	"fmt"
	"math"
	"net"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/windows"
)

var impersonateNamedPipeClient = windows.NewLazySystemDLL("advapi32.dll").NewProc("ImpersonateNamedPipeClient")

// PeerOf asks the system who connected a pipe; it was remembered when that was
// done, so that it holds even if the process is gone. It fails for other
// connections, and for a client that hides who it is. UID and GID are 0 for an
// administrator and the largest number for others.
func PeerOf(c net.Conn) (p Peer, err error) {
	conn, ok := c.(*pipeConn)
	if !ok {
		return p, fmt.Errorf("peer of a %T: %w", c, errors.ErrUnsupported)
	}
	if err := conn.handle(func(pipe windows.Handle) error {
		p, err = peerOf(pipe)
		return err
	}); err != nil {
		return Peer{}, fmt.Errorf("peer: %w", err)
	}
	return p, nil
}

func peerOf(pipe windows.Handle) (Peer, error) {
	token, err := clientToken(pipe)
	if err != nil {
		return Peer{}, err
	}
	defer func() { _ = token.Close() }()
	user, err := token.GetTokenUser()
	if err != nil {
		return Peer{}, err
	}
	groups, err := token.GetTokenGroups()
	if err != nil {
		return Peer{}, err
	}
	admin, err := elevated(token)
	if err != nil {
		return Peer{}, err
	}
	p := Peer{UID: math.MaxUint32, GID: math.MaxUint32, SID: user.User.Sid.String(), User: accountName(user.User.Sid)}
	if admin {
		p.UID, p.GID = 0, 0
	}
	for _, g := range groups.AllGroups() {
		if g.Attributes&(windows.SE_GROUP_ENABLED|windows.SE_GROUP_USE_FOR_DENY_ONLY) == windows.SE_GROUP_ENABLED {
			p.GroupSIDs = append(p.GroupSIDs, g.Sid.String())
		}
	}
	if windows.GetNamedPipeClientProcessId(pipe, &p.PID) == nil {
		p.Process, p.Started = processName(p.PID), processStart(p.PID)
	}
	return p, nil
}

// clientToken is who has the other end of a pipe. Its process would not do: the
// number may be somebody else's by now.
func clientToken(pipe windows.Handle) (token windows.Token, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // a thread that does not become itself again ends with this goroutine
		if ok, _, e := impersonateNamedPipeClient.Call(uintptr(pipe)); ok == 0 {
			err = fmt.Errorf("ImpersonateNamedPipeClient: %w", e)
		} else {
			err = windows.OpenThreadToken(windows.CurrentThread(), windows.TOKEN_QUERY, true, &token)
			if e := windows.RevertToSelf(); e != nil {
				err = errors.Join(err, e)
				return
			}
		}
		runtime.UnlockOSThread()
	}()
	<-done
	return token, err
}

// processName is for people only: the process may be gone, and its number
// somebody else's.
func processName(pid uint32) string {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return ""
	}
	defer func() { _ = windows.CloseHandle(process) }()
	name := make([]uint16, windows.MAX_LONG_PATH)
	size := uint32(len(name))
	if windows.QueryFullProcessImageName(process, 0, &name[0], &size) != nil {
		return ""
	}
	return filepath.Base(windows.UTF16ToString(name[:size]))
}
