package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/stmcginnis/gofish"
	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/chif/chiftest/need"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// TestInterop has other people's Redfish clients, unmodified, log in to an agent, read,
// write and log out. The agent has a network namespace of its own, since ilorest
// knows no port but 443. All their logins together cost the iLO one, and nothing
// of them is left.
func TestInterop(t *testing.T) {
	need.Program(t, "ip", "iproute2")
	if os.Geteuid() != 0 {
		need.Absent(t, "a network namespace needs root")
	}
	resources := tree.Generate(tree.GenerateOptions{})
	device, service := simulator(t, redfish.Options{Tree: resources})
	a := startInNamespace(t, device)
	system, ok := resources.Lookup("/redfish/v1/Systems/1")
	if !ok {
		t.Fatal("the tree has no system")
	}
	var want computer
	if err := json.Unmarshal(system.Body, &want); err != nil || want.SerialNumber == "" || want.UUID == "" || want.Model == "" {
		t.Fatalf("%+v, %v", want, err)
	}
	for _, client := range []struct {
		name string
		run  func(*testing.T, *agentProcess, computer)
	}{
		{"curl on the Unix socket", curlUnix},
		{"curl", curlTLS},
		{"gofish on the Unix socket", gofishUnix},
		{"gofish", gofishTLS},
		{"redfishtool", redfishtool},
		{"sushy", sushy},
		{"ilorest", ilorest},
	} {
		t.Run(client.name, func(t *testing.T) {
			_, before := a.clientSessions(t)
			client.run(t, a, want)
			if live, made := a.clientSessions(t); live != 0 || made == before {
				t.Errorf("%d client sessions left of %d", live, made-before)
			}
		})
	}
	// One login of the agent's for all; none if no client is there to be tried.
	if s := service.Stats(); s.Logins > 1 || s.RefusedLogins > 0 || s.Sessions != s.Logins {
		t.Errorf("%d logins at the iLO, %d refused, %d sessions", s.Logins, s.RefusedLogins, s.Sessions)
	}
	a.stop(t)
	if s := service.Stats(); s.Sessions != 0 || s.Deletes != s.Logins {
		t.Errorf("%d sessions left of %d, %d deleted", s.Sessions, s.Logins, s.Deletes)
	}
}

// computer is what the clients are to read.
type computer struct{ Model, SerialNumber, UUID, AssetTag string }

// check compares what a client printed with what there is.
func (want computer) check(t *testing.T, printed string) {
	t.Helper()
	var got computer
	if err := json.Unmarshal([]byte(printed), &got); err != nil {
		t.Errorf("%v: %s", err, printed)
	}
	got.AssetTag = want.AssetTag // which the clients change
	if got != want {
		t.Errorf("read %+v, want %+v", got, want)
	}
}

// agentProcess is a running agent with a Unix socket and a TLS listener, which is
// 127.0.0.1:443 in a network namespace.
type agentProcess struct {
	namespace   string
	dir         string // of its files, and the home of the clients
	cmd         *exec.Cmd
	certificate string // file
	user        string
	password    string
	unix        *http.Client
}

func startInNamespace(t *testing.T, device string) *agentProcess {
	t.Helper()
	a := &agentProcess{namespace: fmt.Sprintf("ilod-test-%d", os.Getpid()), dir: t.TempDir()}
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	ip("netns", "add", a.namespace)
	t.Cleanup(func() { ip("netns", "delete", a.namespace) })
	ip("-n", a.namespace, "link", "set", "lo", "up")

	config := filepath.Join(a.dir, "ilod.toml")
	run := filepath.Join(a.dir, "run")
	text := fmt.Sprintf("device = %q\nstate-dir = %q\nruntime-dir = %q\n[tls]\nlisten = \"127.0.0.1:443\"\n[log]\nformat = \"text\"\n",
		device, filepath.Join(a.dir, "state"), run)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	a.cmd = a.command("ilod", "agent", "--config", config)
	a.cmd.Stderr = &log
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if a.cmd.ProcessState == nil {
			_ = a.cmd.Process.Kill()
			_ = a.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("the agent's log:\n%s", &log)
		}
	})

	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		for { // until it listens
			conn, err := new(net.Dialer).DialContext(ctx, "unix", a.socket())
			if err == nil || ctx.Err() != nil {
				return conn, err
			}
			time.Sleep(10 * time.Millisecond)
		}
	}}
	t.Cleanup(transport.CloseIdleConnections)
	a.unix = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	a.clientSessions(t) // its answer comes when both listeners are there
	a.certificate = filepath.Join(run, "tls-certificate.pem")
	var login struct {
		UserName string `toml:"username"`
		Password string `toml:"password"`
	}
	if _, err := toml.DecodeFile(filepath.Join(run, "tls-login.toml"), &login); err != nil {
		t.Fatal(err)
	}
	a.user, a.password = login.UserName, login.Password
	return a
}

func (a *agentProcess) socket() string { return filepath.Join(a.dir, "run", "ilod.sock") }

// stop ends the agent as a service manager does.
func (a *agentProcess) stop(t *testing.T) {
	t.Helper()
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Wait(); err != nil {
		t.Errorf("the agent: %v", err)
	}
}

// command is a program in the namespace, with a home of its own.
func (a *agentProcess) command(args ...string) *exec.Cmd {
	cmd := exec.Command("ip", append([]string{"netns", "exec", a.namespace}, args...)...)
	cmd.Dir = a.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + a.dir} // neither proxy nor certificates from outside
	return cmd
}

// run runs a client to its end and returns what it printed.
func (a *agentProcess) run(args ...string) (stdout string, err error) {
	cmd := a.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err = cmd.Run(); err != nil {
		err = fmt.Errorf("%q: %w: %s%s", args, err, &out, &errs)
	}
	return out.String(), err
}

// succeed is run for a client that must succeed.
func (a *agentProcess) succeed(t *testing.T, args ...string) string {
	t.Helper()
	out, err := a.run(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// refused is run for a client that must fail.
func (a *agentProcess) refused(t *testing.T, args ...string) {
	t.Helper()
	if out, err := a.run(args...); err == nil {
		t.Errorf("%q succeeded: %s", args, out)
	} else if exit, ok := errors.AsType[*exec.ExitError](err); !ok || !exit.Exited() {
		t.Error(err)
	}
}

// clientSessions is what the agent's metrics say of them.
func (a *agentProcess) clientSessions(t *testing.T) (live, made int) {
	t.Helper()
	resp, err := a.unix.Get("http://localhost/ilod/v1/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]*int{`ilod_client_sessions{kind="explicit"}`: &live, "ilod_client_sessions_created_total": &made} {
		line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` .*$`).Find(body)
		if _, err := fmt.Sscanf(string(line), name+" %d", value); err != nil {
			t.Fatalf("%s: %v: %s", name, err, body)
		}
	}
	return live, made
}

func curlUnix(t *testing.T, a *agentProcess, want computer) {
	need.Program(t, "curl", "curl")
	curl(t, a, want, "http://localhost", "--unix-socket", a.socket())
}

func curlTLS(t *testing.T, a *agentProcess, want computer) {
	need.Program(t, "curl", "curl")
	curl(t, a, want, "https://localhost", "--cacert", a.certificate)
	basic := func(password string, more ...string) []string {
		return append([]string{"curl", "-sS", "--fail", "--cacert", a.certificate, "--user", a.user + ":" + password, "https://127.0.0.1/redfish/v1/Systems/1"}, more...)
	}
	want.check(t, a.succeed(t, basic(a.password)...))
	want.check(t, a.succeed(t, basic(a.password, "--anyauth")...)) // only after a challenge
	a.refused(t, basic("wrong")...)
	a.refused(t, "curl", "-sS", "--fail", "https://127.0.0.1/redfish/v1/") // nobody else vouches for it
}

func curl(t *testing.T, a *agentProcess, want computer, base string, how ...string) {
	t.Helper()
	curl := append([]string{"curl", "-sS", "--fail"}, how...)
	login, err := json.Marshal(map[string]string{"UserName": a.user, "Password": a.password})
	if err != nil {
		t.Fatal(err)
	}
	answer := a.succeed(t, append(slices.Clone(curl), "--include", "--json", string(login), base+"/redfish/v1/SessionService/Sessions/")...)
	field := func(name string) string {
		t.Helper()
		found := regexp.MustCompile(`(?mi)^` + name + `: (.*?)\r$`).FindStringSubmatch(answer)
		if found == nil {
			t.Fatalf("no %s: %s", name, answer)
		}
		return found[1]
	}
	session := append(slices.Clone(curl), "--header", "X-Auth-Token: "+field("X-Auth-Token"))
	location := field("Location")
	want.check(t, a.succeed(t, append(slices.Clone(session), base+"/redfish/v1/Systems/1")...))
	a.succeed(t, append(slices.Clone(session), "--request", "PATCH", "--json", `{"AssetTag":"curl"}`, base+"/redfish/v1/Systems/1")...)
	if got := a.succeed(t, append(slices.Clone(session), "--compressed", base+"/redfish/v1/Systems/1/")...); !strings.Contains(got, `"AssetTag":"curl"`) {
		t.Errorf("what was written is not read: %s", got)
	}
	a.succeed(t, append(slices.Clone(session), "--request", "DELETE", base+location)...)
	a.refused(t, append(slices.Clone(session), base+"/redfish/v1/Systems/1")...)
}

func gofishUnix(t *testing.T, a *agentProcess, want computer) {
	testGofish(t, want, gofish.ClientConfig{Endpoint: "http://localhost", Username: "anybody", Password: "anything", HTTPClient: a.unix})
}

func gofishTLS(t *testing.T, a *agentProcess, want computer) {
	trusted := x509.NewCertPool()
	if certificate, err := os.ReadFile(a.certificate); err != nil || !trusted.AppendCertsFromPEM(certificate) {
		t.Fatalf("%v: %s", err, certificate)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, DialContext: a.dial}
	defer transport.CloseIdleConnections()
	config := gofish.ClientConfig{Endpoint: "https://127.0.0.1", Username: a.user, Password: a.password, HTTPClient: &http.Client{Transport: transport}}
	testGofish(t, want, config)
	config.BasicAuth = true
	testGofish(t, want, config)
}

// dial connects from inside the namespace.
func (a *agentProcess) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		var f *os.File
		if f, err = os.Open(filepath.Join("/run/netns", a.namespace)); err != nil {
			return
		}
		defer f.Close()
		if err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
			return
		}
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
	}()
	<-done
	return conn, err
}

func testGofish(t *testing.T, want computer, config gofish.ClientConfig) {
	client, err := gofish.ConnectContext(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Logout()
	systems, err := client.Service.Systems()
	if err != nil || len(systems) != 1 {
		t.Fatalf("%d systems, %v", len(systems), err)
	}
	s := systems[0]
	if got := (computer{s.Model, s.SerialNumber, s.UUID, want.AssetTag}); got != want {
		t.Errorf("read %+v, want %+v", got, want)
	}
	if processors, err := s.Processors(); err != nil || len(processors) == 0 {
		t.Errorf("%d processors, %v", len(processors), err)
	}
}

// redfishtool never checks a certificate.
func redfishtool(t *testing.T, a *agentProcess, want computer) {
	need.Program(t, "redfishtool", "redfishtool")
	account := []string{"-u", a.user, "-p", a.password}
	tool := func(how []string, args ...string) []string {
		return slices.Concat([]string{"redfishtool", "-r", "127.0.0.1", "-S", "Always"}, how, args)
	}
	for _, auth := range []string{"Basic", "Session"} {
		how := append([]string{"-A", auth}, account...)
		want.check(t, a.succeed(t, tool(how, "Systems", "-I", "1", "get")...))
		a.succeed(t, tool(how, "Systems", "-I", "1", "setAssetTag", auth)...)
		if got := a.succeed(t, tool(how, "Systems", "-F", "-P", "AssetTag", "get")...); !strings.Contains(got, `"`+auth+`"`) {
			t.Errorf("what was written is not read: %s", got)
		}
	}
	var login struct {
		ID    string `json:"SessionId"`
		Token string `json:"X-Auth-Token"`
	}
	if out := a.succeed(t, tool(account, "SessionService", "login")...); json.Unmarshal([]byte(out), &login) != nil || login.ID == "" {
		t.Fatalf("login: %s", out)
	}
	session := []string{"-A", "Session", "-t", login.Token}
	want.check(t, a.succeed(t, tool(session, "Systems", "-F", "get")...))
	a.succeed(t, tool(session, "SessionService", "logout", "-i", login.ID)...)
	a.refused(t, tool(session, "Systems", "-F", "get")...)
	a.refused(t, tool([]string{"-u", a.user, "-p", "wrong"}, "Systems", "-F", "get")...)
}

const sushyProgram = `
import json, sys
import sushy, sushy.auth

kind, user, password, certificate = sys.argv[1:]
auth = getattr(sushy.auth, kind)(username=user, password=password)
with auth:
    service = sushy.Sushy('https://127.0.0.1/redfish/v1', auth=auth, verify=certificate)
    [system] = service.get_system_collection().get_members()
    system.set_system_boot_source(sushy.BOOT_SOURCE_TARGET_PXE, enabled=sushy.BOOT_SOURCE_ENABLED_ONCE)
    system.refresh()
    if system.boot.target != sushy.BOOT_SOURCE_TARGET_PXE:
        sys.exit('boot target: %s' % system.boot.target)
    if not service.get_manager_collection().get_members()[0].firmware_version:
        sys.exit('no firmware version')
    print(json.dumps({'Model': system.json['Model'], 'SerialNumber': system.serial_number, 'UUID': system.uuid}))
`

func sushy(t *testing.T, a *agentProcess, want computer) {
	const python = "/usr/bin/python3" // whose packages are Debian's
	if out, err := exec.Command(python, "-c", "import sushy").CombinedOutput(); err != nil {
		need.Absent(t, fmt.Sprintf("%v: %s: apt-get install --no-install-recommends python3-sushy", err, out))
	}
	program := filepath.Join(a.dir, "client.py")
	if err := os.WriteFile(program, []byte(sushyProgram), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"SessionAuth", "BasicAuth", "SessionOrBasicAuth"} {
		want.check(t, a.succeed(t, python, program, kind, a.user, a.password, a.certificate))
	}
	a.refused(t, python, program, "SessionAuth", a.user, "wrong", a.certificate)
}

func ilorest(t *testing.T, a *agentProcess, want computer) {
	need.Program(t, "ilorest", "ilorest")
	tool := func(args ...string) []string {
		return append([]string{"ilorest", "--nologo", "--cache-dir", filepath.Join(a.dir, "ilorest")}, args...)
	}
	a.succeed(t, tool("login", "127.0.0.1", "-u", a.user, "-p", a.password, "--https", a.certificate)...)
	want.check(t, a.succeed(t, tool("get", "--json", "Model", "SerialNumber", "UUID", "--select", "ComputerSystem.")...))
	a.succeed(t, tool("set", "AssetTag=ilorest", "--select", "ComputerSystem.", "--commit")...)
	got := a.succeed(t, tool("rawget", "/redfish/v1/Systems/1/", "--silent")...)
	if want.check(t, got); !strings.Contains(got, `"ilorest"`) {
		t.Errorf("what was written is not read: %s", got)
	}
	a.succeed(t, tool("logout")...)
	a.refused(t, tool("rawget", "/redfish/v1/Systems/1/", "--silent")...)
}
