package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest/need"
)

// traced are the system calls that say or store something, or wait for
// somebody: between two of them nothing changes that outlives the process.
var traced = strings.Fields(`write read sendto recvfrom sendmsg recvmsg pwrite64 pread64 connect socket accept4 bind listen
	openat close fsync renameat unlinkat mkdirat fchmodat flock ftruncate getdents64 newfstatat ppoll poll epoll_pwait clone clone3
	pipe2 waitid readlinkat msync`)

// TestKillAtEachSystemCall kills ilod, as a command and as an agent with a
// client, with SIGKILL at each system call from its start to its end, by
// strace(1), while another program logs in, uses its session once and idles. The
// guardian lives. Otherwise it is as TestKillCampaign.
//
// All of them take some minutes: with ILOD_TEST_KILLS there are all, without some
// at random.
func TestKillAtEachSystemCall(t *testing.T) {
	need.Program(t, "strace", "strace")
	seed := setting(t, "ILOD_TEST_SEED", int(time.Now().UnixNano()&0xFFFFFF))
	t.Logf("ILOD_TEST_SEED=%d", seed)
	built := programs(t)
	for i, c := range []struct {
		name string
		run  func(*site, *process)
		args []string
	}{
		{"command", (*site).finish, []string{"get", "--fresh", "/redfish/v1/Systems/1/"}},
		{"agent", (*site).useAgent, []string{"agent"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, built, "--max-sessions", "10")
			s.againByCommand("at first")
			start := time.Now()
			calls := s.count(c.run, c.args)
			usual := time.Since(start)
			var points []string
			for _, call := range slices.Sorted(maps.Keys(calls)) {
				for n := range calls[call] {
					points = append(points, fmt.Sprintf("%s:signal=KILL:when=%d", call, n+1))
				}
			}
			if os.Getenv("ILOD_TEST_KILLS") == "" {
				r := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
				r.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
				points = points[:min(8, len(points))]
			}
			killed := 0
			pause := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
			for _, point := range points {
				p := s.trace([]string{"-e", "inject=" + point}, c.args)
				other := s.moveIn(time.Duration(pause.Int64N(int64(2 * usual))))
				c.run(s, p)
				s.adopt()
				other.idle()
				if state := p.ProcessState.Sys().(syscall.WaitStatus); state.Signaled() {
					killed++
				} else if state.ExitStatus() != 0 {
					t.Errorf("%s: %v: %s", point, p.ProcessState, &p.out)
				}
				s.age()
				if killed%2 == 0 {
					s.againByAgent(point)
				} else {
					s.againByCommand(point)
				}
				s.clean(point)
				other.moveOut(point, false)
			}
			// How many calls each thread makes differs from run to run.
			t.Logf("%d points, %d kills, of %v", len(points), killed, calls)
			if killed < len(points)/4 {
				t.Errorf("only %d of %d points were met", killed, len(points))
			}
			if os.Getenv("ILOD_TEST_KILLS") != "" {
				s.end()
			}
			s.abandon()
		})
	}
}

// trace starts ilod under strace, which ends as ilod does and lets go of other
// programs that ilod starts.
func (s *site) trace(options, args []string) *process {
	s.t.Helper()
	options = append([]string{"-f", "-qq", "-b", "execve", "-o", s.path("trace")}, options...)
	return s.start("strace", append(append(options, s.ilod), args...)...)
}

// call is a line of strace's: the thread and the name of a call that begins.
var call = regexp.MustCompile(`(?m)^(\d+) +(\w+)\(`)

// count is how often each of the calls of interest is made: by the thread that
// makes most of them, since strace counts by thread.
func (s *site) count(run func(*site, *process), args []string) map[string]int {
	s.t.Helper()
	p := s.trace(nil, args)
	run(s, p)
	if p.ProcessState.ExitCode() != 0 {
		s.t.Fatalf("%v: %v: %s", p.Args, p.ProcessState, &p.out)
	}
	text, err := os.ReadFile(s.path("trace"))
	if err != nil {
		s.t.Fatal(err)
	}
	byThread, most := map[string]int{}, map[string]int{}
	for _, m := range call.FindAllStringSubmatch(string(text), -1) {
		if name := m[2]; slices.Contains(traced, name) {
			byThread[m[1]+name]++
			most[name] = max(most[name], byThread[m[1]+name])
		}
	}
	if most["write"] == 0 || most["fsync"] == 0 || most["connect"] == 0 {
		s.t.Fatalf("this is no trace of a login: %v", most)
	}
	return most
}

func (s *site) finish(p *process) { s.wait(p) }

// useAgent has an agent log in and stop.
func (s *site) useAgent(p *process) {
	s.until("the agent listens", func() bool { return p.ended() || s.serving() })
	client := s.client()
	defer client.CloseIdleConnections()
	_ = careless(s.t.Context(), client, 0) // it may be killed in the middle
	if pid := holder(s); pid > 0 && !p.ended() {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
	s.wait(p)
}

// holder is the process that holds the instance lock, 0 if none has.
func holder(s *site) int {
	text, _ := os.ReadFile(s.path("run/lock"))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	if name, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err != nil || name != s.ilod {
		return 0
	}
	return pid
}

// adopt finds the guardians of processes that are not children of this one.
func (s *site) adopt() {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		name, err := os.Readlink(dir + "/exe")
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if err == nil && name == s.ilod && !slices.Contains(s.wards, pid) && s.owns(dir) {
			s.wards = append(s.wards, pid)
		}
	}
}

// owns reports whether a process was started with this site's environment.
func (s *site) owns(dir string) bool {
	text, err := os.ReadFile(dir + "/environ")
	return err == nil && strings.Contains(string(text), "ILOD_STATE_DIR="+s.path("state")+"\x00")
}
