package agent

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
	"github.com/ilod/ilod/platform"
)

// agentVariable has the test binary be an agent: the directory that the test has
// made for it.
const agentVariable = "ILOD_TEST_MEMORY_AGENT"

// firstReader and the next ones are the readers of the test, of whom the last is an
// operator; root is the admin.
const firstReader, readers = 4242, 5

// TestMemoryStaysBelowTheServices: clients that ask for much and read nothing do
// not take the agent to the MemoryMax of the packages' service, in a real cgroup,
// and meanwhile root is answered.
func TestMemoryStaysBelowTheServices(t *testing.T) {
	if dir := os.Getenv(agentVariable); dir != "" {
		beAgent(t, dir)
		return
	}
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	if os.Getuid() != 0 {
		t.Skip("only root makes a cgroup")
	}
	unit, err := os.ReadFile("../packaging/systemd/ilod.service")
	if err != nil {
		t.Fatal(err)
	}
	megabytes, err := strconv.Atoi(string(regexp.MustCompile(`(?m)^MemoryMax=(\d+)M$`).FindSubmatch(unit)[1]))
	if err != nil {
		t.Fatal(err)
	}
	group := newCgroup(t, int64(megabytes)<<20)
	dir := t.TempDir()
	serveLarge(t, filepath.Join(dir, "ilo"))
	socket := startAgent(t, group, dir)

	get := func(path string, header ...string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(append(header, "\r\n"), "\r\n")
	}
	admin := func(request string) int {
		conn := dialAs(t, socket, 0)
		defer conn.Close()
		return status(t, conn, request)
	}
	if got := admin("POST /ilod/v1/cache HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"); got != 200 {
		t.Fatalf("warm: %d", got)
	}
	if got := admin(get(largePath)); got != 200 {
		t.Fatalf("the registry: %d", got)
	}
	group.report(t, "warm")
	all := map[string][]net.Conn{}
	for n, c := range []struct{ what, request string }{
		{"recursive reads", get("/redfish/v1/", clients.RecursiveHeader+": true")},
		{"recursive reads of another", get("/redfish/v1/", clients.RecursiveHeader+": true")},
		{"a registry", get(largePath)},
		{"a registry in another form", get(largePath, clients.ReturnedPathHeader+": leaf")},
		{"bodies", "PATCH /redfish/v1/Systems/1/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{"},
	} {
		for range 300 {
			conn := dialAs(t, socket, firstReader+n)
			t.Cleanup(func() { _ = conn.Close() })
			_, _ = io.WriteString(conn, c.request) // or it is too much
			all[c.what] = append(all[c.what], conn)
		}
		time.Sleep(time.Second) // they have arrived; if not, the test is only easier
		for _, path := range []string{"/redfish/v1/Systems/1/", largePath} {
			if got := admin(get(path)); got != 200 {
				t.Errorf("%s: root gets %d", c.what, got)
			}
		}
		if got := admin(get("/redfish/v1/Systems/", clients.RecursiveHeader+": true")); got != 200 {
			t.Errorf("%s: root gets %d for a recursive read", c.what, got)
		}
		group.report(t, c.what)
	}
	for what, conns := range all {
		answers := map[string]int{}
		for _, conn := range conns {
			b := make([]byte, 12)
			_ = conn.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := io.ReadFull(conn, b); err != nil {
				b = []byte("         none")
			}
			answers[string(b[9:])]++
		}
		t.Logf("%s: %v", what, answers)
	}
}

// status is that of the answer to a request, which is read.
func status(t *testing.T, conn net.Conn, request string) int {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
	return resp.StatusCode
}

// dialAs connects as a user, whom the kernel tells the agent.
func dialAs(t *testing.T, socket string, uid int) net.Conn {
	t.Helper()
	type result struct {
		net.Conn
		error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine, and its identity
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			done <- result{nil, errno}
			return
		}
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err == nil {
			err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: socket})
		}
		if err != nil {
			done <- result{nil, err}
			return
		}
		f := os.NewFile(uintptr(fd), "agent")
		conn, err := net.FileConn(f)
		_ = f.Close()
		done <- result{conn, err}
	}()
	r := <-done
	if r.error != nil {
		t.Fatal(r.error)
	}
	return r.Conn
}

const largePath = "/redfish/v1/Registries/Large/"

// serveLarge is an iLO with a large registry beside its tree, which is that of a
// real server where there is one.
func serveLarge(t *testing.T, socket string) {
	t.Helper()
	resources := tree.Generate(tree.GenerateOptions{})
	files, _ := filepath.Glob(filepath.Join(os.Getenv("ILOD_TESTDATA"), "trees", "ilo6*.jsonl.gz"))
	for _, file := range files {
		var err error
		if resources, err = tree.Load(file); err != nil {
			t.Fatal(err)
		}
	}
	service, err := redfish.New(redfish.Options{Tree: resources})
	if err != nil {
		t.Fatal(err)
	}
	large := []byte(`{"@odata.id":"` + largePath + `","Messages":{"a":{"@odata.id":"/redfish/v1/Systems/1/"}` + strings.Repeat(`,"Message":{"Description":"some text of it"}`, 18_000) + `}}`)
	server, err := chiftest.NewServer(chiftest.Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == largePath {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(large)))
			_, _ = w.Write(large)
			return
		}
		service.ServeHTTP(w, r)
	})})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.ListenUnix(socket); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
}

// startAgent runs this test binary as an agent in the group until the test ends.
func startAgent(t *testing.T, group *cgroup, dir string) (socket string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestMemoryStaysBelowTheServices$", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), agentVariable+"="+dir)
	var output bytes.Buffer
	cmd.Stderr = &output
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	group.pid = cmd.Process.Pid
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the agent: %v\n%.2000s", err, output.Bytes())
		}
	})
	if err := os.WriteFile(filepath.Join(group.dir, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "start\n"); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the agent said %q, %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	socket = filepath.Join(dir, "run", "ilod.sock")
	if err := os.Chmod(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	for d := dir; d != "/"; d = filepath.Dir(d) {
		_ = os.Chmod(d, 0o755|os.FileMode(map[bool]uint32{true: 0o1000}[d == os.TempDir()]))
	}
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	return socket
}

// beAgent is an agent as cmd/ilod makes it, until the standard input ends.
func beAgent(t *testing.T, dir string) {
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		t.Fatal(line, err)
	}
	debug.SetMemoryLimit(18 << 20)
	device, err := chif.ParseDevice("unix:" + filepath.Join(dir, "ilo"))
	if err != nil {
		t.Fatal(err)
	}
	config := DefaultConfig(filepath.Join(dir, "state"), filepath.Join(dir, "run"))
	config.Roles.Reader.Users = nil
	config.Roles.Operator.Users = []string{strconv.Itoa(firstReader + readers - 1)}
	for n := range readers {
		config.Roles.Reader.Users = append(config.Roles.Reader.Users, strconv.Itoa(firstReader+n))
	}
	lock, err := platform.AcquireLock(t.Context(), config.RuntimeDir, config.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	options := wholeOptions(config, log, lock, device)
	ready := options.Manager.(*manager).ready
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		<-ready
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	})
	if err := Run(ctx, options); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

// cgroup is a control group with a limit of memory; see cgroups(7).
type cgroup struct {
	dir               string
	limit, peak, kill string // files
	pid               int
}

func newCgroup(t *testing.T, limit int64) *cgroup {
	t.Helper()
	name := fmt.Sprint("ilod-test-", os.Getpid())
	g := &cgroup{dir: filepath.Join("/sys/fs/cgroup/memory", name), limit: "memory.limit_in_bytes", peak: "memory.max_usage_in_bytes", kill: "memory.oom_control"}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		g = &cgroup{dir: filepath.Join("/sys/fs/cgroup", name), limit: "memory.max", peak: "memory.peak", kill: "memory.events"}
	}
	err := os.Mkdir(g.dir, 0o755)
	if err == nil {
		t.Cleanup(func() { _ = os.Remove(g.dir) })
		err = os.WriteFile(filepath.Join(g.dir, g.limit), []byte(strconv.FormatInt(limit, 10)), 0)
	}
	if err != nil {
		t.Skipf("no cgroup can be made here: %v", err)
	}
	return g
}

// report logs what the agent takes and fails if it was killed.
func (g *cgroup) report(t *testing.T, what string) {
	t.Helper()
	read := func(name string) string {
		b, _ := os.ReadFile(name)
		return string(bytes.TrimSpace(b))
	}
	process := read(fmt.Sprintf("/proc/%d/status", g.pid))
	var lines []string
	for line := range strings.Lines(process) {
		if strings.HasPrefix(line, "VmHWM") || strings.HasPrefix(line, "VmRSS") {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
	}
	peak, _ := strconv.ParseInt(read(filepath.Join(g.dir, g.peak)), 10, 64)
	t.Logf("%s: at most %d MiB in the group; %s", what, peak>>20, strings.Join(lines, ", "))
	if limit, _ := strconv.ParseInt(read(filepath.Join(g.dir, g.limit)), 10, 64); peak > limit*2/3 {
		t.Errorf("%s: %d of %d MiB", what, peak>>20, limit>>20)
	}
	if kills := regexp.MustCompile(`(?m)^oom_kill [1-9]`).FindString(read(filepath.Join(g.dir, g.kill))); kills != "" || process == "" {
		t.Fatalf("%s: the agent was killed: %s", what, kills)
	}
}
