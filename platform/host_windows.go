package platform

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

// BootID names the time since the host's last boot: when that was, as the clock
// stood then. Settings of the clock since are in the bias
// (SYSTEM_TIMEOFDAY_INFORMATION of winternl).
func BootID() (string, error) {
	var t struct {
		BootTime, CurrentTime, TimeZoneBias int64
		TimeZoneID, _                       uint32
		BootTimeBias, SleepTimeBias         uint64
	}
	err := windows.NtQuerySystemInformation(windows.SystemTimeOfDayInformation, unsafe.Pointer(&t), uint32(unsafe.Sizeof(t)), nil)
	if err != nil {
		return "", fmt.Errorf("boot id: %w", err)
	}
	return fmt.Sprintf("%016x", uint64(t.BootTime)-t.BootTimeBias), nil
}

// getSystemFirmwareTable is that of sysinfoapi.h.
var getSystemFirmwareTable = windows.NewLazySystemDLL("kernel32.dll").NewProc("GetSystemFirmwareTable")

// Machine is what the firmware's tables (SMBIOS) call this machine; what they do
// not tell is empty.
func Machine() (serial, product string) {
	const provider = 'R'<<24 | 'S'<<16 | 'M'<<8 | 'B'
	size, _, _ := getSystemFirmwareTable.Call(provider, 0, 0, 0)
	if size == 0 {
		return "", ""
	}
	buf := make([]byte, size)
	n, _, _ := getSystemFirmwareTable.Call(provider, 0, uintptr(unsafe.Pointer(&buf[0])), size)
	const header = 8 // RawSMBIOSData: four bytes of versions, the length of what follows
	if n < header || n > size {
		return "", ""
	}
	table := buf[header:n]
	return machineOf(table[:min(uint64(binary.LittleEndian.Uint32(buf[4:])), uint64(len(table)))])
}
