package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// BenchmarkAgentAtRest has an agent read 1,500 resources into its cache on disk
// and a client read them all from there, and then leaves it alone. Its resident
// memory is to be at most 32 MB, its idle processor time below 0.1 % of a core,
// the apparent size of the cache's files at most 14 MB open and 5 MB after.
func BenchmarkAgentAtRest(b *testing.B) {
	const documents, idle = 1500, 20 * time.Second
	program := release(b)
	get := []string{"get"}
	for i := range documents {
		get = append(get, tree.DocumentURI(i))
	}
	for b.Loop() {
		device, service := simulator(b, redfish.Options{Tree: tree.Documents(documents)})
		ilod := &timed{program: program, env: environment(b, device)}
		pid := startAgent(b, ilod).Process.Pid
		ilod.run(b, "cache", "warm")
		ilod.run(b, get...)
		for i := range documents {
			if n := service.Stats().Requests["GET "+tree.DocumentURI(i)]; n != 1 {
				b.Fatalf("%s was read %d times", tree.DocumentURI(i), n)
			}
		}
		b.ReportMetric(memory(b, pid, "VmRSS"), "MB-resident-busy")
		ticks, sleeps := work(b, pid)
		time.Sleep(idle)
		after, woken := work(b, pid)
		b.ReportMetric(float64(after-ticks)*0.01/idle.Seconds()*100, "%cpu-idle")
		b.ReportMetric(float64(woken-sleeps)/idle.Seconds(), "wakeups/s")
		b.ReportMetric(memory(b, pid, "VmRSS"), "MB-resident")
		b.ReportMetric(memory(b, pid, "RssAnon"), "MB-anonymous")
		b.ReportMetric(memory(b, pid, "VmHWM"), "MB-peak")
		b.ReportMetric(size(b, ilod.env), "MB-disk-open")
		ilod.run(b, "agent", "stop")
		b.ReportMetric(size(b, ilod.env), "MB-disk-at-rest")
	}
	b.ReportMetric(0, "ns/op")
}

// memory is a field of /proc/PID/status in MB (proc_pid_status(5)).
func memory(tb testing.TB, pid int, field string) float64 {
	tb.Helper()
	return number(tb, fmt.Sprintf("/proc/%d/status", pid), field) * 1024 / 1e6
}

func number(tb testing.TB, file, field string) (n float64) {
	tb.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "\n"+field+":")
	if _, err := fmt.Sscan(after, &n); err != nil {
		tb.Fatalf("%s: %s: %v", file, field, err)
	}
	return n
}

// work is what a process has done: clock ticks of 10 ms of processor time
// (proc_pid_stat(5)), and how many times its threads went to sleep.
func work(tb testing.TB, pid int) (ticks, sleeps int) {
	tb.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		tb.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, f := range fields[11:13] { // utime and stime, the 14th and 15th of all
		n, err := strconv.Atoi(f)
		if err != nil {
			tb.Fatal(err)
		}
		ticks += n
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil {
		tb.Fatal(err)
	}
	for _, file := range threads {
		sleeps += int(number(tb, file, "voluntary_ctxt_switches"))
	}
	return ticks, sleeps
}

// size is the apparent size of the cache on disk in MB.
func size(tb testing.TB, env []string) (mb float64) {
	tb.Helper()
	for _, e := range env {
		dir, ok := strings.CutPrefix(e, "ILOD_STATE_DIR=")
		if !ok {
			continue
		}
		if err := filepath.WalkDir(filepath.Join(dir, "cache"), func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				mb += float64(info.Size()) / 1e6
			}
			return err
		}); err != nil {
			tb.Fatal(err)
		}
	}
	return mb
}
