//go:build linux

package guest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
)

const systemPath = "/redfish/v1/Systems/1/"

// outcome is what a run of ilod left.
type outcome struct {
	stdout, stderr string
	code           int
}

// command runs ilod without cache: these tests are about the channel.
func command(args ...string) *exec.Cmd {
	cmd := exec.Command("/ilod", args...)
	cmd.Env = append(os.Environ(), "ILOD_NOCACHE=true")
	return cmd
}

// finish runs a command of ilod to its end.
func finish(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("%q: %v", cmd.Args, err)
	} else if ok && !exit.Exited() {
		t.Fatalf("%q: %v: %s", cmd.Args, err, &stderr)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// succeed runs ilod, which must succeed, and returns its standard output.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	o := finish(t, command(args...))
	if o.code != 0 || o.stderr != "" {
		t.Fatalf("ilod %q: exit status %d: %s", args, o.code, o.stderr)
	}
	return o.stdout
}

// refused checks that ilod failed with a code, printed no result and said why.
func refused(t *testing.T, o outcome, code int, why string) {
	t.Helper()
	if o.code != code || o.stdout != "" || !strings.Contains(o.stderr, why) {
		t.Errorf("exit status %d, stdout %q, stderr %q; want %d and %q", o.code, o.stdout, o.stderr, code, why)
	}
}

// expected reads a resource that the simulator has, byte for byte.
func expected(t *testing.T, file string) (path, body string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var resource struct {
		Path string `json:"@odata.id"`
	}
	if err := json.Unmarshal(data, &resource); err != nil {
		t.Fatal(err)
	}
	return resource.Path, string(data)
}

func packets(t *testing.T, op chiftest.Op) int64 { t.Helper(); return stats(t).Packets[op] }

func testGetSmall(t *testing.T, _ int) {
	path, want := expected(t, "/small.json")
	reads := packets(t, chiftest.OpRead)
	if got := succeed(t, "get", path); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := packets(t, chiftest.OpRead) - reads; n != 0 {
		t.Errorf("a small answer took %d packets READ", n)
	}
}

func testGetLarge(t *testing.T, _ int) {
	path, want := expected(t, "/large.json")
	reads := packets(t, chiftest.OpRead)
	if got := succeed(t, "get", path); got != want {
		t.Errorf("got %d bytes, want %d, or they differ", len(got), len(want))
	}
	if n := packets(t, chiftest.OpRead) - reads; n < int64(len(want)/chif.MaxPacket) {
		t.Errorf("%d bytes came in %d packets READ", len(want), n)
	}
}

func testPatchLarge(t *testing.T, _ int) {
	tag := strings.Repeat("9 KB of tag. ", 9<<10/13)
	body, err := json.Marshal(map[string]string{"AssetTag": tag})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/tmp/patch.json", body, 0o600); err != nil {
		t.Fatal(err)
	}
	writes := packets(t, chiftest.OpWrite)
	succeed(t, "raw", "PATCH", systemPath, "--data", "@/tmp/patch.json")
	if n := packets(t, chiftest.OpWrite) - writes; n != 3 {
		t.Errorf("%d bytes went in %d packets WRITE, want 3", len(body), n)
	}
	var system struct{ AssetTag string }
	if err := json.Unmarshal([]byte(succeed(t, "get", systemPath)), &system); err != nil || system.AssetTag != tag {
		t.Errorf("read back: %d bytes of tag, %v; want %d", len(system.AssetTag), err, len(tag))
	}
	succeed(t, "raw", "PATCH", systemPath, "--data", `{"AssetTag":""}`)
}

func testDoctor(t *testing.T, _ int) {
	if got := succeed(t, "doctor"); !strings.Contains(got, "/dev/hpilo") {
		t.Errorf("doctor says %q", got)
	}
}

func testAllBusy(t *testing.T, channels int) {
	var held []node
	for n := range channels {
		held = append(held, mustOpen(t, n, unix.O_EXCL))
	}
	refused(t, finish(t, command("--timeout", "10s", "get", systemPath)), 67, chif.ErrBusy.Error())
	walked := fmt.Sprintf("%d of %d are held", channels, channels)
	if o := finish(t, command("--timeout", "20s", "doctor")); o.code != 67 || !strings.Contains(o.stdout, chif.ErrBusy.Error()) ||
		!strings.Contains(o.stdout, walked) || !strings.Contains(o.stdout, fmt.Sprintf("process %d of ", os.Getpid())) {
		t.Errorf("doctor: exit status %d, %q", o.code, o.stdout)
	}
	held[channels/2].close()
	succeed(t, "get", systemPath)
}

func testUnprivileged(t *testing.T, _ int) {
	for _, verb := range []string{"get", "doctor"} {
		cmd := command(verb)
		if verb == "get" {
			cmd = command(verb, systemPath)
		}
		cmd.Env = os.Environ() // the runtime directory is root's; the state directory will do
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		o := finish(t, cmd)
		if o.code != 5 || !strings.Contains(o.stdout+o.stderr, chif.ErrPermission.Error()) {
			t.Errorf("%s as uid 65534: exit status %d, %q, %q", verb, o.code, o.stdout, o.stderr)
		}
	}
}

// testReload takes the driver away and brings it back.
func testReload(t *testing.T, channels int) {
	unload(t)
	refused(t, finish(t, command("get", systemPath)), 34, chif.NoModule.Cause())
	if o := finish(t, command("doctor")); o.code != 34 || !strings.Contains(o.stdout, chif.NoModule.Cause()) {
		t.Errorf("doctor: exit status %d, %q", o.code, o.stdout)
	}
	load(t, channels)
	succeed(t, "get", systemPath)
}

// testResetInGet resets the iLO while it has a GET that may be repeated.
func testResetInGet(t *testing.T, _ int) {
	setFaults(t, chiftest.Rule{Fault: chiftest.FaultResetBefore, Method: "GET", Times: 1, Duration: chiftest.Duration(time.Second)})
	o := finish(t, command("get", "/redfish/v1/"))
	if o.code != 0 || !json.Valid([]byte(o.stdout)) || !strings.Contains(o.stderr, chif.ErrReset.Error()) {
		t.Errorf("exit status %d, stdout %q, stderr %q", o.code, o.stdout, o.stderr)
	}
}

// testResetInPatch resets the iLO after it has carried out a PATCH, which may
// not be repeated.
func testResetInPatch(t *testing.T, _ int) {
	setFaults(t, chiftest.Rule{Fault: chiftest.FaultResetAfter, Method: "PATCH", Duration: chiftest.Duration(time.Second)})
	refused(t, finish(t, command("raw", "PATCH", systemPath, "--data", `{"AssetTag":"once"}`)), 90, chif.ErrOutcomeUnknown.Error())
	setFaults(t)
	if got := succeed(t, "get", systemPath); !strings.Contains(got, `"once"`) {
		t.Error("the PATCH was not carried out")
	}
}
