package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// companions are the files that HPE's examples name.
var companions = map[string]string{
	"rawpatch.json": `{"/redfish/v1/systems/1":{"AssetTag":"NewAssetTag"}}`,
	"rawpost.json":  `{"/redfish/v1/Systems/1/Actions/ComputerSystem.Reset/":{"ResetType":"ForceRestart"}}`,
	"put.json":      `{"/redfish/v1/Systems/1/Bios/Settings/":{"Attributes":{"BaseConfig":"default"}}}`,
}

// published are the command lines of a file in testdata/migration, and what they exit with.
func published(t *testing.T, file string) (lines []string, exits []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "migration", file))
	if err != nil {
		t.Fatal(err)
	}
	page, code := "", "0"
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		switch comment, isComment := strings.CutPrefix(line, "# "); {
		case line == "":
			page = ""
		case strings.HasPrefix(comment, "https://"):
			page = comment
		case isComment && strings.HasPrefix(comment, "exits "):
			code = strings.TrimPrefix(comment, "exits ")
		case !isComment && page == "":
			t.Fatalf("%s: %s: on which page?", file, line)
		case !isComment:
			lines, exits = append(lines, line), append(exits, code)
			code = "0"
		}
	}
	return lines, exits
}

// TestMigration runs command lines that HPE has published for ilorest: ilod is
// called ilorest, and nothing else is changed.
func TestMigration(t *testing.T) {
	program := release(t)
	t.Run("builtin", func(t *testing.T) { migrate(t, program, "ilorest.sh", 30, redfish.Options{}) })
	t.Run("server", func(t *testing.T) {
		t.Setenv(testdata, tree.Testdata(t))
		server, err := realTree("ilo5-3.11")
		if err != nil {
			t.Fatal(err)
		}
		migrate(t, program, "server.sh", 10, redfish.Options{Tree: server})
	})
}

func migrate(t *testing.T, program, file string, least int, o redfish.Options) {
	device, service := simulator(t, o)
	dir := t.TempDir()
	ilorest := &timed{program: filepath.Join(dir, "bin", "ilorest"), env: environment(t, device)}
	err := os.Mkdir(filepath.Dir(ilorest.program), 0o700)
	for name, text := range companions {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	if err = errors.Join(err, os.Link(program, ilorest.program)); err != nil {
		t.Fatal(err)
	}
	ilorest.env = append(ilorest.env, "PATH="+filepath.Dir(ilorest.program)+":"+os.Getenv("PATH"))
	startAgent(t, ilorest)
	for _, name := range []string{"two", "three"} { // for the one that is deleted
		ilorest.run(t, "raw", "POST", "/redfish/v1/AccountService/Accounts", "--data", `{"UserName":"`+name+`","Password":"12345678","RoleId":"ReadOnly"}`)
	}
	lines, exits := published(t, file)
	different := map[string]bool{}
	for i, line := range lines {
		different[line] = true
		cmd := exec.Command("sh", "-c", line)
		cmd.Env, cmd.Dir = ilorest.env, dir
		if out, err := cmd.CombinedOutput(); exitedWith(err, exits[i]) != nil {
			t.Errorf("%s: %v\n%s", line, exitedWith(err, exits[i]), out)
		}
	}
	if len(different) < least {
		t.Errorf("%d different command lines", len(different))
	}
	ilorest.run(t, "agent", "stop")
	if s := service.Stats(); s.Sessions != 0 {
		t.Errorf("%d sessions left", s.Sessions)
	}
}
