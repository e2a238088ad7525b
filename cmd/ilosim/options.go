package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// options are the command line.
type options struct {
	listen      address
	control     socket
	tree        string
	resources   int
	generation  int
	firmware    string
	maxSessions int
	idleTimeout optionalDuration
	limitStatus int
	foreign     int
	credentials bool
	state       securityState
	clockOffset time.Duration
	latency     time.Duration
	maxChannels int
	faults      string
	check       bool
}

func (o *options) bind(f *pflag.FlagSet) {
	f.SortFlags = false
	f.Var(&o.listen, "listen", "serve channels on the packet socket unix:`PATH`; for tests on systems without, on loopback: tcp:ADDRESS:PORT")
	f.Var(&o.control, "control", "serve the control interface, HTTP and JSON, on the socket unix:`PATH`")
	f.StringVar(&o.tree, "tree", "builtin", "the Redfish resources: builtin, a `FILE` of JSON lines (.jsonl.gz) or a directory of index.json files")
	f.IntVar(&o.resources, "resources", tree.DefaultResources, "`NUMBER` of resources of the builtin tree")
	f.IntVar(&o.generation, "generation", 0, "the iLO's `GENERATION`: 4, 5 or 6 (default: as the tree says, else 5)")
	f.StringVar(&o.firmware, "firmware", "", "the iLO's firmware `VERSION`, such as 2.46 (default: as the tree says)")
	f.IntVar(&o.maxSessions, "max-sessions", redfish.DefaultMaxSessions, "`NUMBER` of sessions, foreign ones included; 0: no limit")
	f.Var(&o.idleTimeout, "idle-timeout", "end a session after this `DURATION` without use; 0: never (default: as the tree says, else 30m)")
	f.IntVar(&o.limitStatus, "limit-status", 400, "HTTP `STATUS` of a login over the limit: 400, 403 or 503")
	f.IntVar(&o.foreign, "foreign-sessions", 0, "`NUMBER` of sessions of others that exist from the start: web interface, consoles, host tools")
	f.BoolVar(&o.credentials, "require-credentials", false, "RequireHostAuthentication: no login without credentials (Administrator, password)")
	f.Var(&o.state, "security-state", "`STATE` Factory, Wipe, Production, HighSecurity, FIPS or CNSA")
	f.DurationVar(&o.clockOffset, "clock-offset", 0, "what the iLO's clock is ahead")
	f.DurationVar(&o.latency, "latency", 0, "time before each answer to an HTTP request")
	f.IntVar(&o.maxChannels, "max-channels", 16, "`NUMBER` of channels")
	f.StringVar(&o.faults, "faults", "", "faults from the start: a `FILE` as POST /faults takes it")
	f.BoolVar(&o.check, "check", false, "at the end fail if a session or channel is left or a foreign session was touched")
}

// server makes the simulated iLO and one clause that describes it.
func (o *options) server() (*chiftest.Server, string, error) {
	if err := o.validate(); err != nil {
		return nil, "", err
	}
	resources, err := o.load()
	if err != nil {
		return nil, "", fmt.Errorf("--tree: %w", err)
	}
	if g, _ := resources.Generation(); o.generation == 0 {
		o.generation = g
	}
	service, err := redfish.New(redfish.Options{
		Tree:                      resources,
		Generation:                o.generation,
		Firmware:                  o.firmware,
		MaxSessions:               o.maxSessions,
		IdleTimeout:               time.Duration(o.idleTimeout),
		LimitStatus:               o.limitStatus,
		Foreign:                   foreign(o.foreign),
		RequireHostAuthentication: o.credentials,
		SecurityState:             int(o.state),
		ClockOffset:               o.clockOffset,
	})
	if err != nil {
		return nil, "", err
	}
	status := chiftest.StatusOf(o.generation)
	if o.state != 0 {
		status.SecurityState = chif.SecurityState(o.state)
	}
	s, err := chiftest.NewServer(chiftest.Options{
		Handler: service, Status: &status, MaxChannels: o.maxChannels, Latency: o.latency,
		Allow: []chiftest.HostRule{chiftest.RuleBlobs}, // of processes that are killed
	})
	if err != nil {
		return nil, "", err
	}
	if err := o.loadFaults(s); err != nil {
		return nil, "", errors.Join(fmt.Errorf("--faults: %w", err), s.Close())
	}
	return s, fmt.Sprintf("iLO %d with %d resources", status.Generation(), resources.Len()), nil
}

func (o *options) validate() error {
	switch {
	case o.listen == (address{}):
		return errors.New("--listen unix:PATH is missing")
	case o.generation != 0 && (o.generation < 4 || o.generation > 6):
		return fmt.Errorf("--generation is 4, 5 or 6, not %d", o.generation)
	case o.resources < 1 || o.resources > tree.MaxResources:
		return fmt.Errorf("--resources is 1 to %d, not %d", tree.MaxResources, o.resources)
	case o.maxSessions < 0:
		return fmt.Errorf("--max-sessions is negative: %d", o.maxSessions)
	case o.limitStatus != 400 && o.limitStatus != 403 && o.limitStatus != 503:
		return fmt.Errorf("--limit-status is 400, 403 or 503, not %d", o.limitStatus)
	case o.foreign < 0:
		return fmt.Errorf("--foreign-sessions is negative: %d", o.foreign)
	case o.latency < 0:
		return fmt.Errorf("--latency is negative: %v", o.latency)
	case o.maxChannels < 1:
		return fmt.Errorf("--max-channels is at least 1, not %d", o.maxChannels)
	}
	if o.maxSessions == 0 {
		o.maxSessions = redfish.Unlimited
	}
	return nil
}

func (o *options) load() (*tree.Tree, error) {
	if o.tree == "builtin" {
		return tree.Generate(tree.GenerateOptions{Generation: o.generation, Resources: o.resources}), nil
	}
	return tree.Load(o.tree)
}

// foreign is n sessions of others, of every kind in turn.
func foreign(n int) (all []redfish.Foreign) {
	kinds := redfish.EveryKind()
	for i := range n {
		all = append(all, kinds[i%len(kinds)])
	}
	return all
}

func (o *options) loadFaults(s *chiftest.Server) error {
	if o.faults == "" {
		return nil
	}
	file, err := os.Open(o.faults)
	if err != nil {
		return err
	}
	defer file.Close()
	d := json.NewDecoder(file)
	d.DisallowUnknownFields()
	var f chiftest.Faults
	if err := d.Decode(&f); err != nil {
		return fmt.Errorf("%s: %w", o.faults, err)
	}
	return s.SetFaults(f)
}

// socket is a flag of the form unix:PATH; it holds the path.
type socket string

func (s *socket) String() string { return string(*s) }
func (s *socket) Type() string   { return "unix:PATH" }

func (s *socket) Set(v string) error {
	path, ok := strings.CutPrefix(v, "unix:")
	if !ok || path == "" {
		return errors.New("an address has the form unix:PATH")
	}
	*s = socket(path)
	return nil
}

// address is a flag of the form unix:PATH or tcp:ADDRESS:PORT.
type address struct{ network, address string }

func (a *address) String() string {
	if *a == (address{}) {
		return ""
	}
	return a.network + ":" + a.address
}
func (a *address) Type() string { return "unix:PATH" }

func (a *address) Set(v string) error {
	if tcp, ok := strings.CutPrefix(v, "tcp:"); ok {
		*a = address{"tcp", tcp}
		return nil
	}
	var s socket
	if err := s.Set(v); err != nil {
		return err
	}
	*a = address{"unix", string(s)}
	return nil
}

// optionalDuration is a flag for redfish.Options.IdleTimeout, in which 0 means
// that nothing was said.
type optionalDuration time.Duration

func (d *optionalDuration) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}
func (d *optionalDuration) Type() string { return "duration" }

func (d *optionalDuration) Set(v string) error {
	t, err := time.ParseDuration(v)
	switch {
	case err != nil:
		return err
	case t < 0:
		return fmt.Errorf("%v is negative", t)
	case t == 0:
		t = redfish.NoIdleTimeout
	}
	*d = optionalDuration(t)
	return nil
}

// securityState is a flag by name or number; 0 means that nothing was said.
type securityState chif.SecurityState

func (s *securityState) String() string {
	if *s == 0 {
		return ""
	}
	return chif.SecurityState(*s).String()
}
func (s *securityState) Type() string { return "state" }

func (s *securityState) Set(v string) error {
	for state := chif.SecurityFactory; state <= chif.SecurityCNSA; state++ {
		if strings.EqualFold(v, state.String()) || v == strconv.Itoa(int(state)) {
			*s = securityState(state)
			return nil
		}
	}
	return errors.New("there is no such security state")
}
