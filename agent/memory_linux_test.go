package agent

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/need"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// firstReader and the next ones are the readers of the test, of whom the last is an
// operator; root is the admin.
const firstReader, readers = 4242, 5

// TestMemoryStaysBelowTheServices: clients that ask for much and read nothing do
// not take the agent to the MemoryMax of the packages' service, in a real cgroup,
// and meanwhile root is answered.
func TestMemoryStaysBelowTheServices(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	need.Root(t)
	group := newCgroup(t, memoryMax(t))
	dir := t.TempDir()
	serveLarge(t, filepath.Join(dir, "ilo"), 0)
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

// memoryMax is that of the packages' service, in bytes.
func memoryMax(t testing.TB) int64 {
	t.Helper()
	unit, err := os.ReadFile("../packaging/systemd/ilod.service")
	if err != nil {
		t.Fatal(err)
	}
	megabytes, err := strconv.ParseInt(string(regexp.MustCompile(`(?m)^MemoryMax=(\d+)M$`).FindSubmatch(unit)[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return megabytes << 20
}

// status is that of the answer to a request, which is read.
func status(t testing.TB, conn net.Conn, request string) int {
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
func dialAs(t testing.TB, socket string, uid int) net.Conn {
	t.Helper()
	var conn net.Conn
	need.As(t, uid, func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(t.Context(), "unix", socket)
		return err
	})
	return conn
}

const largePath = "/redfish/v1/Registries/Large/"

// serveLarge is an iLO with a large registry beside its tree, which is that of a
// real server where there is one.
func serveLarge(t testing.TB, socket string, latency time.Duration) {
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
	server, err := chiftest.NewServer(chiftest.Options{Latency: latency, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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

// startAgent runs the program itself, as it is shipped, in the group until the test
// ends. The race detector would multiply what it takes.
func startAgent(t testing.TB, group *cgroup, dir string) (socket string) {
	t.Helper()
	program := filepath.Join(dir, "ilod")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "../cmd/ilod")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build.Args, err, out)
	}
	var users []string
	for n := range readers {
		users = append(users, strconv.Quote(strconv.Itoa(firstReader+n)))
	}
	config := "[roles.reader]\nusers = [" + strings.Join(users, ", ") + "]\n[roles.operator]\nusers = [" + users[readers-1] + "]\n"
	if err := os.WriteFile(filepath.Join(dir, "ilod.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	run := filepath.Join(dir, "run")
	cmd := exec.Command("sh", "-c", `echo $$ >"$1" && exec "$2" agent`, "sh", filepath.Join(group.dir, "cgroup.procs"), program)
	cmd.Env = append(os.Environ(), "ILOD_DEVICE=unix:"+filepath.Join(dir, "ilo"), "ILOD_CONFIG="+filepath.Join(dir, "ilod.toml"),
		"ILOD_STATE_DIR="+filepath.Join(dir, "state"), "ILOD_RUNTIME_DIR="+run)
	var output bytes.Buffer
	cmd.Stderr = &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	group.pid = cmd.Process.Pid
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("the agent: %v\n%.2000s", err, output.Bytes())
		}
	})
	socket = filepath.Join(run, "ilod.sock")
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			_ = conn.Close()
			break
		}
		select {
		case err := <-ended:
			ended <- err // for Cleanup
			t.Fatalf("the agent has ended: %v\n%.2000s", err, output.Bytes())
		case <-time.After(10 * time.Millisecond):
		}
	}
	// Its readers are other users. The directories of a test are for its user alone.
	for path, mode := range map[string]os.FileMode{filepath.Dir(dir): 0o711, dir: 0o711, run: 0o755, socket: 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	return socket
}

// cgroup is a control group with a limit of memory; see cgroups(7).
type cgroup struct {
	dir               string
	limit, peak, kill string // files
	pid               int
}

func newCgroup(t testing.TB, limit int64) *cgroup {
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
		need.Absent(t, fmt.Sprintf("no cgroup can be made here: %v", err))
	}
	return g
}

// report logs what the agent takes and fails if it was killed.
func (g *cgroup) report(t testing.TB, what string) {
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
