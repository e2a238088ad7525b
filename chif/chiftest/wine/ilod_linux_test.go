// Package wine runs ilod.exe under Wine, on a stand-in for HPE's library and a
// simulated iLO on Linux. The script with prepares Wine for these tests, and the script
// run is for the tests of other packages: 'make test-windows'.
package wine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// work is where the scripts put things; empty: not inside of them.
var work = os.Getenv("ILOD_TEST_WINE")

// program is alone in its directory: it looks there for the library.
var program = filepath.Join(work, "bin", "ilod.exe")

func TestMain(m *testing.M) {
	if work == "" {
		fmt.Println("skipped: run 'make test-windows'")
		return
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "github.com/ilod/ilod/cmd/ilod")
	build.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Printf("%v\n%s", err, out)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// host is a Windows with a simulated iLO.
type host struct {
	t    *testing.T
	ilo  *chiftest.Server
	exe  string // the program, and dir where it runs
	dir  string
	env  []string
	logs string
}

func newHost(t *testing.T, o chiftest.Options) *host {
	o.Allow = append(o.Allow, chiftest.RuleBlobs) // processes are killed
	h := &host{t: t, ilo: chiftest.New(t, o), exe: program, dir: t.TempDir(), logs: t.TempDir()}
	addr, err := h.ilo.ListenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.env = append(os.Environ(), "ILOD_TEST_CHIF="+addr.String(), "ILOD_DEVICE=dll:"+windows(filepath.Join(work, "ilorest_chif.dll")),
		"ILOD_STATE_DIR="+windows(t.TempDir()), "ILOD_RUNTIME_DIR="+windows(t.TempDir()))
	return h
}

// windows is how Wine calls a file of Linux.
func windows(path string) string { return "Z:" + strings.ReplaceAll(path, "/", `\`) }

// outcome is what a program left.
type outcome struct {
	stdout, stderr string
	code           int
}

func (o outcome) String() string {
	return fmt.Sprintf("exit status %d, stdout %.300q, stderr %q", o.code, o.stdout, o.stderr)
}

// winesOwn is what Wine 8 says now and then when a process ends.
var winesOwn = regexp.MustCompile(`(?m)^wine client error:.*\n`)

// start starts a Windows program; wait gives its outcome.
func (h *host) start(args ...string) (cmd *exec.Cmd, wait func() outcome) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 2*time.Minute)
	h.t.Cleanup(cancel)
	// Files, since a guardian would keep pipes open.
	var files [2]*os.File
	for i := range files {
		file, err := os.CreateTemp(h.logs, "")
		if err != nil {
			h.t.Fatal(err)
		}
		h.t.Cleanup(func() { file.Close() })
		files[i] = file
	}
	cmd = exec.CommandContext(ctx, "/usr/lib/wine/wine64", args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = h.dir, h.env, files[0], files[1]
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	return cmd, func() outcome {
		h.t.Helper()
		if err := cmd.Wait(); err != nil {
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || ctx.Err() != nil {
				h.t.Fatal(exit, err, ctx.Err())
			}
		}
		stdout, _ := os.ReadFile(files[0].Name())
		stderr, _ := os.ReadFile(files[1].Name())
		return outcome{string(stdout), winesOwn.ReplaceAllString(string(stderr), ""), cmd.ProcessState.ExitCode()}
	}
}

// ilod runs ilod.exe.
func (h *host) ilod(args ...string) outcome {
	h.t.Helper()
	_, wait := h.start(append([]string{h.exe}, args...)...)
	return wait()
}

// copied copies a file into a directory, under another name.
func (h *host) copied(file, dir, name string) string {
	h.t.Helper()
	content, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), content, 0o755)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// noSession checks that all sessions were deleted, and how many there were.
func (h *host) noSession(logins int) {
	h.t.Helper()
	if s := h.ilo.Stats(); s.Redfish.Sessions != 0 || s.Redfish.Logins != logins || s.ChannelsOpen != 0 {
		h.t.Errorf("%d sessions of %d logins, %d channels", s.Redfish.Sessions, s.Redfish.Logins, s.ChannelsOpen)
	}
}

func TestGet(t *testing.T) {
	h := newHost(t, chiftest.Options{})
	if o := h.ilod("get", "PowerState", "--select", "ComputerSystem."); o != (outcome{"PowerState=On\r\n", "", 0}) && o != (outcome{"PowerState=On\n", "", 0}) {
		t.Error(o)
	}
	h.noSession(1)
}

// large is an iLO with one resource that takes many packets.
type large struct{ *redfish.Service }

const largePath = "/redfish/v1/Systems/1/Large/"

var largeBody = `{"@odata.id":"` + largePath + `","Text":"` + strings.Repeat("0123456789abcdef", 100<<10/16) + `"}`

func (l large) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != largePath {
		l.Service.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, largeBody)
}

func TestLargeGet(t *testing.T) {
	service, err := redfish.New(redfish.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t, chiftest.Options{Handler: large{service}})
	for _, args := range [][]string{{"--nocache"}, {}, {"--offline"}} {
		if o := h.ilod(append([]string{"get", largePath}, args...)...); o.code != 0 || o.stdout != largeBody || o.stderr != "" {
			t.Errorf("%q: %v", args, o)
		}
	}
	// 3864 bytes each, in two of the three commands.
	if reads := h.ilo.Stats().Packets[chiftest.OpRead]; reads < 2*int64(len(largeBody)/3864) {
		t.Errorf("%d READ packets", reads)
	}
	h.noSession(2)
}

// stuck does not answer for a path until the test says so. It tells when it was
// asked for it.
type stuck struct {
	*redfish.Service
	path          string
	asked, answer chan struct{}
}

func (s stuck) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == s.path {
		close(s.asked)
		<-s.answer
	}
	s.Service.ServeHTTP(w, r)
}

// TestKill: the guardian of a killed command deletes its session.
func TestKill(t *testing.T) {
	service, err := redfish.New(redfish.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := stuck{service, "/redfish/v1/Systems/1/", make(chan struct{}), make(chan struct{})}
	h := newHost(t, chiftest.Options{Handler: s})
	cmd, wait := h.start(h.exe, "get", s.path)
	select {
	case <-s.asked:
	case <-time.After(time.Minute):
		t.Error("it asks for nothing")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	wait()
	h.until("an end of it", func() bool { return h.ilo.Stats().Redfish.Sessions == 0 })
	if n := h.ilo.Stats().Redfish.Logins; n != 1 {
		t.Errorf("%d logins", n)
	}
	close(s.answer)
	h.ilo.Reset(0) // Wine may keep the socket of a process that was killed
}

// until waits for a condition, for at most a minute.
func (h *host) until(what string, met func() bool) {
	h.t.Helper()
	for end := time.Now().Add(time.Minute); !met(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("there is not %s: %+v", what, h.ilo.Stats())
		}
	}
}

// TestBusy: who finds all channels taken waits for one.
func TestBusy(t *testing.T) {
	h := newHost(t, chiftest.Options{MaxChannels: 1})
	p, err := h.ilo.OpenPort(-1)
	if err != nil {
		t.Fatal(err)
	}
	_, wait := h.start(h.exe, "get", "/redfish/v1/")
	h.until("a channel refused", func() bool { return h.ilo.Stats().OpensRefused > 0 })
	p.Close()
	if o := wait(); o.code != 0 {
		t.Error(o)
	}
}
