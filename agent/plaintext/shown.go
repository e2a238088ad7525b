package plaintext

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// hidden reports what does not show, but changes how a terminal shows what is around
// it, or does something else: DEL, the C1 controls, and characters of format, such as
// U+202E, which turns the rest of a line round, and those of width 0.
func hidden(r rune) bool {
	return r >= 0x7f && r < 0xa0 || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Escape writes as \u what does not show. In JSON that is the same value. Controls
// below U+0020 stay: JSON has none in strings, and a program's own output has them.
func Escape(text string) string {
	if !strings.ContainsFunc(text, hidden) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		escape(&b, r)
	}
	return b.String()
}

// Line is a text from elsewhere in one line: blanks instead of controls, and \u
// instead of what else does not show.
func Line(text string) string {
	return Escape(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text))
}

func escape(b *strings.Builder, r rune) {
	switch {
	case !hidden(r):
		b.WriteRune(r)
	case r > 0xffff:
		high, low := utf16.EncodeRune(r)
		fmt.Fprintf(b, `\u%04x\u%04x`, high, low)
	default:
		fmt.Fprintf(b, `\u%04x`, r)
	}
}

// Whole splits a text after the last whole character, if it ends within one.
func Whole(text []byte) (whole, rest []byte) {
	for i := len(text) - 1; i >= 0 && i > len(text)-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRune(text[i:]) {
				return text[:i], text[i:]
			}
			break
		}
	}
	return text, nil
}
