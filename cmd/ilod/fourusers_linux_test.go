package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ilod/ilod/chif/chiftest/need"
)

// fourUsers are users that each Linux has, by the role that the test gives them.
var fourUsers = []struct{ role, name string }{{"admin", "daemon"}, {"operator", "bin"}, {"reader", "sys"}, {"none", "nobody"}}

// TestFourUsers runs the lines of testdata/fourusers.txt as four users of the operating
// system: with an agent that keeps its state on disk, with one that keeps it in memory
// only, and without an agent. With -v it prints the table of what each line gave each.
func TestFourUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run programs as other users")
	}
	need.Program(t, "setpriv", "util-linux")
	built := programs(t)
	letThrough(t, built)
	text, err := os.ReadFile("testdata/fourusers.txt")
	if err != nil {
		t.Fatal(err)
	}
	agent, without, found := strings.Cut(string(text), "\n[without an agent]\n")
	if !found {
		t.Fatal("the file has no section without an agent")
	}
	for _, form := range []struct {
		name  string
		agent []string
		lines string
	}{{"disk", []string{"agent"}, agent}, {"nocache", []string{"agent", "--nocache"}, agent}, {"without agent", nil, without}} {
		t.Run(form.name, func(t *testing.T) {
			t.Parallel()
			u := &usersSite{site: newSite(t, built), alone: form.agent == nil, values: make([]map[string]string, len(fourUsers))}
			u.prepare()
			if form.agent != nil {
				p := u.start(u.ilod, form.agent...)
				u.until("the agent serves", u.serving)
				u.must(os.Chown(u.path("run/ilod.sock"), 0, rolesGroup))
				defer func() {
					u.must(p.Process.Signal(syscall.SIGTERM))
					u.wait(p)
					u.clean("at the end")
				}()
			}
			lines := bufio.NewScanner(strings.NewReader(form.lines))
			for lines.Scan() {
				u.line(lines.Text())
			}
			t.Log(u.table.String())
		})
	}
}

// rolesGroup is the group, "users", through which all four reach the socket: what they
// may do there is the agent's to say.
const rolesGroup = 100

// usersSite is a site that four users share.
type usersSite struct {
	*site
	alone  bool                // there is no agent, and each user has directories of the own
	values []map[string]string // of each user: what $NAME stands for
	rule   string
	table  bytes.Buffer
}

// letThrough lets everybody pass through dir.
func letThrough(t *testing.T, dir string) {
	t.Helper()
	for ; dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
}

func (u *usersSite) must(err error) {
	u.t.Helper()
	if err != nil {
		u.t.Fatal(err)
	}
}

func (u *usersSite) prepare() {
	letThrough(u.t, u.dir)
	var config strings.Builder
	for i, who := range fourUsers {
		u.must(os.Mkdir(u.path(who.name), 0o700))
		u.must(os.Chown(u.path(who.name), u.id(i), -1))
		u.values[i] = map[string]string{"USER": who.name, "ROLE": who.role, "DIR": u.dir}
		if who.role != "none" {
			fmt.Fprintf(&config, "[roles.%s]\nusers = [%q]\n", who.role, who.name)
		}
	}
	u.must(os.WriteFile(u.path("ilod.toml"), []byte(config.String()), 0o644))
	u.must(os.Chmod(u.path("ilod.toml"), 0o644))
	u.must(os.Chown(u.path("ilo"), u.id(0), -1))
	u.must(os.Chmod(u.path("ilo"), 0o600)) // a channel is its owner's
}

func (u *usersSite) id(i int) int {
	account, err := user.Lookup(fourUsers[i].name)
	u.must(err)
	id, err := strconv.Atoi(account.Uid)
	u.must(err)
	return id
}

// line runs one line: "# RULE", or four exit codes, or - for a user who does not run it,
// the arguments, and after " | " what its output must match. NAME= before the arguments
// keeps what it prints.
func (u *usersSite) line(line string) {
	if rule, found := strings.CutPrefix(line, "# "); found {
		u.rule = rule
		fmt.Fprintf(&u.table, "\n%s\n", rule)
		return
	}
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return
	}
	if len(fields) < 5 {
		u.t.Fatalf("not a line of the table: %s", line)
	}
	rest := strings.Join(fields[4:], " ")
	command, pattern, _ := strings.Cut(rest, " | ")
	fmt.Fprintf(&u.table, "  %-60s", command)
	for i, want := range fields[:4] {
		if want == "-" {
			fmt.Fprint(&u.table, "   -")
			continue
		}
		code := u.as(i, command, want, pattern)
		fmt.Fprintf(&u.table, " %3d", code)
	}
	fmt.Fprintln(&u.table)
}

var keeping = regexp.MustCompile(`^([A-Z]+)=(.*)`)

// as runs a command as one of the users.
func (u *usersSite) as(i int, command, want, pattern string) int {
	u.t.Helper()
	values := u.values[i]
	expand := func(s string) string { return os.Expand(s, func(name string) string { return u.value(values, name) }) }
	var keep string
	if m := keeping.FindStringSubmatch(command); m != nil {
		keep, command = m[1], m[2]
	}
	args := []string{"--reuid", fourUsers[i].name, "--regid", strconv.Itoa(rolesGroup), "--clear-groups", u.ilod}
	for _, arg := range strings.Fields(command) {
		args = append(args, expand(arg))
	}
	cmd := exec.CommandContext(u.t.Context(), "setpriv", args...)
	cmd.Env, cmd.Dir = u.env, "/"
	if u.alone {
		cmd.Env = append(slices.Clone(u.env), "ILOD_STATE_DIR="+u.path(fourUsers[i].name+"/state"), "ILOD_RUNTIME_DIR="+u.path(fourUsers[i].name+"/run"))
	}
	var out, chatter bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &chatter
	err := cmd.Run()
	if _, exit := errors.AsType[*exec.ExitError](err); err != nil && !exit {
		u.t.Fatal(err)
	}
	code := cmd.ProcessState.ExitCode()
	both := out.String() + chatter.String()
	if strconv.Itoa(code) != want {
		u.t.Errorf("%s: %s (%s): %s: exit code %d, want %s: %s", u.rule, fourUsers[i].name, fourUsers[i].role, command, code, want, both)
	}
	if keep != "" {
		values[keep] = strings.TrimSpace(out.String())
		values[keep+"ID"], _, _ = strings.Cut(values[keep], ".")
	}
	// The character "^" in a pattern means the beginning of a line.
	if pattern != "" && code == 0 && !regexp.MustCompile("(?m)"+os.Expand(pattern, func(name string) string {
		if name == "" {
			return "$"
		}
		return regexp.QuoteMeta(u.value(values, name))
	})).MatchString(both) {
		u.t.Errorf("%s: %s: %s: no match of %s: %s", u.rule, fourUsers[i].name, command, pattern, both)
	}
	return code
}

// value is what $NAME stands for: the user's own, or after the name of a role, as
// ADMIN_HANDLE, another's.
func (u *usersSite) value(own map[string]string, name string) string {
	for i, who := range fourUsers {
		if rest, found := strings.CutPrefix(name, strings.ToUpper(who.role)+"_"); found {
			return u.values[i][rest]
		}
	}
	return own[name]
}
