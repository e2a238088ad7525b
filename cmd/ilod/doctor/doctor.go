// Package doctor finds out what is wrong between a host and its iLO, from the bottom up,
// and says what to do about it.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/ilod/ilod/agent"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/cmd/ilod/agentsocket"
	"github.com/ilod/ilod/platform"
)

// patience is how long doctor waits for what another process has: a channel, the
// instance lock.
const patience = time.Second

// Options say what is examined, and how the program around the doctor reaches it. All of
// them are needed, but for Fix and NoLogin.
type Options struct {
	Fix     bool // repair what can be repaired safely
	NoLogin bool // leave out checks that need a login

	Config  agent.Config
	Service string  // the name of the service, and of the user who runs it
	Files   []error // what others can change of the configuration; may have nil in it

	Agent  func(context.Context) (*agentsocket.Client, error) // connects to the one that commands use; nil if there is none
	Logged func(http.RoundTripper) http.RoundTripper          // tells the log about each exchange
	Told   func(error) bool                                   // whether an answer of the agent says itself what is wrong
	// Channels runs a function with channels of its own.
	Channels func(chif.Device, chif.TransportOptions, func(*chif.Transport) error) error
	// ILO runs a function with a session of its own on the iLO. It fails with
	// agentsocket.ErrAgentCame if an agent starts first.
	ILO func(context.Context, func(context.Context, http.RoundTripper) error) error
}

// Examine makes the checks. One that needs what an earlier one lacked is skipped.
func Examine(ctx context.Context, o Options) []Finding {
	d := &doctor{Options: o, root: "/", loadModule: platform.LoadModule}
	d.examine(ctx)
	return d.findings
}

// doctor examines this host and its iLO.
type doctor struct {
	Options
	findings

	root       string                              // of the file system: "/" but in tests
	loadModule func(context.Context, string) error // as platform.LoadModule
	barred     string                              // why no command without agent works now; empty: they do
}

func (d *doctor) examine(ctx context.Context) {
	device, err := chif.ParseDevice(d.Config.Device)
	if err != nil {
		d.problem("device", err)
		return
	}
	d.ok("device", "%s", device)
	client, dialing := d.Agent(ctx)
	if client != nil {
		defer client.Close()
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
	case strings.HasPrefix(d.Config.Device, "unix:"):
		d.skip("channels", "the holders of a socket's channels cannot be seen")
	case runtime.GOOS == "linux":
		explained = d.host(device.String(), opening)
	}
	served := client != nil || errors.Is(dialing, chif.ErrPermission)
	for _, err := range d.Files {
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
	if !d.Fix || !missing || e.Reason != chif.NoModule || os.Geteuid() != 0 || platform.ModuleBlocked(d.root, driver) != "" {
		return false
	}
	if err := d.loadModule(ctx, driver); err != nil {
		*reason = fmt.Errorf("%w; %w", *reason, err)
		return false
	}
	d.fixed("hpilo module", "loaded")
	return true
}
