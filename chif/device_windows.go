package chif

import (
	"fmt"
	"path/filepath"
)

// maxRead is what HPE's client for Windows asks for in one READ: a packet of 3996
// bytes (PROTOCOL.md §6).
const maxRead = 3996 - readSize

func platformDevice() (Device, error) { return libraryDevice{}, nil }

func platformLibrary(path string) (Device, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("%w: device address %q: the path is not absolute, such as dll:C:\\DIRECTORY\\ilorest_chif.dll", ErrInvalidRequest, "dll:"+path)
	}
	return libraryDevice{path}, nil
}

func platformNodes(dir string) (Device, error) { return unsupported(dir) }

func platformSocket(path string) (Device, error) { return unsupported("unix:" + path) }
