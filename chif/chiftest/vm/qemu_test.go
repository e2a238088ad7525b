//go:build linux

package vm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/ilod/ilod/chif/chiftest"
)

// fakeQEMU puts a shell script in QEMU's place. Its descriptors are 3: initial
// RAM file system, 4: proxy device, 5: qtest, 6: console, 7: control line.
func fakeQEMU(t *testing.T, text string) {
	t.Helper()
	dir := t.TempDir()
	script(t, dir, "qemu-system-x86_64", text)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestRunJudgesQEMU(t *testing.T) {
	for name, try := range map[string]struct{ script, want string }{
		"dropped doorbell": {"echo 'warning: Blocked re-entrant IO on MemoryRegion: bar-region-3' >&2", "Blocked re-entrant IO"},
		"failure":          {"echo 'no such device' >&2; exit 1", "no such device"},
		"bad message":      {"printf '%0100d' 0 >&4; exec sleep 1000", "proxy connection"},
		"bad control":      {"printf 'no HTTP\\r\\n\\r\\n' >&7; exec sleep 1000", "control line"},
	} {
		t.Run(name, func(t *testing.T) {
			fakeQEMU(t, try.script)
			m := Machine{ILO: chiftest.New(t, chiftest.Options{Handler: http.NotFoundHandler()}), Console: io.Discard}
			if err := m.Run(t.Context()); err == nil || !strings.Contains(err.Error(), try.want) {
				t.Errorf("Run: %v, want %q", err, try.want)
			}
		})
	}
}

func TestRunConnectsConsoleAndControl(t *testing.T) {
	fakeQEMU(t, `
printf 'GET /check HTTP/1.1\r\nHost: ilosim\r\n\r\n' >&7
head -n 1 <&7 >&6
`)
	var console bytes.Buffer
	m := Machine{ILO: chiftest.New(t, chiftest.Options{Handler: http.NotFoundHandler()}), Console: &console}
	if err := m.Run(t.Context()); err != nil || !strings.HasPrefix(console.String(), "HTTP/1.1 200 OK") {
		t.Errorf("Run: %v, console: %q", err, &console)
	}
}

// cancelWriter ends a context with the first byte.
type cancelWriter struct{ cancel func() }

func (w cancelWriter) Write(b []byte) (int, error) { w.cancel(); return len(b), nil }

func TestRunEndsWithContext(t *testing.T) {
	fakeQEMU(t, "echo started >&6; exec sleep 1000")
	ctx, cancel := context.WithCancel(t.Context())
	m := Machine{ILO: chiftest.New(t, chiftest.Options{Handler: http.NotFoundHandler()}), Console: cancelWriter{cancel}}
	if err := m.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
}
