package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// TestWhatOthersCanChangeIsNamed with the command that mends it: the agent does not
// start, a command goes on with a warning, and doctor counts it as a problem. What is as
// it should be is not spoken of.
func TestWhatOthersCanChangeIsNamed(t *testing.T) {
	asRoot(t)
	device, _ := simulator(t, redfish.Options{})
	for _, c := range []struct {
		what, name string
		owner      int
		mode       os.FileMode
		want       string // nothing is wrong: empty
	}{
		{"nothing", "etc/ilod.toml", 0, 0o644, ""},
		{"the file's owner", "etc/ilod.toml", serviceUser, 0o644, "chown root "},
		{"the file's mode", "etc/ilod.toml", 0, 0o646, "chmod go-w "},
		{"the file's group", "etc/ilod.toml", 0, 0o664, ""}, // root's
		{"the directory's owner", "etc", serviceUser, 0o755, "chown root "},
		{"the directory's mode", "etc", 0, 0o777, "chmod go-w "},
		{"the credentials' owner", "etc/credentials", serviceUser, 0o600, "chown root "},
		{"the state directory's owner", "state", serviceUser, 0o700, "chown root "},
		{"the state directory's mode", "state", 0, 0o777 | os.ModeSticky, "chmod go-w "},
		{"the runtime directory's owner", "run", serviceUser, 0o755, "chown root "},
		{"the runtime directory's mode", "run", 0, 0o777, "chmod go-w "},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := t.TempDir()
			in := func(name string) string { return filepath.Join(dir, name) }
			for _, name := range []string{"etc", "state", "run"} {
				if err := os.Mkdir(in(name), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			config := "device = '" + device + "'\nstate-dir = '" + in("state") + "'\nruntime-dir = '" + in("run") + "'\ncredentials-file = '" + in("etc/credentials") + "'\n"
			for name, text := range map[string]string{"etc/ilod.toml": config, "etc/credentials": "username = 'a'\npassword = 'b'\n"} {
				if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chown(in(c.name), c.owner, 0); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(in(c.name), c.mode); err != nil {
				t.Fatal(err)
			}
			ilod := func(args string) (stdout, stderr string, code int) {
				cmd := exec.Command("ilod", append(strings.Fields(args), "--config", in("etc/ilod.toml"))...)
				var out, complaint strings.Builder
				cmd.Stdout, cmd.Stderr = &out, &complaint
				_ = cmd.Run()
				return out.String(), complaint.String(), cmd.ProcessState.ExitCode()
			}
			remedy := "run '" + c.want + in(c.name) + "'"
			out, said, code := ilod("raw GET /redfish/v1/")
			if code != 0 || !strings.Contains(out, "RedfishVersion") || strings.Contains(said, "warning: "+in(c.name)) != (c.want != "") || strings.Contains(said, remedy) != (c.want != "") {
				t.Errorf("a command: %d, %s", code, said)
			}
			out, _, code = ilod("doctor --no-login")
			if out = strings.Join(strings.Fields(out), " "); strings.Contains(out, remedy) != (c.want != "") || c.want != "" && code == 0 {
				t.Errorf("doctor: %d, %s", code, out)
			}
			if c.want == "" {
				return // the agent would serve
			}
			if _, said, code = ilod("agent"); code != 2 || !strings.Contains(said, remedy) {
				t.Errorf("the agent: %d, %s", code, said)
			}
		})
	}
}
