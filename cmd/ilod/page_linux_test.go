package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
)

// browser is a headless Chromium, driven by the DevTools protocol on a pipe, which needs
// no port and no module.
type browser struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	id      int
	session string
	asked   []string // URLs of all requests
}

func newBrowser(t *testing.T) *browser {
	in, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
		"--ignore-certificate-errors", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir(), "about:blank")
	c.ExtraFiles = []*os.File{in, out}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.Close()
	b := &browser{t: t, to: to, from: bufio.NewReader(from)}
	t.Cleanup(func() {
		b.session = ""
		b.call("Browser.close", nil)
		to.Close()
		from.Close()
		_ = c.Wait()
	})
	target := b.call("Target.createTarget", map[string]any{"url": "about:blank"})["targetId"]
	b.session = b.call("Target.attachToTarget", map[string]any{"targetId": target, "flatten": true})["sessionId"].(string)
	for _, domain := range []string{"Page", "Network", "Runtime"} {
		b.call(domain+".enable", nil)
	}
	return b
}

// call sends a command and returns its result; it keeps the requests told meanwhile.
func (b *browser) call(method string, params map[string]any) map[string]any {
	b.t.Helper()
	b.id++
	message := map[string]any{"id": b.id, "method": method, "params": params}
	if params == nil {
		message["params"] = map[string]any{}
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.t.Fatal(err)
	}
	for {
		line, err := b.from.ReadBytes(0)
		if err != nil {
			b.t.Fatal(err)
		}
		var m struct {
			ID     int
			Method string
			Result map[string]any
			Error  map[string]any
			Params struct{ Request struct{ URL string } }
		}
		_ = json.Unmarshal(line[:len(line)-1], &m)
		if m.Method == "Network.requestWillBeSent" {
			b.asked = append(b.asked, m.Params.Request.URL)
		}
		if m.ID == b.id {
			if m.Error != nil {
				b.t.Fatal(method, m.Error)
			}
			return m.Result
		}
	}
}

func (b *browser) eval(script string) any {
	b.t.Helper()
	result, _ := b.call("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true})["result"].(map[string]any)
	return result["value"]
}

// until waits for a condition in the page.
func (b *browser) until(condition string) {
	b.t.Helper()
	for range 600 {
		if b.eval(condition) == true {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.t.Fatalf("never: %s\n%v", condition, b.eval("document.body.innerText"))
}

func (b *browser) insert(text string) { b.call("Input.insertText", map[string]any{"text": text}) }

func (b *browser) key(name string) {
	code, text := map[string]int{"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}[name], map[string]string{"Enter": "\r", " ": " "}[name]
	b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": name, "windowsVirtualKeyCode": code, "text": text})
	b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": name, "windowsVirtualKeyCode": code})
}

// press goes to a button with the tabulator alone, and presses it.
func (b *browser) press(button string) {
	b.t.Helper()
	for range 60 {
		if b.eval("document.activeElement.textContent") == button {
			b.key("Enter")
			return
		}
		b.key("Tab")
	}
	b.t.Fatalf("the tabulator does not lead to %q", button)
}

// shot takes pictures of both widths, which have no more than that to scroll.
func (b *browser) shot(name string) {
	b.t.Helper()
	for _, width := range []int{1280, 400} {
		b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false})
		if wide, _ := b.eval("document.documentElement.scrollWidth").(float64); int(wide) > width {
			b.t.Errorf("%s is %g wide in %d", name, wide, width)
		}
		dir := os.Getenv("ILOD_TEST_SHOTS")
		if dir == "" {
			continue
		}
		picture, _ := b.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true})["data"].(string)
		content, err := base64.StdEncoding.DecodeString(picture)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.png", name, width)), content, 0o644)
		}
		if err != nil {
			b.t.Error(err)
		}
	}
}

const pageRead = `document.querySelectorAll('.age').length == 5 && ![...document.querySelectorAll('.age')].some(a => a.textContent.startsWith('reading')) && !document.querySelector('button:disabled:not(#choose *)')`

// pageHost is a host with the programs of bin and a configuration.
type pageHost struct {
	t      *testing.T
	dir    string
	origin string
}

func newPageHost(t *testing.T) *pageHost {
	if os.Getenv("ILOD_TEST_PAGE") == "" {
		t.Skip("needs Chromium and Cockpit: make test-page")
	}
	dir, err := os.MkdirTemp("", "page") // whose path is short enough for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	address := freeAddress(t)
	config := fmt.Sprintf("[tls]\nlisten = %q\n[clients]\nmax-sessions-per-user = 1\nwhen-full = \"ask\"\n", address)
	if err := os.WriteFile(dir+"/ilod.toml", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(address)
	return &pageHost{t, dir, "https://localhost:" + port + "/"}
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (h *pageHost) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), "ILOD_DEVICE=unix:"+h.dir+"/ilo", "ILOD_CONFIG="+h.dir+"/ilod.toml", "ILOD_STATE_DIR="+h.dir+"/state",
		"ILOD_RUNTIME_DIR="+h.dir+"/run", "XDG_DATA_HOME="+h.dir+"/share")
	return c
}

// serve runs a program until stop, or the end of the test.
func (h *pageHost) serve(name string, args ...string) (stop func()) {
	c := h.command(name, args...)
	if err := c.Start(); err != nil {
		h.t.Fatal(err)
	}
	done := false
	stop = func() {
		if !done {
			done = true
			_ = c.Process.Signal(syscall.SIGTERM)
			_ = c.Wait()
		}
	}
	h.t.Cleanup(stop)
	return stop
}

// serveAgent runs a simulated iLO and the agent.
func (h *pageHost) serveAgent() (stopILO, stopAgent func()) {
	stopILO = h.serve("../../bin/ilosim", "--listen", "unix:"+h.dir+"/ilo", "--foreign-sessions", "3")
	wait(h.t, h.dir+"/ilo")
	stopAgent = h.serve("../../bin/ilod", "agent")
	wait(h.t, h.dir+"/run/tls-login.toml")
	return stopILO, stopAgent
}

// TestThePageInCockpit: the same files, on the agent's Unix socket, with the rights of
// the user who runs Cockpit's bridge.
func TestThePageInCockpit(t *testing.T) {
	h := newPageHost(t)
	h.serveAgent()
	run := func(args ...string) string {
		out, err := h.command("../../bin/ilod", args...).CombinedOutput()
		if err != nil {
			t.Fatal(args, err, string(out))
		}
		return string(out)
	}
	run("raw", "PATCH", "/redfish/v1/Systems/1/Bios/Settings/", "--data", `{"Attributes":{"AdminName":"waits"}}`)
	to := h.dir + "/share/cockpit/ilod"
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"../../agent/page/files", "../../packaging/cockpit"} { // whose transport.js replaces the other
		files, err := filepath.Glob(from + "/*.*")
		if err != nil || len(files) == 0 {
			t.Fatal(from, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err == nil {
				text = []byte(strings.ReplaceAll(string(text), "/run/ilod/ilod.sock", h.dir+"/run/ilod.sock"))
				err = os.WriteFile(filepath.Join(to, filepath.Base(file)), text, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	h.serve("/usr/lib/cockpit/cockpit-ws", "--no-tls", "--address=127.0.0.1", "--port="+port, "--local-session=/usr/bin/cockpit-bridge")
	for range 600 {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	b := newBrowser(t)
	b.call("Page.navigate", map[string]any{"url": "http://" + address + "/cockpit/@localhost/ilod/index.html"})
	b.until(pageRead)
	b.shot("cockpit")
	if text := fmt.Sprint(b.eval("document.body.innerText")); !strings.Contains(text, "cockpit-bridge") || b.eval("document.querySelectorAll('.fault').length") != 0.0 {
		t.Error(text)
	}
	// Where there can be no transaction, nothing is sent instead.
	run("limits", "set", "inactivity-timeout=0s")
	b.press("Stage the present values")
	b.until("document.getElementById('wrong').textContent.includes('cannot have a transaction')")
	if settings := run("get", "--fresh", "/redfish/v1/Systems/1/Bios/Settings/"); !strings.Contains(settings, `"AdminName":"waits"`) {
		t.Error("the settings were changed at once: " + settings)
	}
}

// TestThePageInABrowser uses the page with the keyboard alone, in the states that it has.
func TestThePageInABrowser(t *testing.T) {
	h := newPageHost(t)
	dir, origin := h.dir, h.origin
	stopILO, stopAgent := h.serveAgent()
	var login struct{ Username, Password string }
	if _, err := toml.DecodeFile(dir+"/run/tls-login.toml", &login); err != nil {
		t.Fatal(err)
	}
	const hostile = "<img src=x onerror=alert(1)>"
	if out, err := h.command("../../bin/ilod", "raw", "PATCH", "/redfish/v1/Systems/1/Bios/Settings/", "--data", `{"Attributes":{"AdminName":"`+hostile+`"}}`).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	b := newBrowser(t)
	enter := func(password string) {
		b.call("Page.navigate", map[string]any{"url": origin})
		b.until("document.activeElement && document.activeElement.id == 'name'")
		b.insert(login.Username)
		b.key("Tab")
		b.insert(password)
		b.key("Enter")
	}
	enter("wrong")
	b.until("document.getElementById('wrong').textContent.includes('invalid user name or password')")
	b.shot("wrong-password")
	if b.eval("document.getElementById('refresh').offsetParent === null") != true {
		t.Error("there is something to refresh before the login")
	}
	enter(login.Password)
	b.until(pageRead)
	b.shot("healthy")
	if b.eval("document.querySelectorAll('img').length") != 0.0 || !strings.Contains(fmt.Sprint(b.eval("document.body.innerText")), hostile) {
		t.Errorf("hostile text: %v", b.eval("document.body.innerText"))
	}
	b.press("Stage the present values")
	b.until("[...document.querySelectorAll('button')].some(x => x.textContent == 'Commit') && " + pageRead)
	b.shot("staged")
	b.press("Roll back")
	b.until("document.getElementById('choose').open")
	b.key("Escape")
	b.until("document.getElementById('said').textContent.startsWith('Cancelled')")
	b.press("Commit")
	b.until("document.getElementById('choose').open")
	b.key("Tab") // from Cancel, where it begins
	b.press("Commit")
	b.until("document.getElementById('said').textContent == 'The changes are committed.' && document.body.innerText.includes('No BIOS setting waits for a reset.')")
	b.shot("committed")

	enter(login.Password) // the handle of the first one is gone with the page
	b.until("document.getElementById('choose').open")
	b.shot("maximum")
	b.key("Escape")
	b.until("document.getElementById('said').textContent.startsWith('Cancelled')")
	enter(login.Password)
	b.until("document.getElementById('choose').open")
	b.key(" ")
	b.press("End and go on")
	b.until(pageRead)
	stopILO()
	b.press("Refresh")
	b.until("document.querySelectorAll('.fault').length > 0 && " + pageRead)
	b.shot("no-ilo")
	stopAgent()
	b.press("Refresh")
	b.until("document.body.innerText.includes('The agent does not answer')")
	for _, asked := range b.asked {
		if u, err := url.Parse(asked); err != nil || !strings.HasPrefix(asked, origin) {
			t.Errorf("a request to %v", u)
		}
	}
	if len(b.asked) < 20 {
		t.Errorf("only %d requests seen", len(b.asked))
	}
}

// wait waits until there is a file.
func wait(t *testing.T, path string) {
	t.Helper()
	for range 600 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("no %s", path)
}
