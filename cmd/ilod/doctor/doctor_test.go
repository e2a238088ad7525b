package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/agent"
	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/cmd/ilod/agentsocket"
)

// newDoctor returns one whose directories and root are those of the test; files
// are made below the root.
func newDoctor(t *testing.T, files map[string]string) *doctor {
	t.Helper()
	d := &doctor{root: t.TempDir(), loadModule: func(context.Context, string) error {
		t.Error("a module is loaded")
		return nil
	}}
	d.Options = Options{
		Config: agent.DefaultConfig(t.TempDir(), t.TempDir()), Service: "ilod",
		Agent: func(ctx context.Context) (*agentsocket.Client, error) {
			return agentsocket.Dial(ctx, d.Config.SocketPath())
		},
		Logged: func(rt http.RoundTripper) http.RoundTripper { return rt },
		Told:   func(error) bool { return false },
	}
	for name, content := range files {
		path := filepath.Join(d.root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// line is a finding as the program prints it, but for remedies that belong to an error
// of any command.
func (f Finding) line() string {
	if e, ok := errors.AsType[*chif.NoDeviceError](f.Err); ok {
		f.Remedy = cmp.Or(f.Remedy, Remedy(e.Reason))
	}
	line := fmt.Sprintf("%-8s %-16s %s", f.Status, f.Check, f.Detail)
	if f.Remedy != "" {
		line += "; remedy: " + f.Remedy
	}
	return line
}

// The errors for which the program has an exit code of its own, and all others.
var (
	special  = []error{chif.ErrNoDevice, chif.ErrPermission, agentsocket.ErrNoAgent, context.DeadlineExceeded, agent.ErrConfig}
	errOther = errors.New("an error that is none of these")
)

// want asserts that a finding with this text is there, and its error; nil is none.
func (d *doctor) want(t *testing.T, want error, pattern string) {
	t.Helper()
	class := func(err error) error {
		for _, s := range special {
			if errors.Is(err, s) {
				return s
			}
		}
		if err != nil {
			return errOther
		}
		return nil
	}
	if !slices.ContainsFunc(d.findings, func(f Finding) bool {
		return class(f.Err) == want && (f.Err != nil) == (f.Status == "problem") && regexp.MustCompile(pattern).MatchString(f.line())
	}) {
		t.Errorf("no finding %q with the error %v in:", pattern, want)
		for _, f := range d.findings {
			t.Errorf("%v: %s", f.Err, f.line())
		}
	}
}

// iloFunction is the PCI function of an iLO.
func iloFunction(subsystem string) map[string]string {
	dir := "sys/bus/pci/devices/0000:01:00.2/"
	return map[string]string{dir + "vendor": "0x103c\n", dir + "device": "0x3307\n", dir + "subsystem_vendor": "0x103c\n", dir + "subsystem_device": subsystem}
}

func TestDoctorHost(t *testing.T) {
	none := func(reason chif.NoDeviceReason) error {
		return &chif.NoDeviceError{Address: "/dev/hpilo", Reason: reason}
	}
	module := map[string]string{"sys/module/hpilo/version": "1.5.0\n", "sys/module/hpilo/parameters/max_ccb": "16\n"}
	for name, c := range map[string]struct {
		files   map[string]string
		opening error
		err     error
		want    string
	}{
		"healthy":      {module, nil, nil, `^ok       hpilo module     loaded, version 1\.5\.0, max_ccb 16$`},
		"machine":      {map[string]string{"sys/class/dmi/id/sys_vendor": "HPE", "sys/class/dmi/id/product_name": "ProLiant DL360 Gen10"}, nil, nil, `^ok       machine          HPE ProLiant DL360 Gen10$`},
		"function":     {iloFunction("0x3381"), nil, nil, `^ok       PCI function     0000:01:00\.2 is 103c:3307, subsystem 103c:3381, without driver$`},
		"auxiliary":    {iloFunction("0x1979"), none(chif.ModuleWithoutDevice), chif.ErrNoDevice, `^problem  PCI function     .*subsystem 103c:1979, which the hpilo driver does not support; remedy: use this iLO over the network$`},
		"virtual":      {nil, none(chif.VirtualMachine), chif.ErrNoDevice, `^problem  machine          .*; remedy: run on the hypervisor's host`},
		"no function":  {nil, none(chif.NoFunction), chif.ErrNoDevice, `^problem  PCI function     .*; remedy: on an iLO 7 use Redfish over the virtual NIC`},
		"virtual NIC":  {nil, none(chif.NoFunction), nil, `^skip     virtual NIC      no address in 16\.1\.15\.0/30$`},
		"no module":    {nil, none(chif.NoModule), chif.ErrNoDevice, `^problem  hpilo module     .*; remedy: run 'modprobe hpilo'`},
		"blocked":      {map[string]string{"etc/modprobe.d/x.conf": "blacklist hpilo"}, none(chif.NoModule), chif.ErrNoDevice, `; remedy: remove 'blacklist hpilo' in /etc/modprobe.d/x.conf, then run 'modprobe hpilo'$`},
		"not packaged": {map[string]string{"proc/sys/kernel/osrelease": "6.8.0-31", "lib/modules/6.8.0-31/modules.dep": "x.ko:"}, none(chif.NoModule), chif.ErrNoDevice, `; remedy: install hpilo\.ko of kernel 6\.8\.0-31; it is in linux-modules-extra`},
		"no iLO":       {module, none(chif.ModuleWithoutDevice), chif.ErrNoDevice, `^problem  hpilo module     .*; remedy: on an iLO 7 use Redfish`},
		"no nodes":     {module, none(chif.NoNodes), chif.ErrNoDevice, `^problem  nodes            .*; remedy: in a container, hand in /dev/hpilo`},
		"no directory": {nil, none(chif.NoDirectory), chif.ErrNoDevice, `^problem  nodes            .*; remedy: correct the device path`},
		"permission":   {nil, fmt.Errorf("%w: open", chif.ErrPermission), chif.ErrPermission, `^problem  permission       .*: open$`},
		"busy":         {nil, chif.ErrBusy, nil, `^skip     nodes            not there$`},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoctor(t, c.files)
			explained := d.host(filepath.Join(d.root, "dev/hpilo"), c.opening)
			d.want(t, c.err, c.want)
			if explained != (c.err != nil || name == "virtual NIC") {
				t.Errorf("explained: %v", explained)
			}
		})
	}
}

func TestDoctorChannels(t *testing.T) {
	d := newDoctor(t, map[string]string{"dev/hpilo/d0ccb0": "", "dev/hpilo/d0ccb1": "", "proc/812/status": "Name:\tamsd\nUid:\t0\t0\t0\t0\n", "proc/812/fd/x": ""})
	dir := filepath.Join(d.root, "dev/hpilo")
	if err := os.Symlink(filepath.Join(dir, "d0ccb1"), filepath.Join(d.root, "proc/812/fd/7")); err != nil {
		t.Fatal(err)
	}
	d.channels(dir)
	d.want(t, nil, `^ok       channels         1 of 2 are held$`)
	d.want(t, nil, `^ok       channel holder   amsd, process 812 of root: d0ccb1$`)
	if err := os.RemoveAll(filepath.Join(d.root, "proc")); err != nil {
		t.Fatal(err)
	}
	d.channels(dir)
	d.want(t, nil, `^skip     channels         the processes cannot be seen: `)
}

func TestDoctorVirtualNIC(t *testing.T) {
	d := newDoctor(t, nil)
	d.virtualNIC([]net.Addr{&net.IPNet{IP: net.IPv4(127, 0, 0, 1), Mask: net.CIDRMask(8, 32)}, &net.IPNet{IP: net.IPv4(16, 1, 15, 2), Mask: net.CIDRMask(30, 32)}})
	d.want(t, nil, `^ok       virtual NIC      16\.1\.15\.2/30: Redfish with credentials is at https://16\.1\.15\.1$`)
}

func TestDoctorLoadsDriver(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("root loads modules")
	}
	noModule := error(&chif.NoDeviceError{Reason: chif.NoModule})
	for name, c := range map[string]struct {
		fix     bool
		files   map[string]string
		reason  error
		failure error
		calls   int
	}{
		"loaded":     {true, nil, noModule, nil, 1},
		"fails":      {true, nil, noModule, errors.New("modprobe hpilo: no"), 1},
		"not wanted": {false, nil, noModule, nil, 0},
		"blocked":    {true, map[string]string{"etc/modprobe.d/x.conf": "blacklist hpilo"}, noModule, nil, 0},
		"no iLO":     {true, nil, &chif.NoDeviceError{Reason: chif.NoFunction}, nil, 0},
		"no need":    {true, nil, nil, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoctor(t, c.files)
			calls := 0
			d.Fix, d.loadModule = c.fix, func(_ context.Context, name string) error {
				if calls++; name != "hpilo" {
					t.Errorf("module %q", name)
				}
				return c.failure
			}
			reason := c.reason
			loaded := d.loadDriver(t.Context(), &reason)
			if calls != c.calls || loaded != (calls == 1 && c.failure == nil) {
				t.Errorf("%d calls, loaded: %v", calls, loaded)
			}
			if loaded {
				d.want(t, nil, `^fixed    hpilo module     loaded$`)
			}
			if c.failure != nil {
				d.host("/dev/hpilo", reason)
				d.want(t, chif.ErrNoDevice, `^problem  hpilo module     .*not loaded; modprobe hpilo: no; remedy: run 'modprobe hpilo'`)
			}
		})
	}
}

func TestDoctorService(t *testing.T) {
	d := newDoctor(t, nil)
	step := func(running bool, err error, want string) {
		t.Helper()
		d.findings = nil
		d.service(running)
		d.want(t, err, want)
	}
	file := func(name, target string) {
		t.Helper()
		path := filepath.Join(d.root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(target, path)); err != nil {
			t.Fatal(err)
		}
	}
	step(false, nil, `^skip     service          there is no systemd here$`)
	file("run/systemd/system/x", "y")
	step(false, nil, `^ok       service          not installed; commands work without it; remedy: install ilod's package if an agent is wanted$`)
	file("lib/systemd/system/ilod.service", "x")
	step(false, nil, `^ok       service          .*/ilod\.service, not enabled; remedy: run 'systemctl enable --now ilod' if`)
	file("etc/systemd/system/multi-user.target.wants/ilod.service", "x")
	step(true, nil, `^ok       service          .*/ilod\.service, enabled$`)
	step(false, nil, `^ok       service          .*/ilod\.service, enabled$`) // with another agent's directories
	d.Config.Socket = "/run/ilod/ilod.sock"
	step(false, agentsocket.ErrNoAgent, `^problem  service          .*/ilod\.service is enabled, but no agent is running; remedy: run 'systemctl restart ilod'`)
	file("etc/systemd/system/ilod.service", "/dev/null")
	step(false, nil, `^ok       service          .*/ilod\.service, masked; remedy: run 'systemctl unmask ilod' if`)
}

func TestDoctorClock(t *testing.T) {
	now := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	for date, c := range map[string]struct {
		err  error
		want string
	}{
		"Sat, 21 Nov 2026 20:00:59 GMT": {nil, `^ok       clock            the iLO's clock agrees with this host's$`},
		"Sat, 21 Nov 2026 22:00:00 GMT": {errOther, `^problem  clock            the iLO's is 2h0m0s ahead of this host's: 2026-11-21T22:00:00Z; remedy: see 'date' and `},
		"Wed, 21 Nov 2001 20:00:00 GMT": {errOther, `the iLO's is 9131 days behind this host's: `},
		"":                              {nil, `^skip     clock            the iLO does not report its time$`},
	} {
		d := newDoctor(t, nil)
		d.clock(date, now)
		d.want(t, c.err, c.want)
	}
}

// answers is an agent that says what a real one says only after bad luck.
type answers map[string]string

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Request: r, Body: io.NopCloser(strings.NewReader(a[r.URL.Path]))}, nil
}

func TestDoctorOpenCache(t *testing.T) {
	for body, c := range map[string]struct {
		err  error
		want string
	}{
		`{"store":{"fallback":"no space left"}}`:        {errOther, `^problem  cache            in memory: no space left; remedy: repair the state directory, then restart the agent$`},
		`{"store":{"onDisk":true,"damaged":3}}`:         {errOther, `^problem  cache            3 of its entries were damaged; remedy: nothing to do: they are read again\.`},
		`{"store":{"entries":7}}`:                       {nil, `^ok       cache            7 answers, in memory`},
		`{"store":{"onDisk":true,"diskBytes":2000000}}`: {nil, `^ok       cache            0 answers, 1953 KiB on disk$`},
		`nonsense`: {errOther, `^problem  cache            the agent's answer about /ilod/v1/cache: `},
	} {
		d := newDoctor(t, nil)
		d.openCache(t.Context(), answers{"/ilod/v1/cache": body})
		d.want(t, c.err, c.want)
	}
}

func TestDoctorAgentState(t *testing.T) {
	device, err := chif.ParseDevice("unix:/x")
	if errors.Is(err, chif.ErrUnsupportedPlatform) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	d := newDoctor(t, nil)
	d.agentState(api.Status{
		Agent:   api.Agent{Device: "unix:/x", Version: "1"},
		Session: api.ILOStatus{LedgerError: "read-only file system", Logins: 3, Refusals: 1},
	}, device)
	d.want(t, nil, `^ok       agent session    none; 3 logins, 1 failed$`)
	d.want(t, errOther, `^problem  ledger           read-only file system; remedy: let the agent write to its directories`)
}

func TestDoctorSilentAgent(t *testing.T) {
	d := newDoctor(t, nil)
	listener, err := net.Listen("unix", d.Config.SocketPath())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	d.Config.Device = "unix:/x"
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	d.examine(ctx)
	d.want(t, context.DeadlineExceeded, `^problem  agent            .*; remedy: run 'ilod agent stop' and start it again$`)
	d.want(t, nil, `^skip     session table    needs an agent that answers$`)
}

func TestDoctorStaleSocket(t *testing.T) {
	for name, c := range map[string]struct {
		fix  bool
		undo func(*doctor) error // makes it impossible
		err  error
		want string
	}{
		"told":       {false, nil, agentsocket.ErrNoAgent, `^problem  agent            no agent is running: .*; remedy: run 'ilod doctor --fix', or start the agent$`},
		"removed":    {true, nil, nil, `^fixed    agent            removed .*, which a dead agent had left$`},
		"no lock":    {true, func(d *doctor) error { return os.RemoveAll(d.Config.RuntimeDir) }, errOther, `^problem  agent            .*; remedy: run as the user whose socket it is$`},
		"taken over": {true, func(d *doctor) error { return os.Remove(d.Config.Socket) }, nil, `^ok       agent            none is running`},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoctor(t, nil)
			d.Fix, d.Config.Socket = c.fix, filepath.Join(d.root, "s")
			listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: d.Config.Socket})
			if err != nil {
				t.Fatal(err)
			}
			listener.SetUnlinkOnClose(false)
			if err := listener.Close(); err != nil {
				t.Fatal(err)
			}
			if c.undo != nil {
				if err := c.undo(d); err != nil {
					t.Fatal(err)
				}
			}
			d.noAgent(t.Context(), nil)
			d.want(t, c.err, c.want)
			if _, err := os.Lstat(d.Config.Socket); (err == nil) != (c.err != nil) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestDoctorRemovesNoLivingSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := removeStale(t.Context(), socket); !errors.Is(err, agentsocket.ErrAgentCame) {
		t.Error(err)
	}
	if _, err := os.Lstat(socket); err != nil {
		t.Error(err)
	}
}
