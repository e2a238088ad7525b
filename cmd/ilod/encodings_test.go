package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// encodings are those in which Windows PowerShell and editors write a text, and
// some in which nobody should.
var encodings = map[string]func(text string) []byte{
	"UTF-8":           func(text string) []byte { return []byte(text) },
	"UTF-8 with mark": func(text string) []byte { return append([]byte("\xef\xbb\xbf"), text...) },
	"UTF-16LE":        func(text string) []byte { return inUTF16(text, binary.LittleEndian) },
	"UTF-16BE":        func(text string) []byte { return inUTF16(text, binary.BigEndian) },
	"bad UTF-16":      func(text string) []byte { return append(inUTF16(text, binary.LittleEndian), 'x') },
	"bad Latin-1":     func(text string) []byte { return []byte(strings.ReplaceAll(text, "ë", "\xeb")) },
}

func inUTF16(text string, order binary.ByteOrder) []byte {
	var b bytes.Buffer
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		_ = binary.Write(&b, order, unit) // a buffer takes everything
	}
	return b.Bytes()
}

// TestFilesInEveryEncoding gives each command that reads a file one in each
// encoding. All do the same: one reader is for all of them.
func TestFilesInEveryEncoding(t *testing.T) {
	const asset = `{"AssetTag":"Zoë"}`
	for name, c := range map[string]struct {
		text string
		args []string // FILE stands for the file; - has it as standard input
		code int      // of a text that is none
	}{
		"batch":          {"# Zoë\nget PowerState --select ComputerSystem.\n", []string{"batch", "FILE"}, 2},
		"batch of stdin": {"# Zoë\nget PowerState --select ComputerSystem.\n", []string{"batch", "-"}, 2},
		"tx run":         {`{"operations":[{"method":"PATCH","path":"/redfish/v1/Systems/1/","body":` + asset + `}]}`, []string{"tx", "run", "FILE"}, 2},
		"load":           {`[{"#ComputerSystem.v1_4_0.ComputerSystem":{"/redfish/v1/Systems/1/":` + asset + `}}]`, []string{"load", "-f", "FILE"}, 4},
		"rawpatch":       {`{"/redfish/v1/Systems/1/":` + asset + `}`, []string{"rawpatch", "FILE"}, 4},
		"raw":            {asset, []string{"raw", "PATCH", "/redfish/v1/Systems/1/", "--data", "@FILE"}, 2},
		"raw of stdin":   {asset, []string{"raw", "PATCH", "/redfish/v1/Systems/1/", "--data", "-"}, 2},
		"config":         {"# Zoë\ntimeout = \"5m\"\n", []string{"get", "/redfish/v1/", "--config", "FILE"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			for encoding, encode := range encodings {
				device, service := simulator(t, redfish.Options{})
				file := filepath.Join(t.TempDir(), "file")
				if err := os.WriteFile(file, encode(c.text), 0o600); err != nil {
					t.Fatal(err)
				}
				args := make([]string, len(c.args))
				for i, arg := range c.args {
					args[i] = strings.ReplaceAll(arg, "FILE", file)
				}
				var stderr bytes.Buffer
				cmd := exec.Command("ilod", args...)
				cmd.Env, cmd.Stdin, cmd.Stderr = environment(t, device), bytes.NewReader(encode(c.text)), &stderr
				_ = cmd.Run() // the exit code tells
				want := 0
				if strings.HasPrefix(encoding, "bad") {
					want = c.code
					if !strings.Contains(stderr.String(), "it is not text in UTF-8 or UTF-16") {
						t.Errorf("%s: %s", encoding, &stderr)
					}
				}
				if code := cmd.ProcessState.ExitCode(); code != want {
					t.Errorf("%s: exit code %d, want %d: %s", encoding, code, want, &stderr)
				}
				writes := 0
				for what, n := range service.Stats().Requests {
					if strings.HasPrefix(what, "PATCH") {
						writes += n
					}
				}
				if wanted := map[bool]int{true: 1}[strings.Contains(c.text, "AssetTag") && want == 0]; writes != wanted {
					t.Errorf("%s: %d writes, want %d", encoding, writes, wanted)
				}
			}
		})
	}
}

// TestBytesThatAreNoJSON are sent as they are.
func TestBytesThatAreNoJSON(t *testing.T) {
	device, _ := simulator(t, redfish.Options{})
	a := newApp(os.Stdin, os.Stdout, os.Stderr)
	file := filepath.Join(t.TempDir(), "file")
	content := []byte("\xff\xfea\x00")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := a.readData("@"+file, false); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := a.readData("@"+file, true); err != nil || string(got) != "a" {
		t.Errorf("%q, %v", got, err)
	}
	cmd := exec.Command("ilod", "raw", "POST", "/redfish/v1/", "--header", "Content-Type:application/octet-stream", "--data", "@"+file)
	cmd.Env = environment(t, device)
	if out, _ := cmd.CombinedOutput(); strings.Contains(string(out), "UTF-16") {
		t.Errorf("%s", out)
	}
}
