package plaintext_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/ilod/ilod/agent/plaintext"
)

// TestNothingThatIsShownActsOnATerminal: whatever character comes from elsewhere, what
// a line has of it is only what shows, and JSON keeps its value.
func TestNothingThatIsShownActsOnATerminal(t *testing.T) {
	for r := range rune(unicode.MaxRune + 1) {
		if r >= 0xd800 && r < 0xe000 {
			continue
		}
		text := "a" + string(r) + "b"
		line := plaintext.Line(text)
		if strings.ContainsFunc(line, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }) {
			t.Errorf("%U is shown as it is", r)
		}
		if unicode.IsGraphic(r) && line != text {
			t.Errorf("%U is shown as %q", r, line)
		}
		if r < 0x3000 || r >= 0xe0000 && r < 0xe0200 {
			raw, err := json.Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			var back string
			if err := json.Unmarshal([]byte(plaintext.Escape(string(raw))), &back); err != nil || back != text {
				t.Errorf("%U becomes %q in JSON: %v", r, back, err)
			}
		}
	}
	if got := plaintext.Line("a\x1b[2J\u009b1m\u202eb\u200b\U000e0041\r\nc"); got != `a [2J 1m\u202eb\u200b\udb40\udc41  c` {
		t.Errorf("%q", got)
	}
}

// TestWholeCharacters: what is cut within a character waits for the rest of it.
func TestWholeCharacters(t *testing.T) {
	for text, want := range map[string]string{"": "", "ab": "ab", "aé": "aé", "a\xc3": "a", "a\xe2\x80": "a", "a\xf0\x9f\x98": "a", "a\xff": "a\xff", "a\x80": "a\x80"} {
		if whole, rest := plaintext.Whole([]byte(text)); string(whole) != want || string(whole)+string(rest) != text {
			t.Errorf("%q: %q and %q", text, whole, rest)
		}
	}
}
