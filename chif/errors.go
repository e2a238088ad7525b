package chif

import (
	"errors"
	"fmt"
	"strings"
)

// What a caller may branch on. Every error of this package wraps at most one
// of the first group; ErrNotSent is an additional promise.
var (
	// ErrNoDevice: this host offers no CHIF channel. The error is a
	// *NoDeviceError that says why.
	ErrNoDevice = errors.New("no iLO channel on this host")
	// ErrUnsupportedPlatform: this build has no driver for CHIF on this
	// operating system.
	ErrUnsupportedPlatform = errors.New("iLO channels are not supported on this platform")
	// ErrPermission: the channel nodes exist and this user may not open them.
	ErrPermission = errors.New("no permission to open an iLO channel")
	// ErrBusy: every channel is taken, or the iLO is resetting and serves none
	// (hpilo.c ilo_open answers EBUSY to both).
	ErrBusy = errors.New("all iLO channels are busy")
	// ErrReset: the iLO was reset, or the channel's other end went away, while
	// a channel was open.
	ErrReset = errors.New("the iLO was reset")
	// ErrRefused: the iLO answered a command with 0xFFFF, "Bad command"
	// (chif-protocol §2.4): security state, host authentication, or a command
	// that it does not know.
	ErrRefused = errors.New("the iLO refused the command")
	// ErrCredentialsRequired: the security state or RequireHostAuthentication
	// asks host software for credentials (chif-protocol §5.3).
	ErrCredentialsRequired = errors.New("the iLO requires credentials from host software")
	// ErrProtocol: an answer broke the rules of CHIF, BlobStore2 or HTTP.
	ErrProtocol = errors.New("protocol violation by the iLO")
	// ErrTimeout: the iLO did not answer in time. It also matches
	// context.DeadlineExceeded where a context's deadline was the limit.
	ErrTimeout = errors.New("the iLO did not answer in time")
	// ErrOutcomeUnknown: a POST, PATCH, PUT or DELETE was handed to the iLO and
	// its answer was lost. It was not and must not be sent again blindly.
	ErrOutcomeUnknown = errors.New("the outcome of the request is unknown")
	// ErrTooLarge: a request or an answer exceeds a limit of this package.
	ErrTooLarge = errors.New("too large for the iLO channel")
	// ErrInvalidRequest: the request cannot be put on the channel as it is.
	ErrInvalidRequest = errors.New("invalid request")
	// ErrClosed: the channel, pool or transport was closed by its owner.
	ErrClosed = errors.New("closed")

	// ErrNotSent marks errors after which the iLO has certainly not acted on the
	// request, so that even a POST may be tried again.
	ErrNotSent = errors.New("nothing was sent")
)

// NoDeviceReason says why there is no channel.
type NoDeviceReason int

const (
	// NoModule: the hpilo kernel module is not loaded.
	NoModule NoDeviceReason = iota + 1
	// ModuleWithoutDevice: hpilo is loaded and found no iLO function: an
	// iLO 7, which has no CHIF, or a PCI function that hpilo refuses.
	ModuleWithoutDevice
	// VirtualMachine: the host is a virtual machine; the iLO belongs to the
	// hypervisor's host.
	VirtualMachine
	// NoSocket: the socket of a unix: address does not exist or nobody listens.
	NoSocket
	// NotPacketSocket: the socket of a unix: address is of another type.
	NotPacketSocket
	// NoDirectory: the directory of channel nodes named by the user does not exist.
	NoDirectory
	// NoFunction: hpilo is not loaded and the PCI bus has nothing that it drives.
	NoFunction
	// NoNodes: hpilo drives an iLO, but its nodes are not visible here.
	NoNodes
	// NoLibrary: HPE's channel library for Windows is not there, or not usable.
	NoLibrary
	// NoDriver: HPE's library says that its driver has no device.
	NoDriver
)

// NoDeviceError is the ErrNoDevice of one address, with its cause.
type NoDeviceError struct {
	Address string         // the device address that was tried
	Reason  NoDeviceReason // why it has no channel
	Err     error          // the system's error, if one was the sign
}

func (e *NoDeviceError) Error() string {
	s := fmt.Sprintf("%v (%s): %s", ErrNoDevice, e.Address, e.Reason.Cause())
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Is makes errors.Is(err, ErrNoDevice) true.
func (e *NoDeviceError) Is(target error) bool { return target == ErrNoDevice }

// Unwrap returns the system's error.
func (e *NoDeviceError) Unwrap() error { return e.Err }

// Cause is one clause that names what is missing.
func (r NoDeviceReason) Cause() string {
	switch r {
	case NoModule:
		return "the hpilo kernel module is not loaded"
	case ModuleWithoutDevice:
		return "hpilo is loaded but found no iLO: an iLO 7 (Gen12) has no CHIF channel"
	case VirtualMachine:
		return "this is a virtual machine"
	case NoSocket:
		return "no iLO listens on this socket"
	case NotPacketSocket:
		return "this is not a SOCK_SEQPACKET socket"
	case NoDirectory:
		return "there is no such directory of channel nodes"
	case NoFunction:
		return "the PCI bus shows no iLO 2 to 6: not an HPE ProLiant, or an iLO 7 (Gen12), which has no CHIF channel"
	case NoNodes:
		return "hpilo drives an iLO, but its nodes do not exist here"
	case NoLibrary:
		return "HPE's library ilorest_chif.dll is not there, or cannot be used"
	case NoDriver:
		return "HPE's channel interface driver is not installed, or this machine has no iLO 2 to 6"
	}
	return "unknown reason"
}

// Code is a BlobStore2 return code, the u32 at offset 8 of each answer. A Code
// is an error; errors.Is(err, CodeNotFound) works through any wrapping. Names
// are HPE's (chif-protocol §3.10).
type Code uint32

// The return codes that HP's clients name.
const (
	CodeSuccess            Code = 0
	CodeError              Code = 1
	CodeBadParameter       Code = 2
	CodeBadConfig          Code = 3
	CodeNoMemory           Code = 4
	CodeTimeout            Code = 5
	CodeRetry              Code = 6
	CodeNotAgain           Code = 7
	CodeBadName            Code = 8
	CodeTooLarge           Code = 9
	CodeReadOnly           Code = 10
	CodeWriteOnly          Code = 11
	CodeNotFound           Code = 12
	CodeBufferTooSmall     Code = 13
	CodeMoreBlobs          Code = 14
	CodeUnavailable        Code = 15
	CodeDisabled           Code = 16
	CodeUninitialized      Code = 17
	CodeUnimplemented      Code = 18
	CodeUnsupported        Code = 19
	CodeNotModified        Code = 20
	CodePreconditionFailed Code = 21
	// CodeUnknown is HPE's BMC code's generic answer (openbmc-chif-svc).
	CodeUnknown Code = 0xFFFF0000
)

var codeNames = [...]string{
	"SUCCESS", "ERROR", "BADPARAMETER", "BADCONFIG", "NOMEMORY", "TIMEOUT", "RETRY",
	"NOT_AGAIN", "BADNAME", "TOOLARGE", "READONLY", "WRITEONLY", "NOTFOUND",
	"BUFFERTOOSMALL", "MOREBLOBS", "UNAVAILABLE", "DISABLED", "UNINITIALIZED",
	"UNIMPLEMENTED", "UNSUPPORTED", "NOTMODIFIED", "PRECONDITIONFAILED",
}

// String is HPE's name of the code, such as "NOTFOUND".
func (c Code) String() string {
	switch {
	case int64(c) < int64(len(codeNames)):
		return codeNames[c]
	case c == CodeUnknown:
		return "UNKNOWN"
	}
	return fmt.Sprintf("CODE_%#x", uint32(c))
}

// Error names the code and its number.
func (c Code) Error() string { return fmt.Sprintf("blob store code %s (%d)", c.String(), uint32(c)) }

// transient reports codes whose names ask for a later attempt
// (chif-protocol §3.10, column "retry").
func (c Code) transient() bool {
	switch c {
	case CodeNoMemory, CodeTimeout, CodeRetry, CodeUnavailable, CodeUninitialized:
		return true
	}
	return false
}

// OpError is an error of one step on one channel.
type OpError struct {
	Op      string // the step: "open", "STATUS", "REST", "READ", …
	Channel string // the channel's name, empty before one is open
	Err     error
}

func (e *OpError) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Channel != "" {
		b.WriteString(" on " + e.Channel)
	}
	return b.String() + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }
