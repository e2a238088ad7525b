package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ilod/ilod/cmd/ilod/terminal"
)

// hostileText is what an iLO could put into a name to take over a terminal.
const hostileText = "fan\x1b[2J\u009b31m\u202egnp.exe\u2066\u200b\x7f"

// TestBodiesDoNotActOnATerminal: JSON keeps its value, and what is no JSON has no
// controls.
func TestBodiesDoNotActOnATerminal(t *testing.T) {
	name, err := json.Marshal(map[string]string{"Name": hostileText})
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{string(name): hostileText, "<html>\x1b]0;owned\a\n": ""} {
		var b bytes.Buffer
		a := &app{stdout: &terminal.Output{To: &b, Terminal: true}}
		if err := a.writeBody([]byte(body)); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(b.String(), "\x1b\a\u009b\u202e\u2066\u200b\x7f") {
			t.Errorf("%q", b.String())
		}
		var back struct{ Name string }
		if err := json.Unmarshal(b.Bytes(), &back); want != "" && (err != nil || back.Name != want) {
			t.Errorf("%q, %v", back.Name, err)
		}
	}
}
