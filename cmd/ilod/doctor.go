package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/ilod/ilod/chif"
)

// doctorPatience is how long doctor waits for a free channel.
const doctorPatience = time.Second

// finding is the result of one check.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok, problem or skip
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
	code   int
}

// findings collects results in order.
type findings []finding

func (x *findings) ok(check, format string, args ...any) {
	*x = append(*x, finding{Check: check, Status: "ok", Detail: oneLine(fmt.Sprintf(format, args...))})
}

func (x *findings) skip(check, why string) {
	*x = append(*x, finding{Check: check, Status: "skip", Detail: why})
}

func (x *findings) problem(check string, err error) {
	row, hint := classify(err)
	*x = append(*x, finding{check, "problem", oneLine(redact(err.Error())), hint, row.code})
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong with this host's channel to the iLO",
		Long: `Check this host's channel to the iLO from the bottom up, one line each, and say
what to do about a problem. The exit code is that of the first problem. No iLO
session is made.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.bounded(cmd.Context(), func(ctx context.Context) error {
				x := a.examine(ctx)
				if err := a.printFindings(x); err != nil {
					return err
				}
				if i := slices.IndexFunc(x, func(f finding) bool { return f.Status == "problem" }); i >= 0 {
					return reportedError{x[i].code}
				}
				return nil
			})
		},
	}
}

func (a *app) printFindings(x findings) error {
	if a.json {
		return json.NewEncoder(a.stdout).Encode(x)
	}
	var b strings.Builder
	for _, f := range x {
		fmt.Fprintf(&b, "%-8s %-16s %s", f.Status, f.Check, f.Detail)
		if f.Remedy != "" {
			b.WriteString("; remedy: " + f.Remedy)
		}
		b.WriteByte('\n')
	}
	_, err := a.stdout.Write([]byte(b.String()))
	return err
}

// examine makes the checks. One that needs what an earlier one lacked is
// skipped.
func (a *app) examine(ctx context.Context) (x findings) {
	device, err := chif.ParseDevice(a.config.Device)
	if err != nil {
		x.problem("device", err)
		return x
	}
	x.ok("device", "%s", device)
	channel, err := device.Open(ctx)
	if err == nil {
		err = channel.Close()
	}
	explained := false
	if runtime.GOOS == "linux" && !strings.HasPrefix(a.config.Device, "unix:") {
		explained = x.host(device.String(), err)
	}
	switch {
	case explained:
		x.skip("channel", "there is none to open")
	case err != nil:
		x.problem("channel", err)
	default:
		x.ok("channel", "%s opens", channel)
	}
	if err != nil {
		x.skip("status", "needs a channel")
		x.skip("service root", "needs a channel")
		return x
	}
	// With the state ignored an iLO that wants credentials can be described.
	o := chif.TransportOptions{IgnoreSecurityState: true, BusyTimeout: doctorPatience}
	if err := a.withTransport(device, o, func(t *chif.Transport) error {
		if x.status(ctx, t) {
			x.serviceRoot(ctx, logged{t, a.log, logrus.InfoLevel})
		}
		return nil
	}); err != nil {
		x.problem("channel", err)
	}
	return x
}

// status asks the iLO what it is, below HTTP; it reports whether that works.
func (x *findings) status(ctx context.Context, t *chif.Transport) (works bool) {
	s, err := t.Status(ctx)
	if err != nil {
		x.problem("status", err)
		x.skip("service root", "needs an iLO that answers")
		return false
	}
	x.ok("status", "probably iLO %d, firmware %d.%02d, serial number %s", s.Generation(), s.FirmwareMajor, s.FirmwareMinor, s.Serial)
	if s.SecurityState >= chif.SecurityFIPS {
		x.problem("security state", fmt.Errorf("%s: %w", s.SecurityState, chif.ErrCredentialsRequired))
	} else {
		x.ok("security state", "%s", s.SecurityState)
	}
	return true
}

// serviceRoot reads the one resource that needs no session (ilo-behaviour
// §4.2), and what it says about logins.
func (x *findings) serviceRoot(ctx context.Context, rt http.RoundTripper) {
	type oem struct {
		Manager  []struct{ ManagerType, ManagerFirmwareVersion string }
		Sessions struct{ LoginFailureDelay int }
	}
	var root struct {
		RedfishVersion string
		Oem            struct{ Hpe, Hp oem } // Hp up to iLO 4
	}
	body, err := get(ctx, rt, &url.URL{Scheme: "http", Host: "ilo", Path: "/redfish/v1/"})
	if err == nil {
		if wrong := json.Unmarshal(body, &root); wrong != nil {
			err = fmt.Errorf("service root: %w: %w", chif.ErrProtocol, wrong)
		}
	}
	if err != nil {
		x.problem("service root", err)
		return
	}
	vendor := root.Oem.Hpe
	if len(vendor.Manager) == 0 {
		vendor = root.Oem.Hp
	}
	if len(vendor.Manager) == 0 {
		x.ok("service root", "Redfish %s, of an unknown manager", root.RedfishVersion)
	} else {
		x.ok("service root", "%s, firmware %s, Redfish %s", vendor.Manager[0].ManagerType, vendor.Manager[0].ManagerFirmwareVersion, root.RedfishVersion)
	}
	x.ok("logins", "delayed by %d s after a refused one; the iLO tells no limit of sessions, a full table is exit code 91", vendor.Sessions.LoginFailureDelay)
}
