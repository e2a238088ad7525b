package clients

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
)

// A handle is "id.version.mac". It proves itself: a forged one is refused
// without looking for its session.
const (
	// idPrefix begins the ids of client sessions. Those of an iLO begin with the
	// user's name and end in hexadecimal digits (ILO.md §2), so that none
	// looks like this prefix and 16 digits by chance.
	idPrefix  = "ilod-"
	idSize    = len(idPrefix) + 16
	macSize   = (sha256.Size*8 + 5) / 6 // in base64
	maxHandle = idSize + len(".18446744073709551615.") + macSize
	keySize   = sha256.Size
)

// newID makes the id of a session.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return idPrefix + hex.EncodeToString(b[:])
}

// newSecret makes a key that handles are signed with.
func newSecret() []byte {
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // never fails
	return secret
}

// validID tells whether newID could have made it.
func validID(id string) bool {
	digits, ok := strings.CutPrefix(id, idPrefix)
	return ok && len(id) == idSize && strings.Trim(digits, "0123456789abcdef") == ""
}

// IsHandle tells whether a text looks like a handle, good or not.
func IsHandle(text string) bool { return len(text) > idSize && validID(text[:idSize]) }

// SessionOf is the id in a text of which IsHandle is true.
func SessionOf(handle string) string { return handle[:idSize] }

// macKey makes the MACs of handles. It is HMAC-SHA-256 (RFC 2104) on the stack:
// that of crypto/hmac allocates, and forged handles are to cost nothing.
type macKey struct{ inner, outer [sha256.BlockSize]byte }

func newMACKey(secret []byte) *macKey {
	k := new(macKey)
	copy(k.inner[:], secret)
	copy(k.outer[:], secret)
	for i := range k.inner {
		k.inner[i] ^= 0x36
		k.outer[i] ^= 0x5c
	}
	return k
}

// mac is that of a message of at most maxHandle bytes.
func (k *macKey) mac(message string) (text [macSize]byte) {
	var inner [sha256.BlockSize + maxHandle]byte
	copy(inner[:], k.inner[:])
	n := sha256.BlockSize + copy(inner[sha256.BlockSize:], message)
	sum := sha256.Sum256(inner[:n])
	var outer [sha256.BlockSize + sha256.Size]byte
	copy(outer[:], k.outer[:])
	copy(outer[sha256.BlockSize:], sum[:])
	sum = sha256.Sum256(outer[:])
	base64.RawURLEncoding.Encode(text[:], sum[:])
	return text
}

// handle makes the handle of a session.
func (k *macKey) handle(id string, version uint64) string {
	message := id + "." + strconv.FormatUint(version, 10)
	mac := k.mac(message)
	return message + "." + string(mac[:])
}

// open takes a handle apart if it is a genuine one.
func (k *macKey) open(handle string) (id string, version uint64, ok bool) {
	dot := strings.LastIndexByte(handle, '.')
	if dot < idSize+2 || len(handle) > maxHandle || len(handle)-dot-1 != macSize {
		return "", 0, false
	}
	want := k.mac(handle[:dot])
	var got [macSize]byte
	copy(got[:], handle[dot+1:])
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return "", 0, false
	}
	version, err := strconv.ParseUint(handle[idSize+1:dot], 10, 64)
	return handle[:idSize], version, err == nil
}
