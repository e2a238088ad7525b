package chif

import "fmt"

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
	// NotNodes: what has the name of a channel node is not a device.
	NotNodes
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
		return "HPE's library ilorest_chif.dll is missing or cannot be used"
	case NoDriver:
		return "HPE's channel interface driver is not installed, or this machine has no iLO 2 to 6"
	case NotNodes:
		return "the file with the name of a channel node is not a character device"
	}
	return "unknown reason"
}
