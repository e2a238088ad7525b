package platform

import (
	"bytes"
	"strings"
)

// systemInformation is the type of the structure that describes the machine
// (SMBIOS, DMTF DSP0134, 7.2).
const systemInformation = 1

// machineOf finds what SMBIOS structures, one after the other, call the machine.
// What they do not tell is empty. Each has a header (type, length, handle), the
// rest of its length, and strings that end with zeros, to which bytes inside refer
// by number; an empty string ends them (DSP0134, 6.1).
func machineOf(table []byte) (serial, product string) {
	for len(table) >= 4 {
		length := int(table[1])
		if length < 4 || length > len(table) {
			break
		}
		structure := table[:length]
		end := bytes.Index(table[length:], []byte{0, 0})
		if end < 0 {
			break
		}
		texts := bytes.Split(table[length:length+end], []byte{0})
		text := func(offset int) string {
			if offset >= length || structure[offset] == 0 || int(structure[offset]) > len(texts) {
				return ""
			}
			return strings.TrimSpace(string(texts[structure[offset]-1]))
		}
		if structure[0] == systemInformation {
			return text(7), text(5)
		}
		table = table[length+end+2:]
	}
	return "", ""
}
