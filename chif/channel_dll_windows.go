package chif

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// libraryNames are those that HPE's channel library has had, the newest first
// (PROTOCOL.md §6).
var libraryNames = []string{"ilorest_chif.dll", "hprest_chif.dll", "cpqci.dll"}

// libraryDevice opens channels by HPE's library.
type libraryDevice struct {
	path string // empty: the first that there is
}

func (d libraryDevice) String() string {
	if d.path == "" {
		return "auto"
	}
	return "dll:" + d.path
}

// Open opens a channel. The library chooses which, in several rounds over those
// that there are, and waits up to 8 s for a free one (PROTOCOL.md §6).
func (d libraryDevice) Open(ctx context.Context) (Channel, error) {
	l, err := d.library()
	if err != nil {
		return nil, err
	}
	return l.open(ctx)
}

// library finds and loads the library. Files that are not usable are passed over.
func (d libraryDevice) library() (*library, error) {
	paths := []string{d.path}
	if d.path == "" {
		paths = searchPaths()
	}
	var unusable error
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			if d.path != "" {
				unusable = err
			}
			continue
		}
		l, err := loadLibrary(path)
		if err == nil {
			return l, nil
		}
		unusable = errors.Join(unusable, err)
	}
	return nil, &NoDeviceError{Address: d.String(), Reason: NoLibrary, Err: unusable}
}

// searchPaths are where the library may be: beside this program, where HPE's
// installer puts it, in Windows' own directory. Never the current directory, nor
// any that an environment variable names: whoever may write there would get this
// process's rights.
func searchPaths() (paths []string) {
	var dirs []string
	if program, err := os.Executable(); err == nil {
		dirs = append(dirs, filepath.Dir(program))
	}
	if programs, err := windows.KnownFolderPath(windows.FOLDERID_ProgramFiles, windows.KF_FLAG_DEFAULT); err == nil {
		dirs = append(dirs, filepath.Join(programs, "Hewlett Packard Enterprise", "RESTful Interface Tool"))
	}
	if system, err := windows.GetSystemDirectory(); err == nil {
		dirs = append(dirs, system)
	}
	for _, dir := range dirs {
		for _, name := range libraryNames {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	return paths
}

// libraries are those that are loaded, by path: each stays so, and has one thread.
var libraries = struct {
	sync.Mutex
	loaded map[string]*library
}{loaded: map[string]*library{}}

func loadLibrary(path string) (*library, error) {
	libraries.Lock()
	defer libraries.Unlock()
	key := strings.ToLower(filepath.Clean(path))
	if l := libraries.loaded[key]; l != nil {
		return l, nil
	}
	// What the library itself imports comes from its directory or Windows'.
	module, err := windows.LoadLibraryEx(path, 0, windows.LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR|windows.LOAD_LIBRARY_SEARCH_SYSTEM32)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	f := &exports{}
	var missing error
	for name, address := range map[string]*uintptr{
		"ChifInitialize": &f.chifInitialize, "ChifCreate": &f.chifCreate, "ChifPing": &f.chifPing,
		"ChifSetRecvTimeout": &f.chifSetRecvTimeout, "ChifPacketExchange": &f.chifPacketExchange, "ChifClose": &f.chifClose,
	} {
		if *address, err = windows.GetProcAddress(module, name); err != nil {
			missing = errors.Join(missing, fmt.Errorf("%s has no function %s: %w", path, name, err))
		}
	}
	if missing != nil {
		return nil, errors.Join(missing, windows.FreeLibrary(module))
	}
	// Libraries of the time before iLO 5 do not have it.
	f.chifDisableSecurity, _ = windows.GetProcAddress(module, "ChifDisableSecurity")
	l := newLibrary(filepath.Base(path), f)
	libraries.loaded[key] = l
	return l, nil
}

// exports are addresses of the functions of a loaded library (signatures:
// PROTOCOL.md §6). On amd64 there is one calling convention.
type exports struct {
	chifInitialize, chifDisableSecurity, chifCreate, chifPing, chifSetRecvTimeout, chifPacketExchange, chifClose uintptr
}

// initialize also has the library send packets as they are: without it, it would
// negotiate encryption with an iLO 5 or later, whatever its state (PROTOCOL.md
// §7). The state is looked at by whoever opens channels.
func (f *exports) initialize() {
	syscall.SyscallN(f.chifInitialize, 0)
	if f.chifDisableSecurity != 0 {
		syscall.SyscallN(f.chifDisableSecurity)
	}
}

func (f *exports) create() (handle uintptr, code uint32) {
	r, _, _ := syscall.SyscallN(f.chifCreate, uintptr(unsafe.Pointer(&handle)))
	return handle, uint32(r)
}

func (f *exports) ping(handle uintptr) uint32 {
	r, _, _ := syscall.SyscallN(f.chifPing, handle)
	return uint32(r)
}

func (f *exports) exchange(handle uintptr, request, answer []byte, ms uint32) uint32 {
	syscall.SyscallN(f.chifSetRecvTimeout, handle, uintptr(ms))
	r, _, _ := syscall.SyscallN(f.chifPacketExchange, handle,
		uintptr(unsafe.Pointer(unsafe.SliceData(request))), uintptr(unsafe.Pointer(unsafe.SliceData(answer))), uintptr(len(answer)))
	runtime.KeepAlive(request)
	runtime.KeepAlive(answer)
	return uint32(r)
}

func (f *exports) close(handle uintptr) { syscall.SyscallN(f.chifClose, handle) }
