package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/cmd/ilod/terminal"
	"github.com/ilod/ilod/platform"
)

// doctorPatience is how long doctor waits for what another process has: a
// channel, the instance lock.
const doctorPatience = time.Second

// finding is the result of one check.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok, problem, skip, or fixed: what --fix has done
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
	code   int
}

// findingIndent is where the detail of a line begins.
const findingIndent = 8 + 1 + 16 + 1

func (f finding) line() string {
	line := fmt.Sprintf("%-8s %-16s %s", f.Status, f.Check, f.Detail)
	if f.Remedy != "" {
		line += "; remedy: " + f.Remedy
	}
	return line
}

// findings collects results in order.
type findings []finding

func (x *findings) add(status, check, detail, remedy string, code int) {
	*x = append(*x, finding{check, status, oneLine(redact(detail)), remedy, code})
}

func (x *findings) ok(check, format string, args ...any) { x.advise(check, "", format, args...) }

// advise is ok with something that could be better.
func (x *findings) advise(check, remedy, format string, args ...any) {
	x.add("ok", check, fmt.Sprintf(format, args...), remedy, 0)
}

func (x *findings) skip(check, why string) { x.add("skip", check, why, "", 0) }

func (x *findings) problem(check string, err error) {
	_, hint := classify(err)
	x.trouble(check, hint, err)
}

// trouble is a problem with a remedy of its own.
func (x *findings) trouble(check, remedy string, err error) {
	row, _ := classify(err)
	x.add("problem", check, err.Error(), remedy, row.code)
}

func (x *findings) fixed(check, format string, args ...any) {
	x.add("fixed", check, fmt.Sprintf(format, args...), "", 0)
}

// doctor examines this host and its iLO.
type doctor struct {
	*app
	findings

	fix, noLogin bool
	root         string                              // of the file system: "/" but in tests
	loadModule   func(context.Context, string) error // as platform.LoadModule
	barred       string                              // why no command without agent works now; empty: they do
}

func (a *app) doctorCommand() *cobra.Command {
	d := &doctor{app: a, root: "/", loadModule: platform.LoadModule}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find what is wrong between this host and its iLO",
		Long: `Check everything between this host and its iLO from the bottom up, one line each,
and say what to do about a problem. The exit code is that of the first problem.

Doctor asks a running agent. Without one it opens a channel itself. It logs in once,
to read the iLO's session table, and logs out again; with --no-login it does not.

--fix repairs what it can repair safely, and says so: it loads the driver of an iLO
that is present, makes missing directories, and removes the socket of a dead agent.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.bounded(cmd.Context(), func(ctx context.Context) error {
				d.examine(ctx)
				if err := a.printFindings(d.findings); err != nil {
					return err
				}
				if i := slices.IndexFunc(d.findings, func(f finding) bool { return f.Status == "problem" }); i >= 0 {
					return reportedError{d.findings[i].code}
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&d.fix, "fix", false, "repair what can be repaired safely")
	cmd.Flags().BoolVar(&d.noLogin, "no-login", false, "skip checks that need a login")
	return cmd
}

func (a *app) printFindings(x findings) error {
	if a.json {
		return json.NewEncoder(a.stdout).Encode(x)
	}
	var b strings.Builder
	for _, f := range x {
		b.WriteString(terminal.Fold(f.line(), terminal.Width(a.stdout), findingIndent) + "\n")
	}
	_, err := a.stdout.Write([]byte(b.String()))
	return err
}

// examine makes the checks. One that needs what an earlier one lacked is
// skipped.
func (d *doctor) examine(ctx context.Context) {
	device, err := chif.ParseDevice(d.config.Device)
	if err != nil {
		d.problem("device", err)
		return
	}
	d.ok("device", "%s", device)
	client, dialing := d.dialAgent(ctx)
	if client != nil {
		defer client.close()
	}
	var channel string
	var opening error
	if client == nil { // else the agent has channels
		channel, opening = tryOpen(ctx, device)
		if d.loadDriver(ctx, &opening) {
			channel, opening = tryOpen(ctx, device)
		}
	}
	explained := false
	switch {
	case strings.HasPrefix(d.config.Device, "unix:"):
		d.skip("channels", "the holders of a socket's channels cannot be seen")
	case runtime.GOOS == "linux":
		explained = d.host(device.String(), opening)
	}
	served := client != nil || errors.Is(dialing, chif.ErrPermission)
	for _, err := range d.sharedFiles() {
		d.shared("configuration", err)
	}
	d.directories(served)
	d.space()
	d.service(served)
	if client != nil {
		d.throughAgent(ctx, client, device)
		return
	}
	d.noAgent(ctx, dialing)
	d.closedCache()
	switch {
	case explained:
		d.skip("channel", "there is no channel to open")
	case opening != nil:
		d.problem("channel", opening)
	default:
		d.ok("channel", "%s opens", channel)
	}
	if opening != nil {
		for _, check := range []string{"status", "service root", "session table"} {
			d.skip(check, "needs a channel")
		}
		return
	}
	d.direct(ctx, device)
}

// tryOpen opens a channel, tells its name and closes it.
func tryOpen(ctx context.Context, device chif.Device) (name string, err error) {
	channel, err := device.Open(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(channel), channel.Close()
}

// loadDriver does so if that is what is missing, and this user may. What goes
// wrong is added to the reason.
func (d *doctor) loadDriver(ctx context.Context, reason *error) (loaded bool) {
	e, missing := errors.AsType[*chif.NoDeviceError](*reason)
	if !d.fix || !missing || e.Reason != chif.NoModule || os.Geteuid() != 0 || platform.ModuleBlocked(d.root, driver) != "" {
		return false
	}
	if err := d.loadModule(ctx, driver); err != nil {
		*reason = fmt.Errorf("%w; %w", *reason, err)
		return false
	}
	d.fixed("hpilo module", "loaded")
	return true
}
