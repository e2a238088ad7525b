package terminal

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
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

// TestTheFirstErrorOfAnOutputStays, and nothing is written after it. That of the
// standard output says so.
func TestTheFirstErrorOfAnOutputStays(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	o := NewOutput(f)
	_, first := o.Write([]byte("a"))
	if !errors.Is(first, os.ErrClosed) || !strings.HasPrefix(first.Error(), "standard output: ") {
		t.Errorf("%v", first)
	}
	var b bytes.Buffer
	o.To = &b
	if n, err := o.Write([]byte("b")); n != 0 || err != first || o.Err != first || b.Len() > 0 {
		t.Errorf("%d, %v, %v, %q", n, err, o.Err, &b)
	}
	r, w := io.Pipe()
	r.CloseWithError(os.ErrDeadlineExceeded)
	if _, err := (&Output{To: w}).Write([]byte("a")); err != os.ErrDeadlineExceeded {
		t.Errorf("on the way there: %v", err)
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
