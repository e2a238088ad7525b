package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// issuing is an iLO that remembers the tokens it gave out.
type issuing struct {
	next   http.Handler
	mu     sync.Mutex
	tokens []string
}

func (i *issuing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.next.ServeHTTP(w, r)
	if token := w.Header().Get(tokenHeader); token != "" {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.tokens = append(i.tokens, token)
	}
}

// shows is an error if one of the tokens is in a text.
func (i *issuing) shows(text string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, token := range i.tokens {
		if strings.Contains(text, token) {
			return fmt.Errorf("the token %s shows", token)
		}
	}
	return nil
}

// TestSecretsStayInside runs commands, and an agent, that tell all they can, and
// looks for the iLO's tokens, the password and handles of client sessions in their
// output and files.
func TestSecretsStayInside(t *testing.T) {
	const password = "Correct-Horse-9"
	service, err := redfish.New(redfish.Options{
		RequireHostAuthentication: true, Foreign: redfish.EveryKind(),
		Accounts: []redfish.Account{{UserName: "Administrator", Password: password}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ilo := &issuing{next: service}
	dir, account := t.TempDir(), t.TempDir()
	socket := filepath.Join(account, "ilo.sock")
	if err := chiftest.New(t, chiftest.Options{Handler: ilo}).ListenUnix(socket); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"ilod.toml":   "device = 'unix:" + socket + "'\ncredentials-file = '" + filepath.Join(account, "credentials") + "'\n",
		"credentials": "username = 'Administrator'\npassword = '" + password + "'\n",
	} {
		if err := os.WriteFile(filepath.Join(account, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := append(os.Environ(), "ILOD_DEVICE=unix:"+socket, "ILOD_CONFIG="+filepath.Join(account, "ilod.toml"),
		"ILOD_STATE_DIR="+filepath.Join(dir, "state"), "ILOD_RUNTIME_DIR="+filepath.Join(dir, "run"))
	var said bytes.Buffer
	var handles []string
	ilod := func(args string) string {
		var stdout, stderr bytes.Buffer
		cmd := exec.Command("ilod", append(strings.Fields(args), "-vv")...)
		cmd.Env, cmd.Stdout, cmd.Stderr = env, &stdout, &stderr
		cmd.Stdin = strings.NewReader("get PowerState --select ComputerSystem.\nsession show\n")
		if err := cmd.Run(); cmd.ProcessState == nil {
			t.Fatal(err)
		}
		said.Write(stderr.Bytes())
		if !strings.HasPrefix(args, "session new") && !strings.HasPrefix(args, "session use") {
			said.Write(stdout.Bytes())
		}
		return strings.TrimSpace(stdout.String())
	}
	some := []string{
		"get /redfish/v1/Systems/1/ --fresh", "raw GET /redfish/v1/SessionService/Sessions/ --json", "raw HEAD /redfish/v1/",
		"raw POST /redfish/v1/SessionService/Sessions/ --data {}", "rawget /redfish/v1/Systems/1/ --getheaders --fresh",
		"get /redfish/v1/Nowhere --json", "ilo-sessions list --json", "config show", "config show --json", "doctor", "batch -",
		"set AssetTag=x --select ComputerSystem. --commit", "serverinfo",
		"login -u Administrator -p " + password, "get --url https://Administrator:" + password + "@ilo/ PowerState", "login https://Administrator:" + password + "@ilo/",
		"commit --biospassword " + password, "rawpatch nowhere --biospassword " + password,
	}
	for _, args := range some {
		ilod(args)
	}

	agent := exec.Command("ilod", "agent", "-vv")
	agent.Env = env
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	agent.Stderr = log
	ended := serve(t, agent, filepath.Join(dir, "run", "ilod.sock"))
	for range 2 {
		handles = append(handles, ilod("session new --name secret"))
		env = append(env, "ILOD_SESSION="+handles[len(handles)-1])
		for _, args := range append(slices.Clone(some), "session show --json", "session list --json", "session set recursive off",
			"select ComputerSystem.", "get PowerState --session "+handles[0], "tx begin", "raw PATCH /redfish/v1/Systems/1/ --data {\"AssetTag\":\"y\"}",
			"tx status", "tx diff --json", "tx commit", "health", "agent status --json", "cache stats", "limits show", "status", "login --ilo --json",
			"get /redfish/v1/ --session "+handles[0]+"x", "session rotate-key", "get /redfish/v1/", "logout --ilo") {
			ilod(args)
		}
		env = env[:len(env)-1]
	}
	ilod("agent stop")
	if err := <-ended; err != nil {
		t.Error(err)
	}

	files := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		said.Write(data)
		return err
	})
	if err != nil || files < 2 {
		t.Fatalf("%d files, %v", files, err)
	}
	ilo.mu.Lock()
	defer ilo.mu.Unlock()
	secrets := append(slices.Clone(ilo.tokens), password)
	for _, handle := range handles {
		if !client.IsHandle(handle) {
			t.Fatalf("%q is no handle", handle)
		}
		secrets = append(secrets, handle[strings.LastIndexByte(handle, '.')+1:])
	}
	t.Logf("%d secrets in %d bytes", len(secrets), said.Len())
	if len(ilo.tokens) < 5 {
		t.Errorf("%d tokens", len(ilo.tokens))
	}
	for _, secret := range secrets {
		if at := bytes.Index(said.Bytes(), []byte(secret)); at >= 0 {
			t.Errorf("%q shows: …%s", secret, said.Bytes()[max(at-300, 0):at+len(secret)])
		}
	}
}
