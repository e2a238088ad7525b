package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/ilod/ilod/agent"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/cmd/ilod/agentsocket"
	"github.com/ilod/ilod/cmd/ilod/doctor"
)

// TestDoctorEndsWithTheCodeOfTheFirstProblem, and gives the remedy of its error unless it
// has one of its own. No secret is shown, and nothing makes a line of its own.
func TestDoctorEndsWithTheCodeOfTheFirstProblem(t *testing.T) {
	problem := func(remedy string, err error) doctor.Finding {
		return doctor.Finding{Check: "check", Status: "problem", Detail: err.Error(), Remedy: remedy, Err: err}
	}
	for name, c := range map[string]struct {
		found []doctor.Finding
		code  int
		want  string
	}{
		"no problem":  {[]doctor.Finding{{Check: "check", Status: "ok", Detail: "good", Remedy: "do more"}}, 0, `^ok       check            good; remedy: do more\n$`},
		"no device":   {[]doctor.Finding{problem("", &chif.NoDeviceError{Reason: chif.VirtualMachine})}, 34, `^problem  check            .*; remedy: run on the hypervisor's host`},
		"permission":  {[]doctor.Finding{problem("", fmt.Errorf("%w: open", chif.ErrPermission))}, 5, `; remedy: run as root`},
		"its own":     {[]doctor.Finding{problem("wait", chif.ErrPermission)}, 5, `; remedy: wait\n$`},
		"no agent":    {[]doctor.Finding{problem("wait", agentsocket.ErrNoAgent)}, 94, `problem`},
		"late":        {[]doctor.Finding{problem("wait", agentsocket.ErrOverdue)}, 33, `problem`},
		"--device":    {[]doctor.Finding{problem("wait", agent.ErrConfig)}, 2, `problem`},
		"any other":   {[]doctor.Finding{problem("", errors.New("other"))}, 255, `^problem  check            other\n$`},
		"two":         {[]doctor.Finding{problem("", context.DeadlineExceeded), problem("", agentsocket.ErrNoAgent)}, 33, `problem.*\nproblem`},
		"a secret":    {[]doctor.Finding{{Check: "check", Status: "ok", Detail: "0123456789abcdef0123456789abcdef"}}, 0, `check            \[redacted\]\n$`},
		"a line feed": {[]doctor.Finding{{Check: "check", Status: "ok", Detail: "one\ntwo"}}, 0, `^ok       check            one.*two\n$`},
	} {
		t.Run(name, func(t *testing.T) {
			file, err := os.Create(filepath.Join(t.TempDir(), "out"))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			ended, _ := errors.AsType[reportedError](newApp(nil, file, os.Stderr).printFindings(c.found))
			out, err := os.ReadFile(file.Name())
			if err != nil || ended.code != c.code || !regexp.MustCompile(c.want).Match(out) {
				t.Errorf("exit code %d, want %d; output %q; %v", ended.code, c.code, out, err)
			}
		})
	}
}
