package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// release builds ilod as it is shipped.
func release(tb testing.TB) (program string) {
	tb.Helper()
	program = filepath.Join(tb.TempDir(), "ilod")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
	return program
}

// TestGetsInARow runs many ilod get, one after the other, on an iLO that has
// room for two sessions: if each leaves none, the limit is never met. There are
// ILOD_TEST_GETS of them, or 200.
func TestGetsInARow(t *testing.T) {
	gets := 200
	if n := os.Getenv("ILOD_TEST_GETS"); n != "" {
		var err error
		if gets, err = strconv.Atoi(n); err != nil {
			t.Fatalf("ILOD_TEST_GETS: %v", err)
		}
	}
	program := release(t)
	device, service := simulator(t, redfish.Options{MaxSessions: 2})
	for n := range gets {
		if out, err := exec.Command(program, "get", "--device", device, "/redfish/v1/Systems/1/").CombinedOutput(); err != nil {
			t.Fatalf("get %d: %v\n%s", n, err, out)
		}
	}
	if s := service.Stats(); s.Logins != gets || s.Deletes != gets || s.RefusedLogins != 0 || s.Sessions != 0 || s.MaxSessions != 1 {
		t.Errorf("after %d: %d logins, %d refused, %d deletions, %d sessions left, %d at most",
			gets, s.Logins, s.RefusedLogins, s.Deletes, s.Sessions, s.MaxSessions)
	}
}

// BenchmarkGet runs ilod get against the socket simulator and reports its median
// wall time, its largest memory and the size of the binary. They are to stay
// below 40 ms, 20 MB and 9 MB.
func BenchmarkGet(b *testing.B) {
	program := release(b)
	info, err := os.Stat(program)
	if err != nil {
		b.Fatal(err)
	}
	device, _ := simulator(b, redfish.Options{})
	var walls []time.Duration
	var rss int64
	for b.Loop() {
		start := time.Now()
		cmd := exec.Command(program, "get", "--device", device, "/redfish/v1/Systems/1/")
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		walls = append(walls, time.Since(start))
		rss = max(rss, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) // KiB (getrusage(2))
	}
	slices.Sort(walls)
	b.ReportMetric(float64(walls[len(walls)/2].Microseconds())/1000, "ms/get")
	b.ReportMetric(float64(rss)*1024/1e6, "MB-resident")
	b.ReportMetric(float64(info.Size())/1e6, "MB-binary")
	b.ReportMetric(0, "ns/op")
}
