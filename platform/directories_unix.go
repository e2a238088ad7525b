//go:build unix

package platform

import (
	"cmp"
	"os"
	"path/filepath"
	"strconv"
)

const configDir = "/etc/ilod"

// DefaultDirectories are /var/lib/ilod and /run/ilod for root, and those of the
// XDG Base Directory Specification for anybody else; the configuration is in
// /etc/ilod for all.
func DefaultDirectories() Directories { return directories(os.Geteuid(), os.Getenv) }

// SystemDirectories are those of the service, which root runs.
func SystemDirectories() Directories { return directories(0, os.Getenv) }

func directories(euid int, getenv func(string) string) Directories {
	if euid == 0 {
		return Directories{State: "/var/lib/ilod", Runtime: "/run/ilod", Config: configDir}
	}
	// The specification wants relative paths ignored.
	absolute := func(name string) string {
		if dir := getenv(name); filepath.IsAbs(dir) {
			return dir
		}
		return ""
	}
	home := cmp.Or(absolute("HOME"), "/")
	return Directories{
		State:   filepath.Join(cmp.Or(absolute("XDG_STATE_HOME"), filepath.Join(home, ".local/state")), "ilod"),
		Runtime: filepath.Join(cmp.Or(absolute("XDG_RUNTIME_DIR"), filepath.Join("/run/user", strconv.Itoa(euid))), "ilod"),
		Config:  configDir,
	}
}
