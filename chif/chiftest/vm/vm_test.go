//go:build linux

package vm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ilod/ilod/chif/chiftest"
)

// root is the repository.
const root = "../../.."

// TestVM boots a machine for each register layout and reports the tests of
// package guest, which run in it.
func TestVM(t *testing.T) {
	if os.Getenv("ILOD_TEST_VM") == "" {
		t.Skip("boots virtual machines: set ILOD_TEST_VM=1, or run 'make test-vm'")
	}
	if err := CheckTools(); err != nil {
		t.Fatal(err)
	}
	kernel, err := FindKernel(t.Context(), filepath.Join(root, "build/vm"))
	if err != nil {
		t.Fatal(err)
	}
	t.Log("kernel:", kernel.Package)
	files := []File{
		{"/init", 0o755, compile(t, "test", "-c", "./chif/chiftest/vm/guest")},
		{"/hpilo.ko", 0o644, readFile(t, kernel.Module)},
	}
	for _, l := range []Layout{ILO4, ILO5} {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			ilo := chiftest.New(t, chiftest.Options{MaxChannels: 24, Handler: http.NotFoundHandler()})
			var console bytes.Buffer
			m := Machine{
				Kernel:    kernel,
				Initramfs: Initramfs(files...),
				Arguments: []string{"-test.v=test2json", "-test.timeout=4m"},
				Layout:    l,
				ILO:       ilo,
				Console:   &console,
			}
			if err := m.Run(t.Context()); err != nil {
				t.Error(err)
			}
			if !report(t, &console) {
				t.Errorf("the guest did not say that it had finished:\n%s", &console)
			}
		})
	}
}

// compile builds a program for the guest.
func compile(t *testing.T, command ...string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program")
	args := append([]string{command[0], "-trimpath", "-ldflags", "-s -w", "-o", out}, command[1:]...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, said)
	}
	return readFile(t, out)
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// report makes a subtest of each test in the guest's output, and reports
// whether the guest came to its end.
func report(t *testing.T, console *bytes.Buffer) (finished bool) {
	t.Helper()
	cmd := exec.Command("go", "tool", "test2json")
	cmd.Stdin = bytes.NewReader(console.Bytes())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	events, err := cmd.Output()
	if err != nil {
		t.Fatalf("test2json: %v\n%s", err, &stderr)
	}
	output := map[string]*strings.Builder{}
	ran := 0
	for decoder := json.NewDecoder(bytes.NewReader(events)); ; {
		var e struct{ Action, Test, Output string }
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if output[e.Test] == nil {
			output[e.Test] = &strings.Builder{}
		}
		switch e.Action {
		case "output":
			output[e.Test].WriteString(strings.ReplaceAll(e.Output, "\r\n", "\n"))
			var code int
			if n, _ := fmt.Sscanf(e.Output, "exit status %d", &code); n == 1 {
				finished = true
				if code != 0 {
					t.Errorf("exit status %d of the guest:\n%s", code, output[""])
				}
			}
		case "pass", "fail", "skip":
			if e.Test == "" {
				continue
			}
			ran++
			t.Run(e.Test, func(t *testing.T) {
				t.Log(output[e.Test])
				switch e.Action {
				case "fail":
					t.Fail()
				case "skip":
					t.Error("a test was skipped in the guest")
				}
			})
		}
	}
	if ran == 0 {
		t.Error("no test ran in the guest")
	}
	return finished
}
