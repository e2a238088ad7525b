package platform

import (
	"cmp"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// DefaultDirectories are below ProgramData. Windows has no directory in memory.
func DefaultDirectories() Directories {
	// Asked of the system: an environment may come from anybody.
	data, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, windows.KF_FLAG_DEFAULT)
	if err != nil { // WinPE need not know it
		data = cmp.Or(os.Getenv("ProgramData"), `C:\ProgramData`)
	}
	base := filepath.Join(data, "ilod")
	return Directories{State: filepath.Join(base, "state"), Runtime: filepath.Join(base, "run"), Config: base}
}

// SystemDirectories are those of the service.
func SystemDirectories() Directories { return DefaultDirectories() }
