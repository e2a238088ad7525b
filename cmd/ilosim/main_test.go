package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ilod/ilod/chif"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ilosim": main})
}

func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// terminate sends SIGTERM to the program in the background.
			"terminate": func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Check(ts.BackgroundCmds()[0].Process.Signal(syscall.SIGTERM))
			},
		},
	})
}

// TestCommandLine: what cannot be meant is one clear line and exit status 2.
func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	listen := "--listen=unix:" + filepath.Join(dir, "ilo")
	badFaults, badRule := filepath.Join(dir, "faults"), filepath.Join(dir, "rule")
	os.WriteFile(badFaults, []byte(`{"rule":[]}`), 0o600)
	os.WriteFile(badRule, []byte(`{"rules":[{"fault":"x"}]}`), 0o600)
	for want, args := range map[string][]string{
		"--listen unix:PATH is missing":     {},
		"an address has the form unix:PATH": {"--listen", "/tmp/ilo"},
		"unknown command":                   {listen, "more"},
		"unknown flag: --nosuch":            {listen, "--nosuch"},
		"--generation is 4, 5 or 6, not 7":  {listen, "--generation=7"},
		"--resources is 1 to 3000":          {listen, "--resources=3001"},
		"--max-sessions is negative":        {listen, "--max-sessions=-1"},
		"--limit-status is 400, 403 or 503": {listen, "--limit-status=404"},
		"--foreign-sessions is negative":    {listen, "--foreign-sessions=-1"},
		"--latency is negative":             {listen, "--latency=-1s"},
		"--max-channels is at least 1":      {listen, "--max-channels=0"},
		"an iLO has 1 to 32 channels":       {listen, "--max-channels=33"},
		"-1m0s is negative":                 {listen, "--idle-timeout=-1m"},
		"there is no such security state":   {listen, "--security-state=Paranoid"},
		"--tree: ":                          {listen, "--tree=" + filepath.Join(dir, "none")},
		"--faults: open":                    {listen, "--faults=" + filepath.Join(dir, "none")},
		`unknown field "rule"`:              {listen, "--faults=" + badFaults},
		`unknown fault "x"`:                 {listen, "--faults=" + badRule},
		"accepts between 2 and 3 arg(s)":    {"ctl", "--control=unix:x", "GET"},
		"--control unix:PATH is missing":    {"ctl", "GET", "/stats"},
		"does not begin with a slash":       {"ctl", "--control=unix:x", "GET", "stats"},
		`invalid method "G T"`:              {"ctl", "--control=unix:x", "g t", "/stats"},
	} {
		var out, err bytes.Buffer
		code := run(t.Context(), args, &out, &err)
		line, rest, _ := strings.Cut(err.String(), "\n")
		if code != 2 || !strings.HasPrefix(line, "ilosim: ") || !strings.Contains(line, want) || rest != "see 'ilosim --help'\n" || out.Len() > 0 {
			t.Errorf("%q: exit status %d, stdout %q, stderr %q, want %q", args, code, &out, &err, want)
		}
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, &out, io.Discard); code != 0 || !strings.Contains(out.String(), "--max-sessions") {
		t.Errorf("--help: %d, %q", code, &out)
	}
}

// simulator runs ilosim until stop, which returns its exit status and standard
// error. It returns when ilosim is ready.
func simulator(t *testing.T, args ...string) (path string, stop func() (int, string)) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "ilo")
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"--listen", "unix:" + path}, args...), io.Discard, w)
		w.Close()
	}()
	ready := make([]byte, 200)
	n, err := r.Read(ready)
	if err != nil || !strings.Contains(string(ready[:n]), " resources on unix:"+path) {
		t.Fatalf("%q, %v", ready[:n], err)
	}
	return path, func() (int, string) {
		cancel()
		rest, _ := io.ReadAll(r)
		return <-code, string(rest)
	}
}

// TestCheck: --check fails with a list of what was left.
func TestCheck(t *testing.T) {
	path, stop := simulator(t, "--check", "--idle-timeout=0", "--security-state=highsecurity")
	d, err := chif.ParseDevice("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := chif.NewTransport(d, chif.TransportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	st, err := tr.Status(t.Context())
	if err != nil || st.SecurityState != chif.SecurityHigh || st.Generation() != 5 {
		t.Errorf("status %+v, %v", st, err)
	}
	resp, err := (&http.Client{Transport: tr, Timeout: time.Minute}).Post("http://ilo/redfish/v1/SessionService/Sessions/",
		"application/json", strings.NewReader(`{"UserName":null,"Password":null}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatal(resp.Status)
	}
	code, stderr := stop()
	if code != 1 || !strings.Contains(stderr, "channel 0 is open") || !strings.Contains(stderr, "session ") {
		t.Errorf("exit status %d, stderr %q", code, stderr)
	}
}

func TestNothingLeft(t *testing.T) {
	_, stop := simulator(t, "--check", "--max-sessions=0", "--generation=4")
	if code, stderr := stop(); code != 0 || stderr != "" {
		t.Errorf("exit status %d, stderr %q", code, stderr)
	}
}
