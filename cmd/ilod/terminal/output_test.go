package terminal

import (
	"bytes"
	"strings"
	"testing"
)

// hostileText is what an iLO could put into a name to take over a terminal.
const hostileText = "fan\x1b[2J\u009b31m\u202egnp.exe\u2066\u200b\x7f"

// TestWhatDoesNotShowIsEscaped: on a terminal and in JSON, also when it comes in
// parts; what a file gets is what the iLO sent.
func TestWhatDoesNotShowIsEscaped(t *testing.T) {
	for _, o := range []Output{{Terminal: true}, {JSON: true}, {}} {
		var b bytes.Buffer
		o.To = &b
		for i := range len(hostileText) {
			if n, err := o.Write([]byte(hostileText[i : i+1])); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		want := "fan\x1b[2J" + `\u009b31m\u202egnp.exe\u2066\u200b\u007f`
		if !o.Terminal && !o.JSON {
			want = hostileText
		}
		if b.String() != want {
			t.Errorf("terminal %t, JSON %t: %q", o.Terminal, o.JSON, b.String())
		}
	}
}

// TestTablesHaveNoForeignControls: neither those that act nor those that break lines.
func TestTablesHaveNoForeignControls(t *testing.T) {
	var b bytes.Buffer
	if err := Table(&b, [][]string{{"ID", "USER"}, {"1", hostileText}, {"2", "a\nb\tc"}}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\u009b\u202e\u2066\u200b\x7f") || strings.Count(b.String(), "\n") != 3 || !strings.Contains(b.String(), `\u202egnp.exe`) {
		t.Errorf("%q", b.String())
	}
}
