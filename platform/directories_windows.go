package platform

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// DefaultDirectories are below ProgramData, and in WinPE below its drive, which is
// in memory. Otherwise Windows has no directory in memory.
func DefaultDirectories() Directories {
	if WinPE() {
		base := cmp.Or(os.Getenv("SystemDrive"), "X:") + `\ilod`
		return Directories{State: base + `\state`, Runtime: base + `\run`, Config: base}
	}
	// Asked of the system: an environment may come from anybody.
	data, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, windows.KF_FLAG_DEFAULT)
	if err != nil {
		data = cmp.Or(os.Getenv("ProgramData"), `C:\ProgramData`)
	}
	base := filepath.Join(data, "ilod")
	return Directories{State: filepath.Join(base, "state"), Runtime: filepath.Join(base, "run"), Config: base}
}

// SystemDirectories are those of the service.
func SystemDirectories() Directories { return DefaultDirectories() }

// makeDirectory makes a directory, and those above it that are missing, for
// SYSTEM, Administrators and this user alone. One of ilod's own that exists gets
// this access, too, if it has that of the directory above: there anybody may make
// files. It fails with ErrNotOurs for a directory of somebody else.
func makeDirectory(dir string) error {
	if WinPE() { // it has no users, and a file of its image need not have an owner
		return os.MkdirAll(dir, 0o755)
	}
	base := DefaultDirectories().Config
	own := func(path string) bool {
		return strings.EqualFold(path, base) || len(path) > len(base) && strings.EqualFold(path[:len(base)+1], base+`\`)
	}
	parent := filepath.Dir(dir)
	if _, err := os.Lstat(parent); errors.Is(err, fs.ErrNotExist) || own(parent) {
		if err := makeDirectory(parent); err != nil {
			return err
		}
	}
	sd, err := privateSD("OICI", "")
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return err
	}
	sa := windows.SecurityAttributes{SecurityDescriptor: sd}
	sa.Length = uint32(unsafe.Sizeof(sa))
	if err = windows.CreateDirectory(name, &sa); errors.Is(err, windows.ERROR_ALREADY_EXISTS) {
		err = protect(name, sd, own(dir))
	}
	if err != nil {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: err}
	}
	return nil
}

// protect looks whose a directory is, and may give it the access of sd.
func protect(dir *uint16, sd *windows.SECURITY_DESCRIPTOR, repair bool) error {
	access := uint32(windows.READ_CONTROL | windows.FILE_READ_ATTRIBUTES)
	if repair {
		access |= windows.WRITE_DAC
	}
	// A link is not followed: it is the one that must not be somebody else's.
	handle, err := windows.CreateFile(dir, access, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE, nil,
		windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		return err
	}
	defer func() { _ = windows.CloseHandle(handle) }()
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(handle, &info); err != nil {
		return err
	}
	if info.FileAttributes&windows.FILE_ATTRIBUTE_DIRECTORY == 0 {
		return windows.ERROR_DIRECTORY
	}
	present, err := windows.GetSecurityInfo(handle, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return err
	}
	if err := ours(present); err != nil {
		return err
	}
	control, _, err := present.Control()
	if err != nil || !repair || control&windows.SE_DACL_PROTECTED != 0 {
		return err
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		return err
	}
	return windows.SetSecurityInfo(handle, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
}

// Trust fails with ErrNotOurs for a file of somebody else, or one in a directory
// of somebody else. One that does not exist is no error.
func Trust(file string) error {
	if WinPE() {
		return nil
	}
	for _, path := range []string{filepath.Dir(file), file} {
		sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = ours(sd)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}
