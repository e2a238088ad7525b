package platform

import "testing"

// table is a BIOS structure without strings, and one of a machine.
const table = "\x00\x05\x00\x00\x00\x00\x00" +
	"\x01\x1b\x01\x00\x01\x02\x00\x03" + "0123456789abcdef\x06\x00\x00" + "HPE\x00ProLiant DL360 Gen10\x00 CZ1234567A \x00\x00" +
	"\x7f\x04\xff\xff\x00\x00"

func TestMachineOf(t *testing.T) {
	if serial, product := machineOf([]byte(table)); serial != "CZ1234567A" || product != "ProLiant DL360 Gen10" {
		t.Errorf("%q, %q", serial, product)
	}
	for n := range len(table) {
		machineOf([]byte(table[:n])) // does not panic
	}
	for i := range len(table) {
		for _, b := range []byte{0, 1, 4, 0x7f, 0xff} {
			damaged := []byte(table)
			damaged[i] = b
			machineOf(damaged)
		}
	}
}
