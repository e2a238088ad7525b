package chif

import (
	"fmt"
)

// codeBadCommand: the answer was command 0xFFFF (PROTOCOL.md §1).
const codeBadCommand = 8

// libraryCodes are the codes of HPE's library (0 is success, 8 codeBadCommand).
// Those of opening a channel on Windows are what HPE's Python gives names to
// (python-ilorest-library, rishpilo.py, BlobReturnCodes); the others were seen on
// Linux (PROTOCOL.md §1, §6), where the same sources made the
// library. What it returns on Windows while all channels are taken is not known.
var libraryCodes = map[uint32]error{
	5:  fmt.Errorf("%w: run as Administrator", ErrPermission),
	11: ErrTimeout,
	13: fmt.Errorf("%w (the library may also mean: no permission)", ErrCredentialsRequired),
	22: notSent(fmt.Errorf("%w: it was refused by the library", ErrInvalidRequest)),
	32: ErrReset, // reading or writing failed; the channel is of no more use
	34: fmt.Errorf("%w: an answer larger than %d bytes", ErrProtocol, MaxPacket),
	71: fmt.Errorf("%w: an answer shorter than it says", ErrProtocol),
}

// libraryError is the error of a code other than 0.
func libraryError(name string, code uint32) error {
	err := libraryCodes[code]
	switch {
	case code == 2 || code == 19:
		err = &NoDeviceError{Address: name, Reason: NoDriver}
	case err == nil:
		return fmt.Errorf("%s: code %d, which is not documented", name, code)
	}
	return fmt.Errorf("%w (code %d of %s)", err, code, name)
}
