package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// hostileText is what an iLO could put into a name to take over a terminal.
const hostileText = "fan\x1b[2J\u009b31m\u202egnp.exe\u2066\u200b\x7f"

// TestWhatDoesNotShowIsEscaped: on a terminal and in JSON, also when it comes in
// parts; what a file gets is what the iLO sent.
func TestWhatDoesNotShowIsEscaped(t *testing.T) {
	for _, o := range []output{{terminal: true}, {json: true}, {}} {
		var b bytes.Buffer
		o.w = &b
		for i := range len(hostileText) {
			if n, err := o.Write([]byte(hostileText[i : i+1])); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		want := "fan\x1b[2J" + `\u009b31m\u202egnp.exe\u2066\u200b\u007f`
		if !o.terminal && !o.json {
			want = hostileText
		}
		if b.String() != want {
			t.Errorf("terminal %t, JSON %t: %q", o.terminal, o.json, b.String())
		}
	}
}

// TestBodiesDoNotActOnATerminal: JSON keeps its value, and what is no JSON has no
// controls.
func TestBodiesDoNotActOnATerminal(t *testing.T) {
	name, err := json.Marshal(map[string]string{"Name": hostileText})
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{string(name): hostileText, "<html>\x1b]0;owned\a\n": ""} {
		var b bytes.Buffer
		a := &app{stdout: &output{w: &b, terminal: true}}
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

// TestTablesHaveNoForeignControls: neither those that act nor those that break lines.
func TestTablesHaveNoForeignControls(t *testing.T) {
	var b bytes.Buffer
	if err := writeTable(&b, "ID\tUSER", []string{"1\t" + hostileText, "2\ta\nb"}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\u009b\u202e\u2066\u200b\x7f") || strings.Count(b.String(), "\n") != 3 || !strings.Contains(b.String(), `\u202egnp.exe`) {
		t.Errorf("%q", b.String())
	}
}
