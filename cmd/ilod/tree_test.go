package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// TestGetTrees reads every resource of the trees of real servers with ilod get,
// many to a session, and compares them byte for byte.
func TestGetTrees(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(tree.Testdata(t), "trees", "*.jsonl.gz"))
	if err != nil || len(files) != 4 {
		t.Fatalf("%d trees, want 4: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			testGetTree(t, file)
		})
	}
}

func testGetTree(t *testing.T, file string) {
	resources, err := tree.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	generation, _ := resources.Generation()
	// An iLO 7 has no CHIF; its tree is read from behind an iLO 6.
	device, service := simulator(t, redfish.Options{Tree: resources, Frozen: true, Generation: min(generation, 6)})
	env := environment(t, device)
	ilod := func(args ...string) (stdout []byte, code int, stderr string) {
		var out, errs bytes.Buffer
		cmd := exec.Command("ilod", args...)
		cmd.Env = env
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return out.Bytes(), cmd.ProcessState.ExitCode(), errs.String()
	}

	var good []tree.Resource
	for _, r := range resources.Resources() {
		if r.Status == http.StatusOK {
			good = append(good, r)
			continue
		}
		if got, code, stderr := ilod("raw", "GET", r.URI); !bytes.Equal(got, r.Body) || code != 63 {
			t.Errorf("%s: exit code %d, %d bytes, want %d: %s", r.URI, code, len(got), len(r.Body), stderr)
		}
	}
	sessions := 0
	for batch := range slices.Chunk(good, 100) {
		args, want := []string{"get"}, []byte(nil)
		for _, r := range batch {
			args = append(args, r.URI)
			want = append(append(want, r.Body...), '\n')
		}
		got, code, stderr := ilod(args...)
		if !bytes.Equal(got, want) || code != 0 {
			t.Errorf("%s to %s: exit code %d, %s: %s", args[1], args[len(args)-1], code, difference(got, want), stderr)
		}
		sessions++
	}
	// One resource alone has nothing added to it.
	root := good[0]
	if got, code, stderr := ilod("get", root.URI); !bytes.Equal(got, root.Body) || code != 0 {
		t.Errorf("%s: exit code %d, %s: %s", root.URI, code, difference(got, root.Body), stderr)
	}
	logins := sessions + resources.Len() - len(good) // the service root needs none
	if s := service.Stats(); s.Logins != logins || s.Deletes != logins {
		t.Errorf("%d logins and %d deletions, want %d", s.Logins, s.Deletes, logins)
	}
	t.Logf("%d resources, %d logins", resources.Len(), logins)
}

// simulator starts a simulated iLO and returns its device address.
func simulator(tb testing.TB, o redfish.Options) (device string, service *redfish.Service) {
	tb.Helper()
	service, err := redfish.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	socket := filepath.Join(tb.TempDir(), "ilo.sock")
	if err := chiftest.New(tb, chiftest.Options{Handler: service}).ListenUnix(socket); err != nil {
		tb.Fatal(err)
	}
	return "unix:" + socket, service
}

// environment is that of an ilod which uses a device and directories of its own.
func environment(tb testing.TB, device string) []string {
	tb.Helper()
	dir := tb.TempDir()
	return append(os.Environ(), "ILOD_DEVICE="+device,
		"ILOD_STATE_DIR="+filepath.Join(dir, "state"), "ILOD_RUNTIME_DIR="+filepath.Join(dir, "run"))
}

// difference says where two outputs part.
func difference(got, want []byte) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	return fmt.Sprintf("%d bytes, want %d, differ from byte %d: %.80q, want %.80q", len(got), len(want), i, got[i:], want[i:])
}
