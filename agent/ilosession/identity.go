package ilosession

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/ilod/ilod/agent/redfisherror"
)

// root is readable without a session on all generations (ILO.md §1).
const root = "/redfish/v1/"

// Identity names an iLO, so that sessions on another one are left alone when a
// disk moves to another server.
type Identity struct {
	UUID   string `json:"uuid,omitempty"`   // of the service root
	Serial string `json:"serial,omitempty"` // of the board
}

// is reports whether both may be the same iLO: nothing that both tell differs.
func (i Identity) is(other Identity) bool {
	differ := func(a, b string) bool { return a != "" && b != "" && !strings.EqualFold(a, b) }
	return !differ(i.UUID, other.UUID) && !differ(i.Serial, other.Serial)
}

// identify asks the service root which iLO this is and what time it has; the
// time is zero if it does not say. rt needs no session.
func (k *Keeper) identify(ctx context.Context, rt http.RoundTripper) (Identity, time.Time, error) {
	var doc struct{ UUID string }
	resp, err := getJSON(ctx, rt, root, &doc)
	if err != nil {
		return Identity{}, time.Time{}, fmt.Errorf("read the service root: %w", err)
	}
	k.mu.Lock()
	serial := k.identity.Serial
	k.mu.Unlock()
	if serial == "" && k.o.Serial != nil {
		if serial, err = k.o.Serial(ctx); err != nil {
			k.log.WithError(err).Debug("the board's serial number is unknown")
		}
	}
	id := Identity{UUID: doc.UUID, Serial: serial}
	k.mu.Lock()
	other := !k.identity.is(id)
	k.identity = id
	k.mu.Unlock()
	if other {
		k.o.OnLost("another iLO answers")
	}
	return id, date(resp), nil
}

// date is the iLO's time when it answered, zero if it does not say. Its clock
// may be in 2001 (ILO.md §2).
func date(resp *http.Response) time.Time {
	t, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return t
}

// getJSON reads a resource. Any status but 200 is a *redfisherror.Error.
func getJSON(ctx context.Context, rt http.RoundTripper, path string, into any) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://ilo"+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("OData-Version", "4.0") // an iLO 4 answers in its older form without (ILO.md §5)
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return resp, redfisherror.FromResponse(resp)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(into); err != nil {
		return resp, fmt.Errorf("GET %s: %w", path, err)
	}
	return resp, nil
}
