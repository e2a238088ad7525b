package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/cmd/ilod/agentsocket"
)

// table has a session of each kind.
const table = `{"Members":[{"current":true,"ours":true,"inBand":true},{"ours":true,"inBand":true},{"inBand":true},{}]}`

// TestDoctorWithoutAgent asks a simulated iLO itself, and its table if a session can be had.
func TestDoctorWithoutAgent(t *testing.T) {
	service, err := redfish.New(redfish.Options{})
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "ilo.sock")
	if err := chiftest.New(t, chiftest.Options{Handler: service}).ListenUnix(socket); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		noLogin bool
		login   error
		err     error
		want    string
	}{
		"session":    {false, nil, nil, `^ok       session table    4: 2 of ilod, 1 of other host programs, 1 of others; the iLO reports no limit$`},
		"no login":   {true, nil, nil, `^skip     session table    needs a login, which --no-login forbids$`},
		"agent came": {false, agentsocket.ErrAgentCame, nil, `^skip     session table    an agent has just started: run doctor again$`},
		"not ours":   {false, fs.ErrPermission, nil, `^skip     session table    permission denied$`},
		"refused":    {false, errors.New("no"), errOther, `^problem  session table    no$`},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoctor(t, nil)
			d.Config.Device, d.NoLogin = "unix:"+socket, c.noLogin
			d.Channels = func(device chif.Device, o chif.TransportOptions, f func(*chif.Transport) error) error {
				transport, err := chif.NewTransport(device, o)
				if err != nil {
					return err
				}
				return errors.Join(f(transport), transport.Close())
			}
			d.ILO = func(ctx context.Context, f func(context.Context, http.RoundTripper) error) error {
				if c.login != nil {
					return c.login
				}
				return f(ctx, answers{"/ilod/v1/ilo-sessions": table})
			}
			d.examine(t.Context())
			d.want(t, nil, `^ok       agent            none is running; commands work without one$`)
			d.want(t, nil, `^ok       cache            empty$`)
			d.want(t, nil, `^ok       channel          .* opens$`)
			d.want(t, nil, `^ok       status           probably iLO 5, firmware `)
			d.want(t, nil, `^ok       service root     iLO 5, firmware `)
			d.want(t, nil, `^ok       clock            `)
			d.want(t, c.err, c.want)
		})
	}
}

// TestDoctorThroughAgent reads the same as an agent passes it on.
func TestDoctorThroughAgent(t *testing.T) {
	const (
		root   = `{"RedfishVersion":"1.6.0","Oem":{"Hp":{"Manager":[{"ManagerType":"iLO 4","ManagerFirmwareVersion":"2.82"}],"Sessions":{"LoginFailureDelay":9}}}}`
		status = `{"agent":{"device":"unix:/x"},"session":{"session":"/s/1","logins":1}}`
	)
	device, err := chif.ParseDevice("unix:/x")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		noLogin      bool
		status, root string
		err          error
		want         string
	}{
		"service root":   {false, status, root, nil, `^ok       service root     iLO 4, firmware 2\.82, Redfish 1\.6\.0$`},
		"logins":         {false, status, root, nil, `^ok       logins           after a refusal the next one waits 9 s$`},
		"session table":  {false, status, root, nil, `^ok       session table    4: 2 of ilod, `},
		"security state": {false, status, root, nil, `^ok       security state   Production$`},
		"a session":      {true, status, root, nil, `^ok       session table    4: `},
		"no session":     {true, `{}`, root, nil, `^skip     security state   needs a login, which --no-login forbids$`},
		"no manager":     {false, status, `{"RedfishVersion":"1"}`, nil, `^ok       service root     Redfish 1; its manager is unknown$`},
		"no root":        {false, status, `?`, errOther, `^problem  service root     service root: `},
		"no answer":      {false, status, `?`, nil, `^skip     session table    needs an iLO that answers$`},
		"no status":      {false, `?`, root, nil, `^skip     service root     needs an agent that answers$`},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoctor(t, nil)
			d.NoLogin = c.noLogin
			d.throughAgent(t.Context(), answers{
				"/ilod/v1/status": c.status, "/ilod/v1/cache": `{"store":{}}`, "/redfish/v1/": c.root, "/ilod/v1/ilo-sessions": table,
				"/redfish/v1/Managers/1/SecurityService/": `{"SecurityState":"Production"}`,
			}, device)
			d.want(t, c.err, c.want)
		})
	}
}

// TestDoctorForbidden: only an answer that does not name another cause is about a role.
func TestDoctorForbidden(t *testing.T) {
	for told, want := range map[bool]string{false: "ask root for a role in ilod.toml, or run as root", true: ""} {
		d := newDoctor(t, nil)
		d.Told = func(error) bool { return told }
		d.agentProblem("agent", &redfisherror.Error{Status: http.StatusForbidden})
		if got := d.findings[0].Remedy; got != want {
			t.Errorf("%v: %q", told, got)
		}
	}
}
