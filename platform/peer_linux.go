package platform

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/platform/ownedfile"
)

// maxGroups is the largest number of a process's supplementary groups
// (NGROUPS_MAX in linux/limits.h).
const maxGroups = 65536

// PeerOf asks the kernel who connected a Unix socket; it was remembered when
// that was done, so that it holds even if the process is gone. It fails for
// other connections.
func PeerOf(c net.Conn) (Peer, error) {
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return Peer{}, fmt.Errorf("peer of a %T: %w", c, errors.ErrUnsupported)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return Peer{}, fmt.Errorf("peer: %w", err)
	}
	var cred *unix.Ucred
	var groups []uint32
	var failed error
	// Inside Control the descriptor cannot be closed and be somebody else's.
	if err := raw.Control(func(fd uintptr) {
		if cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); failed == nil {
			groups, failed = peerGroups(fd)
		}
	}); err != nil || failed != nil && !errors.Is(failed, unix.ENOPROTOOPT) {
		return Peer{}, fmt.Errorf("peer: %w", errors.Join(err, failed))
	}
	p := Peer{UID: cred.Uid, GID: cred.Gid, PID: uint32(cred.Pid), Groups: groups, Process: processName(cred.Pid), Started: processStart(uint32(cred.Pid))}
	u, err := user.LookupId(strconv.FormatUint(uint64(p.UID), 10))
	if err != nil {
		return p, nil // users of a directory service have no name here
	}
	p.User = u.Username
	if failed != nil {
		p.Groups = groupsOf(u)
	}
	return p, nil
}

// trustServer asks the kernel who listens on a socket: that user could read what is
// sent, and answer as the agent. Other users cannot put a socket into the directory of
// the agent; in one like /tmp anybody can.
func trustServer(c net.Conn, path string) error {
	p, err := PeerOf(c)
	if err != nil {
		return err
	}
	if p.UID == 0 || int(p.UID) == os.Geteuid() {
		return nil
	}
	dir := filepath.Dir(path)
	owner, alone, err := ownedfile.Owner(dir)
	if err == nil && owner == p.UID && alone {
		return nil
	}
	name := cmp.Or(p.User, strconv.FormatUint(uint64(p.UID), 10))
	return errors.Join(fmt.Errorf("socket %s: it is served by user %s, who is neither root nor you, nor the only user who can write in %s: %w", path, name, dir, ErrNotOurs), err)
}

// processName is what proc_pid_comm(5) says. Since the process may be gone, and
// its number somebody else's, it is for people only.
func processName(pid int32) string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSuffix(string(name), "\n")
}

// groupsOf are the groups that the system's files give a user: what is known
// where the kernel does not tell the process's.
func groupsOf(u *user.User) (groups []uint32) {
	ids, _ := u.GroupIds()
	for _, id := range ids {
		if gid, err := strconv.ParseUint(id, 10, 32); err == nil {
			groups = append(groups, uint32(gid))
		}
	}
	return groups
}

// peerGroups reads SO_PEERGROUPS (socket(7), Linux 4.13), an array of gid_t.
func peerGroups(fd uintptr) ([]uint32, error) {
	groups := make([]uint32, 32)
	for {
		size := uint32(len(groups)) * 4
		_, _, errno := syscall.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == 0:
			return groups[:size/4], nil
		case errno != syscall.ERANGE || len(groups) >= maxGroups:
			return nil, fmt.Errorf("SO_PEERGROUPS: %w", errno)
		}
		groups = make([]uint32, min(size/4, maxGroups))
	}
}
