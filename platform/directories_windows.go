package platform

import (
	"cmp"
	"os"
	"path/filepath"
)

// DefaultDirectories are below %ProgramData%. Windows has no directory in
// memory.
func DefaultDirectories() Directories {
	base := filepath.Join(cmp.Or(os.Getenv("ProgramData"), `C:\ProgramData`), "ilod")
	return Directories{State: filepath.Join(base, "state"), Runtime: filepath.Join(base, "run"), Config: base}
}

// SystemDirectories are those of the service.
func SystemDirectories() Directories { return DefaultDirectories() }
