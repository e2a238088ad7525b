package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/cmd/ilod/agentsocket"
)

const (
	noLoginWanted = "needs a login, which --no-login forbids"
	// clockTolerance is more than an answer takes.
	clockTolerance = time.Minute
)

// direct asks the iLO without agent.
func (d *doctor) direct(ctx context.Context, device chif.Device) {
	answers := false
	// With the state ignored an iLO that wants credentials can be described.
	o := chif.TransportOptions{IgnoreSecurityState: true, BusyTimeout: patience}
	if err := d.Channels(device, o, func(t *chif.Transport) error {
		answers = d.status(ctx, t)
		return nil
	}); err != nil {
		d.problem("channel", err)
	}
	switch {
	case !answers:
		d.skip("session table", "needs an iLO that answers and lets the host in")
	case d.NoLogin:
		d.skip("session table", noLoginWanted)
	case d.barred != "":
		d.skip("session table", d.barred)
	default:
		if err := d.ILO(ctx, d.sessionTable); errors.Is(err, agentsocket.ErrAgentCame) {
			d.skip("session table", "an agent has just started: run doctor again")
		} else if errors.Is(err, fs.ErrPermission) {
			d.skip("session table", err.Error())
		} else if err != nil {
			d.problem("session table", err)
		}
	}
}

// status asks the iLO what it is, below HTTP, then its service root. It reports
// whether a login makes sense.
func (d *doctor) status(ctx context.Context, t *chif.Transport) (answers bool) {
	s, err := t.Status(ctx)
	if err != nil {
		d.problem("status", err)
		d.skip("service root", "needs an iLO that answers")
		return false
	}
	d.ok("status", "probably iLO %d, firmware %d.%02d, serial number %s", s.Generation(), s.FirmwareMajor, s.FirmwareMinor, s.Serial)
	closed := s.SecurityState >= chif.SecurityFIPS
	if closed {
		d.problem("security state", fmt.Errorf("%s: %w", s.SecurityState, chif.ErrCredentialsRequired))
	} else {
		d.ok("security state", "%s", s.SecurityState)
	}
	return d.serviceRoot(ctx, d.Logged(t)) && !closed
}

// serviceRoot reads the one resource that needs no session (agent/ILO.md
// §4), what it says about logins, and the iLO's clock.
func (d *doctor) serviceRoot(ctx context.Context, rt http.RoundTripper) (answers bool) {
	type oem struct {
		Manager  []struct{ ManagerType, ManagerFirmwareVersion string }
		Sessions struct{ LoginFailureDelay int }
	}
	var root struct {
		RedfishVersion string
		Oem            struct{ Hpe, Hp oem } // Hp up to iLO 4
	}
	header, body, err := clientOf(rt).Get(ctx, "/redfish/v1/")
	if err == nil {
		if wrong := json.Unmarshal(body, &root); wrong != nil {
			err = fmt.Errorf("service root: %w: %w", chif.ErrProtocol, wrong)
		}
	}
	if err != nil {
		d.problem("service root", err)
		return false
	}
	vendor := root.Oem.Hpe
	if len(vendor.Manager) == 0 {
		vendor = root.Oem.Hp
	}
	if len(vendor.Manager) == 0 {
		d.ok("service root", "Redfish %s; its manager is unknown", root.RedfishVersion)
	} else {
		d.ok("service root", "%s, firmware %s, Redfish %s", vendor.Manager[0].ManagerType, vendor.Manager[0].ManagerFirmwareVersion, root.RedfishVersion)
	}
	d.clock(header.Get("Date"), time.Now())
	d.ok("logins", "after a refusal the next one waits %d s", vendor.Sessions.LoginFailureDelay)
	return true
}

// clock compares the iLO's with the host's. A wrong one does no harm to ilod,
// which counts by the iLO's, but to logs, certificates and those who read them.
func (d *doctor) clock(date string, now time.Time) {
	ilo, err := http.ParseTime(date)
	if err != nil {
		d.skip("clock", "the iLO does not report its time")
		return
	}
	off, way := ilo.Sub(now).Round(time.Second), "ahead of"
	if off < 0 {
		off, way = -off, "behind"
	}
	shown := off.String()
	if off >= 48*time.Hour {
		shown = fmt.Sprintf("%d days", off/(24*time.Hour))
	}
	if off > clockTolerance {
		d.trouble("clock", "see 'date' and 'ilod get /redfish/v1/Managers/1/DateTime/', and set the wrong one",
			fmt.Errorf("the iLO's is %s %s this host's: %s", shown, way, ilo.Format(time.RFC3339)))
		return
	}
	d.ok("clock", "the iLO's clock agrees with this host's")
}

// sessionTable counts the iLO's sessions; rt has one.
func (d *doctor) sessionTable(ctx context.Context, rt http.RoundTripper) error {
	table, err := clientOf(rt).ILOSessions(ctx)
	if err != nil {
		return err
	}
	count := map[string]int{}
	for _, e := range table {
		count[e.Whose()]++
	}
	d.ok("session table", "%d: %d of ilod, %d of other host programs, %d of others; the iLO reports no limit",
		len(table), count["current"]+count["ours"], count["host program"], count["other"])
	return nil
}

// securityService asks the iLO for its security state where no channel is at
// hand to ask below HTTP; an iLO 4 has none.
func (d *doctor) securityService(ctx context.Context, rt http.RoundTripper) {
	var service struct{ SecurityState string }
	_, body, err := clientOf(rt).Get(ctx, "/redfish/v1/Managers/1/SecurityService/")
	if err == nil {
		err = json.Unmarshal(body, &service)
	}
	if e, ok := errors.AsType[*redfisherror.Error](err); ok && e.Status == http.StatusNotFound || err == nil && service.SecurityState == "" {
		d.skip("security state", "this iLO has none")
	} else if err != nil {
		d.problem("security state", err)
	} else {
		d.ok("security state", "%s", service.SecurityState)
	}
}
