package chif

import "fmt"

// Code is a BlobStore2 return code, the u32 at offset 8 of each answer. A Code
// is an error; errors.Is(err, CodeNotFound) works through any wrapping. Names
// are HPE's (PROTOCOL.md §2).
type Code uint32

// The return codes that HP's clients name.
const (
	CodeSuccess            Code = 0
	CodeError              Code = 1
	CodeBadParameter       Code = 2
	CodeBadConfig          Code = 3
	CodeNoMemory           Code = 4
	CodeTimeout            Code = 5
	CodeRetry              Code = 6
	CodeNotAgain           Code = 7
	CodeBadName            Code = 8
	CodeTooLarge           Code = 9
	CodeReadOnly           Code = 10
	CodeWriteOnly          Code = 11
	CodeNotFound           Code = 12
	CodeBufferTooSmall     Code = 13
	CodeMoreBlobs          Code = 14
	CodeUnavailable        Code = 15
	CodeDisabled           Code = 16
	CodeUninitialized      Code = 17
	CodeUnimplemented      Code = 18
	CodeUnsupported        Code = 19
	CodeNotModified        Code = 20
	CodePreconditionFailed Code = 21
	// CodeUnknown is HPE's BMC code's generic answer (openbmc-chif-svc).
	CodeUnknown Code = 0xFFFF0000
)

var codeNames = [...]string{
	"SUCCESS", "ERROR", "BADPARAMETER", "BADCONFIG", "NOMEMORY", "TIMEOUT", "RETRY",
	"NOT_AGAIN", "BADNAME", "TOOLARGE", "READONLY", "WRITEONLY", "NOTFOUND",
	"BUFFERTOOSMALL", "MOREBLOBS", "UNAVAILABLE", "DISABLED", "UNINITIALIZED",
	"UNIMPLEMENTED", "UNSUPPORTED", "NOTMODIFIED", "PRECONDITIONFAILED",
}

// String is HPE's name of the code, such as "NOTFOUND".
func (c Code) String() string {
	switch {
	case int64(c) < int64(len(codeNames)):
		return codeNames[c]
	case c == CodeUnknown:
		return "UNKNOWN"
	}
	return fmt.Sprintf("CODE_%#x", uint32(c))
}

// Error names the code and its number.
func (c Code) Error() string { return fmt.Sprintf("blob store code %s (%d)", c.String(), uint32(c)) }

// transient reports codes whose names ask for a later attempt
// (PROTOCOL.md §2).
func (c Code) transient() bool {
	switch c {
	case CodeNoMemory, CodeTimeout, CodeRetry, CodeUnavailable, CodeUninitialized:
		return true
	}
	return false
}
