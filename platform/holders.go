package platform

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Holder is a process that has files open.
type Holder struct {
	PID     int
	Command string   // as Name in /proc/PID/status
	User    string   // its name, or else its number
	Files   []string // names below the directory, sorted
}

// Holders finds who has files below dir open, in order of process ids, by the
// open descriptors of all processes (proc(5)). unseen counts the processes that
// this user may not look at. proc is where procfs is mounted.
func Holders(proc, dir string) (holders []Holder, unseen int, err error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, 0, err
	}
	prefix := filepath.Clean(dir) + "/"
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		process := filepath.Join(proc, e.Name())
		descriptors, err := os.ReadDir(filepath.Join(process, "fd"))
		h := Holder{PID: pid}
		for _, fd := range descriptors {
			target, failed := os.Readlink(filepath.Join(process, "fd", fd.Name()))
			if errors.Is(failed, fs.ErrPermission) {
				err = failed
			}
			if name, below := strings.CutPrefix(target, prefix); below && !slices.Contains(h.Files, name) {
				h.Files = append(h.Files, name)
			}
		}
		switch { // other errors mean that the process has ended meanwhile
		case errors.Is(err, fs.ErrPermission):
			unseen++
		case len(h.Files) > 0:
			h.identify(filepath.Join(process, "status"))
			slices.Sort(h.Files)
			holders = append(holders, h)
		}
	}
	slices.SortFunc(holders, func(a, b Holder) int { return cmp.Compare(a.PID, b.PID) })
	return holders, unseen, nil
}

// identify reads who a process is: Name and the real user of Uid in its status.
func (h *Holder) identify(status string) {
	text, _ := os.ReadFile(status)
	for line := range strings.Lines(string(text)) {
		switch key, value, _ := strings.Cut(strings.TrimSpace(line), ":\t"); key {
		case "Name":
			h.Command = value
		case "Uid":
			h.User, _, _ = strings.Cut(value, "\t")
		}
	}
	if u, err := user.LookupId(h.User); err == nil {
		h.User = u.Username
	}
}
