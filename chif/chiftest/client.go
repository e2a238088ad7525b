package chiftest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// Client speaks to a Server's Control through any RoundTripper: over a
// socket, or over a serial line out of a virtual machine.
type Client struct{ Transport http.RoundTripper }

// Stats asks for the counters.
func (c Client) Stats(ctx context.Context) (s Stats, err error) {
	err = c.do(ctx, http.MethodGet, "/stats", nil, &s)
	return s, err
}

// Sessions asks for the live sessions in order of login, foreign ones included.
func (c Client) Sessions(ctx context.Context) (all []redfish.Session, err error) {
	err = c.do(ctx, http.MethodGet, "/sessions", nil, &all)
	return all, err
}

// Check runs Server.Check.
func (c Client) Check(ctx context.Context) error {
	var e errorBody
	if err := c.do(ctx, http.MethodGet, "/check", nil, &e); err != nil {
		return err
	}
	if e.Error != "" {
		return errors.New(e.Error)
	}
	return nil
}

// Reset resets the iLO.
func (c Client) Reset(ctx context.Context, down time.Duration) error {
	return c.do(ctx, http.MethodPost, "/reset", ResetRequest{Duration(down)}, nil)
}

// AdvanceClock puts the iLO's clock forward.
func (c Client) AdvanceClock(ctx context.Context, by time.Duration) error {
	return c.do(ctx, http.MethodPost, "/clock", ClockRequest{Duration(by)}, nil)
}

// Faults asks for the faults in force.
func (c Client) Faults(ctx context.Context) (f Faults, err error) {
	err = c.do(ctx, http.MethodGet, "/faults", nil, &f)
	return f, err
}

// SetFaults replaces all faults; the zero Faults remove them.
func (c Client) SetFaults(ctx context.Context, f Faults) error {
	return c.do(ctx, http.MethodPost, "/faults", f, nil)
}

// do makes one control request and decodes its answer into out, if any.
func (c Client) do(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://ilosim"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := c.Transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		var e errorBody
		if json.NewDecoder(resp.Body).Decode(&e) != nil || e.Error == "" {
			return fmt.Errorf("%s %s: %s", method, path, resp.Status)
		}
		return fmt.Errorf("%s %s: %s", method, path, e.Error)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}
