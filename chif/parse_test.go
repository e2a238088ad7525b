package chif

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// words are u32 values as they lie in a packet.
func words(values ...uint32) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// An answer that ends before what it promises, or promises more than was asked, is
// a violation of the protocol; one that is whole is not.
func TestAnswersAreWhole(t *testing.T) {
	text := []byte("HTTP")
	for name, c := range map[string]struct {
		read func() (any, error)
		want any // nil: ErrProtocol
	}{
		"no code":                    {func() (any, error) { code, _, err := answerCode(opRead, make([]byte, 3)); return code, err }, nil},
		"a code":                     {func() (any, error) { code, _, err := answerCode(opRead, words(12)); return code, err }, CodeNotFound},
		"no size":                    {func() (any, error) { return blobSize(make([]byte, 3)) }, nil},
		"a size":                     {func() (any, error) { return blobSize(words(7)) }, uint32(7)},
		"no count":                   {func() (any, error) { b, err := readData(make([]byte, 3), 9); return string(b), err }, nil},
		"a count of 0":               {func() (any, error) { b, err := readData(words(0), 9); return string(b), err }, ""},
		"all that was asked":         {func() (any, error) { b, err := readData(append(words(4), text...), 4); return string(b), err }, "HTTP"},
		"less than was asked":        {func() (any, error) { b, err := readData(append(words(3), text...), 4); return string(b), err }, "HTT"},
		"more than was asked":        {func() (any, error) { b, err := readData(append(words(4), text...), 3); return string(b), err }, nil},
		"more data than there are":   {func() (any, error) { b, err := readData(append(words(5), text...), 9); return string(b), err }, nil},
		"no length of a REST answer": {func() (any, error) { return parseRESTAnswer(make([]byte, 7)) }, nil},
		"another mode":               {func() (any, error) { return parseRESTAnswer(words(2, 0)) }, nil},
		"in a blob":                  {func() (any, error) { a, err := parseRESTAnswer(words(1, 99)); return a.inBlob && a.inline == nil, err }, true},
		"inline, and nothing": {func() (any, error) {
			a, err := parseRESTAnswer(words(0, 0))
			return !a.inBlob && len(a.inline) == 0, err
		}, true},
		"inline, all of it": {func() (any, error) {
			a, err := parseRESTAnswer(append(words(0, 4), text...))
			return string(a.inline), err
		}, "HTTP"},
		"inline, padding behind": {func() (any, error) {
			a, err := parseRESTAnswer(append(words(0, 3), text...))
			return string(a.inline), err
		}, "HTT"},
		"inline, more than there are": {func() (any, error) { return parseRESTAnswer(append(words(0, 5), text...)) }, nil},
	} {
		got, err := c.read()
		if c.want == nil && !errors.Is(err, ErrProtocol) || c.want != nil && (err != nil || got != c.want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// An answer that lies is told with the sizes that it claims, that were asked and that
// came.
func TestErrorsTellTheSizesThatDisagree(t *testing.T) {
	_, read := readData(append(words(9), "HTTP"...), 5)
	_, rest := parseRESTAnswer(append(words(0, 9), "HTTP"...))
	_, status := parseStatus(make([]byte, 3))
	_, _, short := ParsePacket(make([]byte, 7))
	_, _, packet := ParsePacket(Header{Size: 9}.append(nil))
	for err, want := range map[error]string{
		read:   "READ answer claims 9 bytes, asked 5, packet holds 4",
		rest:   "REST answer claims 9 inline bytes, packet holds 4",
		status: "status answer of 11 bytes ends before its code",
		short:  "packet of 7 bytes is shorter than its header",
		packet: "header says 9 bytes, packet has 8",
	} {
		if want = ErrProtocol.Error() + ": " + want; err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

// A packet has 8 to 4096 bytes, and at most those that came.
func TestPacketSizes(t *testing.T) {
	for _, c := range []struct {
		size, have int
		good       bool
	}{
		{8, 7, false}, {7, 8, false}, {8, 8, true}, {8, 16, true}, {9, 8, false}, {16, 16, true}, {17, 16, false},
		{4096, 4096, true}, {4096, 5000, true}, {4097, 5000, false}, {4097, 4097, false},
	} {
		b := append(Header{Size: uint16(c.size), Sequence: 1, Command: 2}.append(nil), make([]byte, 5000)...)[:c.have]
		h, message, err := ParsePacket(b)
		if c.good && (err != nil || len(message) != c.size-8 || int(h.Size) != c.size) || !c.good && !errors.Is(err, ErrProtocol) {
			t.Errorf("%d bytes that say %d: a message of %d, %v", c.have, c.size, len(message), err)
		}
	}
}

// Sequences count on, and skip 0 (PROTOCOL.md §1 rule 1).
func TestSequenceSkipsZero(t *testing.T) {
	c := NewConn(&script{answer: serve})
	c.sequence = 0xFFFD
	for _, want := range []uint16{0xFFFE, 0xFFFF, 1, 2} {
		if got := c.next(); got != want {
			t.Errorf("sequence %d, want %d", got, want)
		}
	}
}

// A message has 4088 bytes at the most.
func TestMessageThatFitsNoPacketIsNotSent(t *testing.T) {
	s := &script{answer: serve}
	c := NewConn(s)
	if _, err := c.Exchange(t.Context(), 0x0FFF, 0, make([]byte, 4089)); !errors.Is(err, ErrInvalidRequest) || !errors.Is(err, ErrNotSent) || len(s.sent) != 0 {
		t.Errorf("4089 bytes: %v, %d packets", err, len(s.sent))
	}
	if _, err := c.Exchange(t.Context(), 0x0FFF, 0, make([]byte, 4088)); err != nil || len(s.sent) != 1 || len(s.sent[0]) != MaxPacket {
		t.Errorf("4088 bytes: %v, %d packets", err, len(s.sent))
	}
}

// Numbers have the names that HPE's documents and clients give them.
func TestNumbersHaveTheirNames(t *testing.T) {
	for _, c := range []struct {
		number fmt.Stringer
		want   string
	}{
		{operation(0), "operation 0"}, {operation(1), "CREATE"}, {operation(2), "WRITE"}, {operation(3), "INFO"}, {operation(4), "READ"},
		{operation(5), "DELETE"}, {operation(6), "FINALIZE"}, {operation(7), "REST"}, {operation(8), "operation 8"},

		{CodeSuccess, "SUCCESS"}, {CodeError, "ERROR"}, {CodeBadParameter, "BADPARAMETER"}, {CodeBadConfig, "BADCONFIG"},
		{CodeNoMemory, "NOMEMORY"}, {CodeTimeout, "TIMEOUT"}, {CodeRetry, "RETRY"}, {CodeNotAgain, "NOT_AGAIN"},
		{CodeBadName, "BADNAME"}, {CodeTooLarge, "TOOLARGE"}, {CodeReadOnly, "READONLY"}, {CodeWriteOnly, "WRITEONLY"},
		{CodeNotFound, "NOTFOUND"}, {CodeBufferTooSmall, "BUFFERTOOSMALL"}, {CodeMoreBlobs, "MOREBLOBS"},
		{CodeUnavailable, "UNAVAILABLE"}, {CodeDisabled, "DISABLED"}, {CodeUninitialized, "UNINITIALIZED"},
		{CodeUnimplemented, "UNIMPLEMENTED"}, {CodeUnsupported, "UNSUPPORTED"}, {CodeNotModified, "NOTMODIFIED"},
		{CodePreconditionFailed, "PRECONDITIONFAILED"}, {Code(22), "CODE_0x16"}, {Code(0xFFFF0000), "UNKNOWN"}, {CodeUnknown, "UNKNOWN"},

		{SecurityUnknown, "Unknown"}, {SecurityFactory, "Factory"}, {SecurityWipe, "Wipe"}, {SecurityProduction, "Production"},
		{SecurityHigh, "HighSecurity"}, {SecurityFIPS, "FIPS"}, {SecurityCNSA, "CNSA"}, {SecurityState(7), "SecurityState(7)"},
	} {
		if got := c.number.String(); got != c.want {
			t.Errorf("%T %d is %s, want %s", c.number, c.number, got, c.want)
		}
	}
	for _, unknown := range []NoDeviceReason{0, -1, 99} {
		if got := unknown.Cause(); got != "unknown reason" {
			t.Errorf("reason %d: %s", unknown, got)
		}
	}
}

// The class tells the generation. Security states count from class 6 and application
// 5 on, and from FIPS on they need credentials (PROTOCOL.md §7).
func TestStatusTellsGenerationAndNeedOfCredentials(t *testing.T) {
	for class, generation := range map[uint8]int{0: 4, 5: 4, 6: 5, 7: 6, 8: 6} {
		if got := (Status{Class: class}).Generation(); got != generation {
			t.Errorf("class %d: generation %d, want %d", class, got, generation)
		}
		for application := range uint8(8) {
			for state := range SecurityCNSA + 1 {
				s := Status{Class: class, Application: application, SecurityState: state}
				if want := class >= 6 && application >= 5 && state >= 5; s.needsCredentials() != want {
					t.Errorf("%+v: needs credentials: %v", s, !want)
				}
			}
		}
	}
}

// Errors name the step, the channel, the request, and what became of it.
func TestErrorsNameWhatFailed(t *testing.T) {
	cause := errors.New("the cause")
	for want, err := range map[string]error{
		"READ on node: the cause": &OpError{Op: "READ", Channel: "node", Err: cause},
		"open: the cause":         &OpError{Op: "open", Err: cause},
		"GET /x: the cause":       &requestError{method: "GET", path: "/x", fate: unknown, err: cause},
		"POST /x: the cause":      &requestError{method: "POST", path: "/x", fate: unsent, err: cause},
		"POST /x: the outcome of the request is unknown: the cause":                            &requestError{method: "POST", path: "/x", fate: unknown, err: cause},
		"no iLO channel on this host (here): the hpilo kernel module is not loaded":            &NoDeviceError{Address: "here", Reason: NoModule},
		"no iLO channel on this host (here): the hpilo kernel module is not loaded: the cause": &NoDeviceError{Address: "here", Reason: NoModule, Err: cause},
		"blob store code NOTFOUND (12)":                                                        CodeNotFound,
		"lib: code 4711, which is not documented":                                              libraryError("lib", 4711),
		"no iLO channel on this host (lib): " + NoDriver.Cause() + " (code 19 of lib)":         libraryError("lib", 19),
		"protocol violation by the iLO: an answer shorter than it says (code 71 of lib)":       libraryError("lib", 71),
		"protocol violation by the iLO: an answer larger than 4096 bytes (code 34 of lib)":     libraryError("lib", 34),
		"invalid request: it was refused by the library (code 22 of lib)":                      libraryError("lib", 22),
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
		if strings.Contains(want, "the cause") && !errors.Is(err, cause) {
			t.Errorf("%q: the cause is lost", err)
		}
	}
}

// A request timed out if the iLO was silent or a deadline passed.
func TestTimeoutIsSilenceOrADeadline(t *testing.T) {
	for err, want := range map[error]bool{
		ErrTimeout:               true, // the iLO's queue stayed full
		context.DeadlineExceeded: true,
		context.Canceled:         false,
		ErrReset:                 false,
		fmt.Errorf("%w; %w", ErrBusy, context.DeadlineExceeded): true,
	} {
		e := &requestError{method: http.MethodGet, err: err}
		if e.Timeout() != want || e.Temporary() != want {
			t.Errorf("%v: %v, %v, want %v", err, e.Timeout(), e.Temporary(), want)
		}
	}
}
