package chiftest

import (
	"github.com/ilod/ilod/chif"
)

// statusLen is the size in bytes of a whole status answer.
const statusLen = 100

// DefaultStatus is what a Server reports unless told otherwise: an iLO 5 in
// Production.
func DefaultStatus() chif.Status { return StatusOf(5) }

// StatusOf is a plausible status of an iLO 4, 5 or 6 in Production. The class
// and application of an iLO 5 and 6 make HPE's own library negotiate an
// encrypted channel, which a Server refuses; to serve HPE's tools report a class
// below 6 (PROTOCOL.md §9).
func StatusOf(generation int) chif.Status {
	s := chif.Status{
		FirmwareMajor:    2,
		FirmwareMinor:    72,
		HardwareRevision: 6,
		Serial:           "CZ1234567A",
		Class:            6,
		Application:      5,
		SecurityState:    chif.SecurityProduction,
	}
	switch generation {
	case 4: // no security states
		s.FirmwareMinor, s.HardwareRevision, s.Class, s.Application, s.SecurityState = 82, 5, 5, 4, chif.SecurityUnknown
	case 6:
		s.FirmwareMajor, s.FirmwareMinor, s.HardwareRevision, s.Class = 1, 66, 7, 7
	}
	return s
}

// status answers SMIF 0x0002 (PROTOCOL.md §7) in so many bytes.
func (r *request) status(s chif.Status, size int) []byte {
	p := r.code(chif.CodeSuccess)
	p[16], p[17] = s.FirmwareMinor, s.FirmwareMajor
	le.PutUint32(p[30:], s.HardwareRevision)
	copy(p[34:54], s.Serial)
	p[68], p[69], p[71], p[72] = s.Class, s.Subclass, s.Application, byte(s.SecurityState)
	le.PutUint16(p, uint16(size))
	return p[:size]
}

// security answers SMIF 0x0139: u32 code, u8 state, 3 reserved (PROTOCOL.md §7).
func (r *request) security(s chif.SecurityState) []byte {
	p := r.code(chif.CodeSuccess)
	p[12] = byte(s)
	return p
}

// ping echoes command 0x0FFF (PROTOCOL.md §1, §9).
func (r *request) ping() []byte {
	p := r.answer(r.command|responseBit, headerLen+len(r.message))
	copy(p[headerLen:], r.message)
	return p
}
