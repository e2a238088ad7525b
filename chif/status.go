package chif

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// SecurityState is the iLO's security state as SMIF status reports it
// (PROTOCOL.md §7).
type SecurityState uint8

// The security states.
const (
	SecurityUnknown    SecurityState = 0
	SecurityFactory    SecurityState = 1
	SecurityWipe       SecurityState = 2
	SecurityProduction SecurityState = 3
	SecurityHigh       SecurityState = 4
	SecurityFIPS       SecurityState = 5
	SecurityCNSA       SecurityState = 6
)

// String is the state's name as HPE's tools print it, such as "Production".
func (s SecurityState) String() string {
	names := [...]string{"Unknown", "Factory", "Wipe", "Production", "HighSecurity", "FIPS", "CNSA"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("SecurityState(%d)", uint8(s))
}

// Status is the answer to SMIF command 0x0002 (PROTOCOL.md §7, from HPE's
// openbmc-chif-svc).
type Status struct {
	FirmwareMajor    uint8  // 0 where the iLO does not say
	FirmwareMinor    uint8  // two digits: 82 in "2.82"
	HardwareRevision uint32 // 7: GSC, the chip of an iLO 6
	Serial           string // of the board
	Class            uint8
	Subclass         uint8
	Application      uint8
	SecurityState    SecurityState
}

const (
	minStatus  = 12  // the shortest answer that HPE's library accepts: header and code
	statusSize = 100 // one with all fields
)

// appendStatus adds a status request, a bare header.
func appendStatus(dst []byte, seq uint16) []byte {
	return Header{Size: headerSize, Sequence: seq, Command: commandStatus}.append(dst)
}

// parseStatus reads a status answer's message, little-endian. Offsets in the
// code count from the start of the packet, as in the documents. What a short
// answer leaves out is zero, the security state among it.
func parseStatus(msg []byte) (Status, error) {
	if len(msg) < minStatus-headerSize {
		return Status{}, fmt.Errorf("%w: status answer of %d bytes ends before its code", ErrProtocol, len(msg)+headerSize)
	}
	var whole [statusSize - headerSize]byte
	copy(whole[:], msg)
	at := func(off int) []byte { return whole[off-headerSize:] }
	if code := binary.LittleEndian.Uint32(at(8)); code != 0 {
		return Status{}, fmt.Errorf("%w: status answer carries error %#x", ErrProtocol, code)
	}
	serial, _, _ := bytes.Cut(at(34)[:20], []byte{0})
	return Status{
		FirmwareMinor:    at(16)[0],
		FirmwareMajor:    at(17)[0],
		HardwareRevision: binary.LittleEndian.Uint32(at(30)),
		Serial:           string(bytes.TrimSpace(serial)),
		Class:            at(68)[0],
		Subclass:         at(69)[0],
		Application:      at(71)[0],
		SecurityState:    SecurityState(at(72)[0]),
	}, nil
}

// Generation guesses the iLO generation, 4, 5 or 6: only the values of an iLO 6
// are published (class 7), so this is a hint for people; the service root's
// ManagerType decides.
func (s Status) Generation() int {
	switch {
	case s.Class >= 7:
		return 6
	case s.Class == 6:
		return 5
	}
	return 4
}

// securityAware reports an iLO that has security states: HPE's library looks at
// the state only if class ≥ 6 and application ≥ 5 (PROTOCOL.md §7).
func (s Status) securityAware() bool { return s.Class >= 6 && s.Application >= 5 }

// needsCredentials reports the states in which no host software gets in without
// credentials: FIPS and above, where RequireHostAuthentication is forced
// (PROTOCOL.md §7).
func (s Status) needsCredentials() bool {
	return s.securityAware() && s.SecurityState >= SecurityFIPS
}
