package platform

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// Sealing protects what is kept in the runtime directory, so that it cannot be
// read elsewhere, as from a copy of the disk. It is nil where that directory is
// in memory. On this computer DPAPI unseals it for everybody who may read the
// file, SYSTEM and Administrators, since whoever comes next may have to delete
// the session.
func Sealing() (seal, unseal func([]byte) ([]byte, error)) {
	if WinPE() {
		return nil, nil
	}
	return sealed, unsealed
}

func sealed(plain []byte) ([]byte, error) {
	var out windows.DataBlob
	err := windows.CryptProtectData(blob(plain), nil, nil, 0, nil, windows.CRYPTPROTECT_LOCAL_MACHINE|windows.CRYPTPROTECT_UI_FORBIDDEN, &out)
	return taken(out, err)
}

func unsealed(sealed []byte) ([]byte, error) {
	var out windows.DataBlob
	err := windows.CryptUnprotectData(blob(sealed), nil, nil, 0, nil, windows.CRYPTPROTECT_UI_FORBIDDEN, &out)
	return taken(out, err)
}

func blob(data []byte) *windows.DataBlob {
	return &windows.DataBlob{Size: uint32(len(data)), Data: unsafe.SliceData(data)}
}

// taken copies what the system has allocated, and frees that.
func taken(out windows.DataBlob, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	data := append([]byte{}, unsafe.Slice(out.Data, out.Size)...)
	clear(unsafe.Slice(out.Data, out.Size))
	_, err = windows.LocalFree(windows.Handle(unsafe.Pointer(out.Data)))
	return data, err
}
