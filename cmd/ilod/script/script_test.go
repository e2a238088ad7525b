package script

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ilod/ilod/chif/chiftest/need"
)

func TestStatements(t *testing.T) {
	for text, want := range map[string][]Statement{
		"":                          nil,
		" \t\n# a 'comment\n\\\n":   nil,
		"get /x":                    {{1, []string{"get", "/x"}}},
		"\ufeffget /x\r\n\r\nget y": {{1, []string{"get", "/x"}}, {3, []string{"get", "y"}}},
		"get \\\n /x\nget y#z":      {{1, []string{"get", "/x"}}, {3, []string{"get", "y#z"}}},
		"raw 'a\nb'\nget /x":        {{1, []string{"raw", "a\nb"}}, {3, []string{"get", "/x"}}},
		`a '' "" \# "#"`:            {{1, []string{"a", "", "", "#", "#"}}},
		`a "\$ \" \\ \x" '\'`:       {{1, []string{"a", `$ " \ \x`, `\`}}},
		"a \"b\\\nc\"\nd":           {{1, []string{"a", "bc"}}, {3, []string{"d"}}},
		"get /x?$expand=.&a=<b>":    {{1, []string{"get", "/x?$expand=.&a=<b>"}}},
		"get x\\\ny":                {{1, []string{"get", "xy"}}},
	} {
		got, err := Statements(text)
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"a 'b", "a \"b\\\"", "a\\", "a | b", "a > b", "a; b\n;", "a &"} {
		if got, err := Statements(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestStatementsAsShell compares the words of quoted text with those of a shell.
func TestStatementsAsShell(t *testing.T) {
	need.Program(t, "sh", "dash")
	words := rapid.SliceOfN(rapid.StringMatching(`([a-z=/{}:,.é-]|\\[a-z'"\\ #]|'[a-z"\\# |]{0,4}'|"([a-z'# |;]|\\["\\$a]){0,4}"){1,6}`), 1, 5)
	rapid.Check(t, func(t *rapid.T) {
		text := "x " + strings.Join(words.Draw(t, "words"), " ")
		out, err := exec.Command("sh", "-c", `x() { for w; do printf '%s\0' "$w"; done; }; `+text).Output()
		if err != nil {
			t.Skip(err)
		}
		var want []string
		for w := range bytes.SplitSeq(bytes.TrimSuffix(out, []byte{0}), []byte{0}) {
			want = append(want, string(w))
		}
		got, err := Statements(text)
		if err != nil || len(got) != 1 || !slices.Equal(got[0].Words[1:], want) {
			t.Fatalf("%s: %q, %v, want %q", text, got, err, want)
		}
	})
}

func TestStatementNamesNoSecret(t *testing.T) {
	for text, want := range map[string]string{
		"raw PATCH /x --data '{}'":   "raw PATCH /x",
		"set Password=secret":        "set",
		"raw --data '{}' PATCH /x":   "raw",
		"get /x?$filter=a":           "get",
		"session set selection Bios": "session set selection Bios",
	} {
		all, err := Statements(text)
		if err != nil || len(all) != 1 || all[0].String() != want {
			t.Errorf("%q: %v, %v, want %q", text, all, err, want)
		}
	}
}

// FuzzStatements quotes the words of each command again, and reads them back.
func FuzzStatements(f *testing.F) {
	f.Add("get /x # comment\nraw 'a\nb' \"\\\"\" \\\n c")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Statements(text)
		if err != nil {
			return
		}
		for _, s := range all {
			var quoted []string
			for _, w := range s.Words {
				quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
			}
			text := strings.Join(quoted, " ")
			if strings.Contains(text, "\r\n") { // is read as a newline
				continue
			}
			again, err := Statements(text)
			if err != nil || len(again) != 1 || !slices.Equal(again[0].Words, s.Words) {
				t.Fatalf("%q: %q, %v, want %q", text, again, err, s.Words)
			}
		}
	})
}

// TestRunEndsAtTheFirstFailure, unless it is to keep going; the code is that of the
// first one either way.
func TestRunEndsAtTheFirstFailure(t *testing.T) {
	ended := errors.New("ended")
	for name, c := range map[string]struct {
		codes     []int
		keepGoing bool
		last      int // the statement after which no other may follow, or none
		cancel    int // the statement during which the context ends, or none
		ran, code int
		err       error
	}{
		"success":                   {codes: []int{0, 0, 0}, ran: 3},
		"failure":                   {codes: []int{0, 7, 8}, ran: 2, code: 7},
		"keep going":                {codes: []int{0, 7, 8}, keepGoing: true, ran: 3, code: 7},
		"no more":                   {codes: []int{0, 0, 0}, last: 2, ran: 2},
		"no more, but keep going":   {codes: []int{7, 8, 9}, keepGoing: true, last: 2, ran: 2, code: 7},
		"end in a success":          {codes: []int{0, 0, 0}, cancel: 2, ran: 2, err: ended},
		"end in the last success":   {codes: []int{0, 0}, cancel: 2, ran: 2},
		"end in a failure":          {codes: []int{0, 7, 8}, cancel: 2, ran: 2, code: 7},
		"end in a later failure":    {codes: []int{7, 8, 9}, keepGoing: true, cancel: 2, ran: 2, code: 8},
		"end in a success after it": {codes: []int{7, 0, 9}, keepGoing: true, cancel: 2, ran: 2, code: 7},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		ran := 0
		code, err := Run(ctx, make([]Statement, len(c.codes)), c.keepGoing, func(Statement) (int, bool) {
			if ran++; ran == c.cancel {
				cancel(ended)
			}
			return c.codes[ran-1], ran != c.last
		})
		if ran != c.ran || code != c.code || err != c.err {
			t.Errorf("%s: ran %d, code %d, %v; want %d, %d, %v", name, ran, code, err, c.ran, c.code, c.err)
		}
		cancel(nil)
	}
}
