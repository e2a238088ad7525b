package plaintext_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/ilod/ilod/agent/plaintext"
)

// utf16Text is a text as Windows PowerShell writes it.
func utf16Text(s string, order binary.ByteOrder, mark bool) []byte {
	units := utf16.Encode([]rune(s))
	if mark {
		units = append([]uint16{0xfeff}, units...)
	}
	b := make([]byte, 2*len(units))
	for i, u := range units {
		order.PutUint16(b[2*i:], u)
	}
	return b
}

func TestDecode(t *testing.T) {
	for _, text := range []string{"", "a", "{}", "{\"AssetTag\":\"Zoë 😀\"}\r\n", "# ä\nx = 1\n", "\n\n"} {
		for name, b := range map[string][]byte{
			"UTF-8":                 []byte(text),
			"UTF-8 with mark":       append([]byte("\xef\xbb\xbf"), text...),
			"UTF-16LE":              utf16Text(text, binary.LittleEndian, true),
			"UTF-16BE":              utf16Text(text, binary.BigEndian, true),
			"UTF-16LE without mark": utf16Text(text, binary.LittleEndian, false),
			"UTF-16BE without mark": utf16Text(text, binary.BigEndian, false),
		} {
			if got, err := plaintext.Decode(b); err != nil || string(got) != text {
				t.Errorf("%s: %q, want %q: %v", name, got, text, err)
			}
		}
	}
	for b, want := range map[string]string{
		"\xff\xfe\x00\x00a\x00\x00\x00": "UTF-32",
		"\x00\x00\xfe\xff\x00\x00\x00a": "UTF-32",
		"\xff\xfea":                     "within a character",
		"\xfe\xff\x00a\x00":             "within a character",
		"\xff\xfe\n\x00\x00\xd8a\x00":   "line 2 has UTF-16",
		"\xff\xfe\x00\xd8":              "line 1 has UTF-16",
		"\xff\xfe\x00\xdca\x00":         "line 1 has UTF-16",
		"a\nb\nZo\xeb":                  "line 3 has a byte",
		"a\nsecret\x00":                 "line 2 has a byte",
		"\xff\xfea\x00\x00\x00":         "line 1 has UTF-16",
	} {
		got, err := plaintext.Decode([]byte(b))
		if !errors.Is(err, plaintext.ErrEncoding) || got != nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %q, %v, want %s", b, got, err, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\xff\xfea\x00"))
	f.Add([]byte("\xef\xbb\xbf{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := plaintext.Decode(b)
		if err != nil {
			return
		}
		again, err := plaintext.Decode(append([]byte("\xef\xbb\xbf"), text...))
		if err != nil || !bytes.Equal(again, text) {
			t.Errorf("%q: %q, then %q: %v", b, text, again, err)
		}
	})
}
