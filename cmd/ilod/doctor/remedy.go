package doctor

import "github.com/ilod/ilod/chif"

// Remedy is one sentence that says what to do about a missing channel.
func Remedy(r chif.NoDeviceReason) string {
	switch r {
	case chif.NoModule:
		return "run 'modprobe hpilo'; some distributions ship hpilo in an extra-modules package"
	case chif.ModuleWithoutDevice:
		return "on an iLO 7 use Redfish over the virtual NIC (https://16.1.15.1) with credentials; else see 'lspci -nn -d 103c:3307' and the kernel log"
	case chif.VirtualMachine:
		return "run on the hypervisor's host, or hand a channel in with --device unix:PATH"
	case chif.NoSocket:
		return "start the program that serves the socket, or correct the path after unix:"
	case chif.NotPacketSocket:
		return "name the socket that carries CHIF packets; an HTTP socket is not one"
	case chif.NoDirectory:
		return "correct the device path; the kernel's own directory is /dev/hpilo"
	case chif.NoFunction:
		return "on an iLO 7 use Redfish over the virtual NIC (https://16.1.15.1) with credentials"
	case chif.NoNodes:
		return "in a container, hand in /dev/hpilo; else see that devtmpfs is mounted on /dev"
	case chif.NotNodes:
		return "correct the device path; the kernel's own directory is /dev/hpilo"
	case chif.NoLibrary:
		return "install HPE's RESTful Interface Tool, or copy its ilorest_chif.dll to the directory of ilod.exe"
	case chif.NoDriver:
		return "install HPE's 'iLO Channel Interface Driver for Windows'; on an iLO 7 use Redfish over the virtual NIC (https://16.1.15.1) with credentials"
	}
	return ""
}
