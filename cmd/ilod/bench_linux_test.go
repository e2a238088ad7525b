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
	env := environment(t, device)
	for n := range gets {
		cmd := exec.Command(program, "get", "--fresh", "/redfish/v1/Systems/1/")
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("get %d: %v\n%s", n, err, out)
		}
	}
	if s := service.Stats(); s.Logins != gets || s.Deletes != gets || s.RefusedLogins != 0 || s.Sessions != 0 || s.MaxSessions != 1 {
		t.Errorf("after %d: %d logins, %d refused, %d deletions, %d sessions left, %d at most",
			gets, s.Logins, s.RefusedLogins, s.Deletes, s.Sessions, s.MaxSessions)
	}
}

// BenchmarkGet runs ilod get without agent against the socket simulator and
// reports its median wall time, its largest memory and the size of the binary.
func BenchmarkGet(b *testing.B) {
	program := release(b)
	info, err := os.Stat(program)
	if err != nil {
		b.Fatal(err)
	}
	device, _ := simulator(b, redfish.Options{})
	ilod := &timed{program: program, env: environment(b, device)}
	for b.Loop() {
		ilod.run(b, "get", "--fresh", "/redfish/v1/Systems/1/")
	}
	b.ReportMetric(ilod.median(), "ms/get")
	b.ReportMetric(float64(ilod.rss)/1e6, "MB-resident")
	b.ReportMetric(float64(info.Size())/1e6, "MB-binary")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkGetFromAgent runs ilod get of a cached resource, and of a property of a
// selected one, through an agent, and ilod version by turns, and reports their
// median wall times and the ratios, which are to stay below 1.5. What the same get
// of a property needs without agent, from the cache on disk, is to be at most 60 ms.
func BenchmarkGetFromAgent(b *testing.B) {
	program := release(b)
	device, _ := simulator(b, redfish.Options{})
	get := &timed{program: program, env: environment(b, device)}
	version := &timed{program: program, env: get.env}
	property := &timed{program: program, env: get.env}
	alone := &timed{program: program, env: environment(b, device)}
	startAgent(b, get)
	const path = "/redfish/v1/Systems/1/SecureBoot"
	model := []string{"get", "ProcessorSummary/Model", "--select", "ComputerSystem."}
	get.run(b, "get", path)
	property.run(b, model...)
	alone.run(b, "cache", "warm")
	alone.run(b, model...)
	get.walls, property.walls, alone.walls = nil, nil, nil
	for b.Loop() {
		get.run(b, "get", path)
		version.run(b, "version")
		property.run(b, model...)
		alone.run(b, append(model, "--max-age", "1h")...)
	}
	b.ReportMetric(get.median(), "ms/get")
	b.ReportMetric(version.median(), "ms/version")
	b.ReportMetric(get.median()/version.median(), "get/version")
	b.ReportMetric(property.median(), "ms/property")
	b.ReportMetric(property.median()/version.median(), "property/version")
	b.ReportMetric(alone.median(), "ms/alone")
	b.ReportMetric(0, "ns/op")
}

// startAgent starts an agent that is stopped in the end.
func startAgent(tb testing.TB, t *timed) *exec.Cmd {
	tb.Helper()
	cmd := exec.Command(t.program, "agent")
	cmd.Env, cmd.Stderr = t.env, os.Stderr
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have been stopped
		if err := cmd.Wait(); err != nil {
			tb.Error(err)
		}
	})
	for {
		status := exec.Command(t.program, "agent", "status")
		status.Env = t.env
		if status.Run() == nil {
			return cmd
		}
	}
}

// timed runs a program and measures it.
type timed struct {
	program string
	env     []string
	walls   []time.Duration
	rss     int64 // bytes, the largest
}

func (t *timed) run(tb testing.TB, args ...string) {
	tb.Helper()
	start := time.Now()
	cmd := exec.Command(t.program, args...)
	cmd.Env = t.env
	if err := cmd.Run(); err != nil {
		tb.Fatal(err)
	}
	t.walls = append(t.walls, time.Since(start))
	t.rss = max(t.rss, int64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)<<10) // KiB (getrusage(2))
}

// median of the wall times in milliseconds.
func (t *timed) median() float64 {
	slices.Sort(t.walls)
	return float64(t.walls[len(t.walls)/2].Microseconds()) / 1000
}
