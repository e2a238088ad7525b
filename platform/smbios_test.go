package platform

import "testing"

// machineStructure is the structure of a machine.
const machineStructure = "\x01\x1b\x01\x00\x01\x02\x00\x03" + "0123456789abcdef\x06\x00\x00" + "HPE\x00ProLiant DL360 Gen10\x00 CZ1234567A \x00\x00"

func TestMachineOfUnusualTables(t *testing.T) {
	for name, c := range map[string]struct{ table, serial, product string }{
		"a structure of a header alone first": {"\x7e\x04\x00\x00\x00\x00" + machineStructure, "CZ1234567A", "ProLiant DL360 Gen10"},
		"a structure shorter than its header": {"\x7e\x03\x00\x00\x00\x00" + machineStructure, "", ""},
		"too short for a serial number":       {"\x01\x07\x01\x00\x01\x02\x00" + "HPE\x00ProLiant\x00\x00", "", "ProLiant"},
		"too short for a product":             {"\x01\x05\x01\x00\x01" + "HPE\x00ProLiant\x00\x00", "", ""},
		"a string that is not there":          {"\x01\x08\x01\x00\x01\x02\x00\x03" + "HPE\x00ProLiant\x00\x00", "", "ProLiant"},
		"strings without an end":              {"\x01\x08\x01\x00\x01\x02\x00\x02" + "HPE\x00ProLiant\x00", "", ""},
		"nothing":                             {"", "", ""},
	} {
		if serial, product := machineOf([]byte(c.table)); serial != c.serial || product != c.product {
			t.Errorf("%s: %q, %q", name, serial, product)
		}
	}
}

// table is a BIOS structure without strings, and one of a machine.
const table = "\x00\x05\x00\x00\x00\x00\x00" +
	machineStructure +
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
