package main

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// TestSaveThenLoad saves all that can be saved of servers, real and generated, and
// loads it: nothing is sent, and nothing is left out.
func TestSaveThenLoad(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(tree.Testdata(t), "trees", "*.jsonl.gz"))
	if err != nil || len(files) != 4 {
		t.Fatalf("%d trees, want 4: %v", len(files), err)
	}
	servers := map[string]redfish.Options{"iLO 4": {Generation: 4}, "iLO 5": {Generation: 5}, "iLO 6": {Generation: 6}}
	for _, file := range files {
		resources, err := tree.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		generation, _ := resources.Generation()
		servers[filepath.Base(file)] = redfish.Options{Tree: resources, Generation: min(generation, 6)}
	}
	for name, o := range servers {
		t.Run(name, func(t *testing.T) { saveThenLoad(t, o) })
	}
}

func saveThenLoad(t *testing.T, o redfish.Options) {
	device, service := simulator(t, o)
	env := environment(t, device)
	ilod := func(codes []int, args ...string) (stdout, stderr string) {
		t.Helper()
		var out, errs bytes.Buffer
		cmd := exec.Command("ilod", args...)
		cmd.Env, cmd.Stdout, cmd.Stderr = env, &out, &errs
		if err := cmd.Run(); cmd.ProcessState == nil || !slices.Contains(codes, cmd.ProcessState.ExitCode()) {
			t.Errorf("%s: %v: %s%s", args[0], err, &out, &errs)
		}
		return out.String(), errs.String()
	}
	types, _ := ilod([]int{0}, "types")
	types = strings.Replace(types, "\nSession\n", "\n", 1) // which come and go with each command
	file := filepath.Join(t.TempDir(), "all.json")
	_, stderr := ilod([]int{0, 104}, "save", "--timeout", "30m", "--multisave", strings.ReplaceAll(strings.TrimSpace(types), "\n", ".,")+".", "-f", file)
	for line := range strings.Lines(stderr) { // what was captured while it could not be read
		path, unread := strings.CutPrefix(line, "not read: ")
		path, _, _ = strings.Cut(path, ":")
		if !unread {
			continue
		}
		if o.Tree == nil {
			t.Errorf("save: %s", line)
		} else if r, there := o.Tree.Lookup(path); there && r.Status == http.StatusOK {
			t.Errorf("save: %s", line)
		}
	}
	if content, err := os.ReadFile(file); err != nil || bytes.Count(content, []byte("\"/redfish/v1/")) < 20 {
		t.Errorf("%v: %.2000s", err, content)
	}
	stdout, stderr := ilod([]int{0}, "load", "--timeout", "30m", "-f", file)
	if stdout != "" || stderr != "No differences found from current configuration.\n" {
		t.Errorf("load: %s%s", stdout, stderr)
	}
	for what, n := range service.Stats().Requests {
		if strings.HasPrefix(what, "PATCH") || strings.HasPrefix(what, "PUT") {
			t.Errorf("%d × %s", n, what)
		}
	}
}
