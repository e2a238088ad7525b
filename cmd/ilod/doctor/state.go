package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/ilod/ilod/cache"
	"github.com/ilod/ilod/platform"
	"github.com/ilod/ilod/platform/ownedfile"
)

// directories checks where ilod keeps its files.
func (d *doctor) directories(served bool) {
	d.directory("state dir", d.Config.DiskDir(), 0o700, served, "name another one with --state-dir, or say --nocache")
	d.directory("runtime dir", d.Config.RuntimeDir, 0o755, served, "name another one with --runtime-dir")
}

func (d *doctor) directory(check, dir string, mode fs.FileMode, served bool, remedy string) {
	if dir == "" {
		d.skip(check, "--nocache needs none")
		return
	}
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		err = &fs.PathError{Op: "use", Path: dir, Err: syscall.ENOTDIR}
	case err == nil && d.shared(check, platform.SharedDirectory(dir, d.Service)):
		return
	case err == nil && !served: // else it is the agent who writes
		err = platform.Writable(dir)
	case err == nil:
	case served && errors.Is(err, fs.ErrPermission):
		d.skip(check, "this user cannot read the agent's")
		return
	case errors.Is(err, fs.ErrNotExist) && d.Fix:
		if err = ownedfile.MakeAll(dir, mode); err == nil {
			d.fixed(check, "%s, made with mode %04o", dir, mode)
			return
		}
	case errors.Is(err, fs.ErrNotExist):
		if err = platform.Writable(nearest(dir)); err == nil {
			d.ok(check, "%s, made by the first command", dir)
			return
		}
	}
	if err != nil {
		if errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
			remedy = "run as root, or " + remedy
		}
		d.trouble(check, remedy, err)
		return
	}
	d.ok(check, "%s, %s", dir, info.Mode())
}

// shared tells of what others can change, and whether there is something.
func (d *doctor) shared(check string, err error) bool {
	e, shared := errors.AsType[*platform.SharedError](err)
	if shared {
		d.trouble(check, "run '"+e.Remedy+"'", fmt.Errorf("%s %s", e.Path, e.Why))
	}
	return shared
}

// nearest is the directory itself or what exists above it.
func nearest(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// spaceForRuntime is plenty for the ledger, the lock and a certificate.
const spaceForRuntime = 1 << 20

// space checks that there is room for what is written.
func (d *doctor) space() {
	for _, s := range []struct {
		check, dir string
		needed     uint64
		remedy     string
	}{
		{"disk space", d.Config.DiskDir(), cache.SpaceToOpen, "free some space: until then the cache is in memory only"},
		{"runtime space", d.Config.RuntimeDir, spaceForRuntime, "free some space: until then a killed ilod may leave a session"},
	} {
		if s.dir == "" {
			d.skip(s.check, "--nocache needs none")
			continue
		}
		free, total, err := platform.DiskSpace(nearest(s.dir))
		switch {
		case err != nil:
			d.skip(s.check, err.Error())
		case total == 0:
			d.skip(s.check, "the file system does not report its size")
		case free < s.needed:
			d.trouble(s.check, s.remedy, fmt.Errorf("%s: %d MiB free of %d MiB, ilod wants %d MiB", s.dir, free>>20, total>>20, s.needed>>20))
		default:
			d.ok(s.check, "%d MiB free of %d MiB", free>>20, total>>20)
		}
	}
}

// closedCache looks at the cache while no agent has it.
func (d *doctor) closedCache() {
	bytes, err := cache.Inspect(d.Config.CacheDir())
	switch {
	case d.Config.Cache.Disabled:
		d.skip("cache", "in memory, as --nocache says")
	case d.barred != "":
		d.skip("cache", "another process may have it")
	case errors.Is(err, fs.ErrPermission):
		d.skip("cache", "this user cannot read it")
	case err == nil:
		d.ok("cache", "%d KiB on disk", bytes>>10)
	case errors.Is(err, cache.ErrUnclean):
		d.ok("cache", "%d KiB on disk, checked by the next command: %v", bytes>>10, err)
	case errors.Is(err, fs.ErrNotExist):
		d.ok("cache", "empty")
	default:
		d.trouble("cache", "nothing to do: the next command begins a new one. If this happens again, check the disk", fmt.Errorf("the files are damaged: %w", err))
	}
}
