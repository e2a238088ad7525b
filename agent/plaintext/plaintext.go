// Package plaintext reads files from people and their tools, whatever encoding these
// use: Windows PowerShell writes UTF-16 with a byte order mark, and some editors put a
// byte order mark before UTF-8.
package plaintext

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrEncoding: a text is in an encoding that is not known, or is damaged.
var ErrEncoding = errors.New("it is not text in UTF-8 or UTF-16")

// Decode is a text in UTF-8 without byte order mark. It takes UTF-8, and UTF-16 of
// both byte orders, with a byte order mark or without. The error wraps ErrEncoding,
// says where the first fault is, and quotes nothing of the text.
func Decode(b []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xfe\x00\x00")), bytes.HasPrefix(b, []byte("\x00\x00\xfe\xff")):
		return nil, fmt.Errorf("%w but in UTF-32: save it as UTF-8", ErrEncoding)
	case bytes.HasPrefix(b, []byte("\xff\xfe")):
		return fromUTF16(b[2:], binary.LittleEndian)
	case bytes.HasPrefix(b, []byte("\xfe\xff")):
		return fromUTF16(b[2:], binary.BigEndian)
	case len(b) > 1 && b[0] != 0 && b[1] == 0: // no text has a NUL
		return fromUTF16(b, binary.LittleEndian)
	case len(b) > 1 && b[0] == 0 && b[1] != 0:
		return fromUTF16(b, binary.BigEndian)
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 || r == 0 {
			return nil, fmt.Errorf("%w: line %d has a byte that is neither: save it as UTF-8", ErrEncoding, bytes.Count(b[:i], []byte("\n"))+1)
		}
		i += n
	}
	return b, nil
}

func fromUTF16(b []byte, order binary.ByteOrder) ([]byte, error) {
	if len(b)%2 != 0 {
		return nil, fmt.Errorf("%w: it is UTF-16 that ends within a character", ErrEncoding)
	}
	text := make([]byte, 0, len(b))
	for i := 0; i < len(b); i += 2 {
		r := rune(order.Uint16(b[i:]))
		if utf16.IsSurrogate(r) {
			var second rune
			if i += 2; i < len(b) {
				second = rune(order.Uint16(b[i:]))
			}
			r = utf16.DecodeRune(r, second)
		}
		if r == utf8.RuneError || r == 0 {
			return nil, fmt.Errorf("%w: line %d has UTF-16 that stands for no character: save it as UTF-8", ErrEncoding, bytes.Count(text, []byte("\n"))+1)
		}
		text = utf8.AppendRune(text, r)
	}
	return text, nil
}
