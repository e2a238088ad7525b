package chif

import (
	"errors"
	"testing"
)

// HPE's library takes answers of 12 and of 72 bytes, too.
func TestShortStatusHasNoSecurityState(t *testing.T) {
	whole := make([]byte, statusSize)
	whole[17], whole[68], whole[71], whole[72] = 2, 7, 5, byte(SecurityFIPS)
	for size, want := range map[int]Status{
		12:  {},
		18:  {FirmwareMajor: 2},
		72:  {FirmwareMajor: 2, Class: 7, Application: 5},
		73:  {FirmwareMajor: 2, Class: 7, Application: 5, SecurityState: SecurityFIPS},
		100: {FirmwareMajor: 2, Class: 7, Application: 5, SecurityState: SecurityFIPS},
	} {
		s, err := parseStatus(whole[headerSize:size])
		if err != nil || s != want {
			t.Errorf("%d bytes: %+v, %v", size, s, err)
		}
		if s.needsCredentials() != (size > 72) {
			t.Errorf("%d bytes: needs credentials: %v", size, s.needsCredentials())
		}
	}
	for size := range 12 - headerSize {
		if _, err := parseStatus(whole[headerSize : headerSize+size]); !errors.Is(err, ErrProtocol) {
			t.Errorf("%d bytes: %v", headerSize+size, err)
		}
	}
	whole[8] = 1
	if _, err := parseStatus(whole[headerSize:]); !errors.Is(err, ErrProtocol) {
		t.Errorf("with an error code: %v", err)
	}
}
