//go:build linux

package vm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// root is the repository.
const root = "../../.."

// What hangs must end before 'go test' does, so that its output is shown.
const (
	guestTimeout   = 4 * time.Minute
	machineTimeout = 5 * time.Minute
)

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
		{"/ilod", 0o755, compile(t, "build", "./cmd/ilod")},
		{"/hpilo.ko", 0o644, readFile(t, kernel.Module)},
		{"/small.json", 0o644, resource("/redfish/v1/Small/", 1<<10)},
		{"/large.json", 0o644, resource("/redfish/v1/Large/", 100<<10)},
	}
	for _, l := range []Layout{ILO4, ILO5} {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			ilo := chiftest.New(t, chiftest.Options{
				MaxChannels: 24, Handler: service(t, l, files),
				// The driver's own tests try packets that no host should send, and
				// processes are killed.
				Allow: []chiftest.HostRule{chiftest.RuleSize, chiftest.RuleFiller, chiftest.RuleSequence, chiftest.RuleOneAtATime, chiftest.RuleBlobs},
			})
			var console bytes.Buffer
			m := Machine{
				Kernel:    kernel,
				Initramfs: Initramfs(files...),
				Arguments: []string{"-test.v=test2json", "-test.timeout=" + guestTimeout.String()},
				Layout:    l,
				ILO:       ilo,
				Console:   &console,
			}
			ctx, cancel := context.WithTimeout(t.Context(), machineTimeout)
			defer cancel()
			if err := m.Run(ctx); err != nil {
				t.Error(err)
			}
			tests, err := results(console.Bytes())
			for _, r := range tests {
				t.Run(r.test, func(t *testing.T) {
					if r.output != "" {
						t.Log(r.output)
					}
					if r.action != "pass" {
						t.Errorf("%s in the guest", r.action)
					}
				})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// service is a Redfish service of the layout's generation that has the
// resources among files as well.
func service(t *testing.T, l Layout, files []File) *redfish.Service {
	t.Helper()
	generation := map[Layout]int{ILO4: 4, ILO5: 5}[l]
	resources := slices.Clone(tree.Generate(tree.GenerateOptions{Generation: generation}).Resources())
	for _, f := range files {
		if path.Ext(f.Path) == ".json" {
			var r struct {
				URI string `json:"@odata.id"`
			}
			if err := json.Unmarshal(f.Data, &r); err != nil {
				t.Fatal(err)
			}
			resources = append(resources, tree.Resource{URI: r.URI, Body: f.Data})
		}
	}
	all, err := tree.New(resources)
	if err != nil {
		t.Fatal(err)
	}
	s, err := redfish.New(redfish.Options{Tree: all})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// resource makes a resource of size bytes in which no two parts are alike.
func resource(uri string, size int) []byte {
	body := fmt.Appendf(nil, `{"@odata.id":%q,"Text":"`, uri)
	for i := 0; len(body) < size-2; i++ {
		body = fmt.Append(body, i, " ")
	}
	return append(body[:size-2], `"}`...)
}

// compile builds a program for the guest.
func compile(t *testing.T, command ...string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program")
	args := append([]string{command[0], "-trimpath", "-ldflags", "-s -w", "-o", out}, command[1:]...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
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

// result is how a test in the guest ended.
type result struct{ test, action, output string }

// results reads the output of the guest's tests. It is an error when the guest
// did not come to its end, said that it failed or ran no test.
func results(console []byte) (ended []result, err error) {
	cmd := exec.Command("go", "tool", "test2json")
	cmd.Stdin = bytes.NewReader(bytes.ReplaceAll(console, []byte("\r\n"), []byte("\n")))
	events, err := run(cmd)
	if err != nil {
		return nil, err
	}
	output := map[string]string{} // by test; of none: the kernel log of a failure
	err = fmt.Errorf("the guest did not say that it had finished; console:\n%s", console)
	for decoder := json.NewDecoder(bytes.NewReader(events)); decoder.More(); {
		var e struct{ Action, Test, Output string }
		if err := decoder.Decode(&e); err != nil {
			return nil, err
		}
		switch e.Action {
		case "output":
			line := strings.TrimSpace(e.Output)
			if code, found := strings.CutPrefix(line, "exit status "); found && code == "0" {
				err = nil
			} else if found {
				err = fmt.Errorf("the guest ended with exit status %s\n%s", code, output[""])
			} else if !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
				output[e.Test] += e.Output
			}
		case "pass", "fail", "skip":
			if e.Test != "" {
				ended = append(ended, result{e.Test, e.Action, output[e.Test]})
			}
		}
	}
	if err == nil && ended == nil {
		err = errors.New("no test ran in the guest")
	}
	return ended, err
}

func TestResults(t *testing.T) {
	const run, pass, fail = "\x16=== RUN   TestA\r\n", "\x16--- PASS: TestA (0.00s)\r\n", "\x16--- FAIL: TestA (0.00s)\r\n"
	for name, try := range map[string]struct {
		console string
		action  string
		err     string
	}{
		"passed":        {"boot\r\n" + run + pass + "\x16PASS\r\nexit status 0\r\n", "pass", ""},
		"failed":        {run + "a_test.go:1: why\r\n" + fail + "\x16FAIL\r\nexit status 1\r\n", "fail", "exit status 1"},
		"cut off":       {run + pass + "\x16PASS\r\n", "pass", "did not say"},
		"panicked":      {run + "panic: oops\r\n", "", "did not say"},
		"never started": {"", "", "did not say"},
		"no test":       {"\x16PASS\r\nexit status 0\r\n", "", "no test ran"},
	} {
		t.Run(name, func(t *testing.T) {
			tests, err := results([]byte(try.console))
			if (err == nil) != (try.err == "") || err != nil && !strings.Contains(err.Error(), try.err) {
				t.Errorf("error %v, want %q", err, try.err)
			}
			action := ""
			for _, r := range tests {
				action += r.action
			}
			if action != try.action {
				t.Errorf("results %q, want action %q", tests, try.action)
			}
		})
	}
}
