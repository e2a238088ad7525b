package packaging

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// needWine skips a test outside of chif/chiftest/wine/with, or whose programs are not
// installed. With the others it runs side by side.
func needWine(t *testing.T, programs ...string) {
	t.Helper()
	if os.Getenv("ILOD_TEST_WINE") == "" {
		t.Skip("needs Wine: run 'make test-windows'")
	}
	installed(t, programs...)
	t.Parallel()
}

// computer is a Windows under Wine, with an iLO behind the stand-in for HPE's
// library. Its registry and its services are its own.
type computer struct {
	t       *testing.T
	drive   string // C:, as a directory of Linux
	iLO     *redfish.Service
	environ []string
}

// newComputer starts the iLO, at whose end no session of ours and no channel may be
// left. settings are of Wine's environment, such as "NAME=VALUE".
func newComputer(t *testing.T, o redfish.Options, settings ...string) *computer {
	t.Helper()
	service, err := redfish.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := chiftest.New(t, chiftest.Options{Handler: service, Allow: []chiftest.HostRule{chiftest.RuleBlobs}})
	addr, err := server.ListenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	prefix, err := os.MkdirTemp(os.Getenv("ILOD_TEST_WINE"), "computer") // the server's socket wants it long-lived
	if err != nil {
		t.Fatal(err)
	}
	c := &computer{t: t, drive: filepath.Join(prefix, "drive_c"), iLO: service}
	c.environ = append(append(os.Environ(), "WINEPREFIX="+prefix, "ILOD_TEST_CHIF="+addr.String()), settings...)
	// The files of Windows are links to those of the prefix that all share.
	run(t, "sh", "-c", `cp -as "$1/drive_c" "$2" && cp -p "$1"/*.reg "$1/.update-timestamp" "$2" &&
		mkdir "$2/dosdevices" && ln -s ../drive_c "$2/dosdevices/c:" && ln -s / "$2/dosdevices/z:"`, "sh", os.Getenv("WINEPREFIX"), prefix)
	t.Cleanup(func() {
		stop := exec.Command("/usr/lib/wine/wineserver64", "-k")
		stop.Env = c.environ
		_ = stop.Run() // nothing may run
		if err := os.RemoveAll(prefix); err != nil {
			t.Error(err)
		}
	})
	return c
}

// run is what a Windows program prints, with LF, and its exit code. It has two
// minutes.
func (c *computer) run(name string, args ...string) (string, int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	// A file, since the programs that Wine starts beside would keep a pipe open.
	out, err := os.CreateTemp(c.t.TempDir(), "out")
	if err != nil {
		c.t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, "/usr/lib/wine/wine64", append([]string{name}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.drive, c.environ, out, out
	err = cmd.Run()
	said, _ := os.ReadFile(out.Name())
	if _, is := errors.AsType[*exec.ExitError](err); err != nil && (!is || ctx.Err() != nil) {
		c.t.Fatalf("%s: %v\n%s", name, err, said)
	}
	return strings.ReplaceAll(string(said), "\r\n", "\n"), cmd.ProcessState.ExitCode()
}

// must is what a Windows program prints that must succeed.
func (c *computer) must(name string, args ...string) string {
	c.t.Helper()
	said, code := c.run(name, args...)
	if code != 0 {
		c.t.Fatalf("%s %q: exit status %d\n%s", name, args, code, said)
	}
	return said
}

// left is the number of sessions of ours on the iLO.
func (c *computer) left() (n int) {
	for _, s := range c.iLO.Sessions() {
		if !s.Foreign {
			n++
		}
	}
	return n
}
