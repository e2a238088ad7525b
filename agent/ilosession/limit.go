package ilosession

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/api"
)

// SessionLimitError is an ErrSessionLimit with the iLO's session table, where it
// can be read without a session of our own: with Basic authentication, if there
// are credentials. Sessions with InBand and without Ours are the candidates for
// Terminate.
type SessionLimitError struct {
	Sessions []api.ILOSession // nil: the table cannot be read
	Remedy   string           // what would help then, or why nothing does
	Err      error            // the refusal; wraps ErrSessionLimit
}

func (e *SessionLimitError) Error() string {
	if e.Remedy != "" {
		return fmt.Sprintf("%v; %s", e.Err, e.Remedy)
	}
	kinds := map[string]int{}
	for _, s := range e.Sessions {
		kinds[s.Kind]++
	}
	var text []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		text = append(text, fmt.Sprintf("%d %s", kinds[kind], kind))
	}
	return fmt.Sprintf("%v (%s)", e.Err, strings.Join(text, ", "))
}

func (e *SessionLimitError) Unwrap() error { return e.Err }

// LimitPolicy says what to do when the iLO refuses a login because its session
// table is full.
type LimitPolicy string

const (
	// Reject returns a *SessionLimitError; "ask" is Reject with a caller who
	// shows the candidates.
	Reject LimitPolicy = "reject"
	// OldestIdleInBand ends the session of another host program that is idle for
	// longest by the iLO's clock, at least a minute, and logs in again.
	OldestIdleInBand LimitPolicy = "oldest-idle-inband"
)

// basic is an http.RoundTripper that authenticates each request by itself.
type basic struct {
	next        http.RoundTripper
	credentials *Credentials
}

func (b basic) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.SetBasicAuth(b.credentials.UserName, b.credentials.Password)
	return b.next.RoundTrip(req)
}

// sessionless is the way to the iLO without a session: with Basic authentication,
// or without any, which some iLO may take from its host (ILO.md §4).
func (k *Keeper) sessionless(c *Credentials) http.RoundTripper {
	if c == nil {
		return k.o.Next
	}
	return basic{k.o.Next, c}
}

// makeRoom deals with a refused login; it returns nil if another attempt may
// succeed.
func (k *Keeper) makeRoom(ctx context.Context, c *Credentials, refusal error) error {
	limit := &SessionLimitError{Err: refusal}
	rt := k.sessionless(c)
	table, err := k.table(ctx, rt)
	if err != nil {
		limit.Remedy = "configure the credentials of an iLO account to see its sessions and to end one from here"
		if c != nil {
			limit.Remedy = fmt.Sprintf("reading it with the configured credentials failed: %v", err)
		}
		return limit
	}
	limit.Sessions = table
	if k.o.LimitPolicy != OldestIdleInBand {
		return limit
	}
	victim := api.ILOSession{Idle: api.Seconds(minVictimIdle)}
	for _, e := range table {
		if e.InBand && !e.Ours && e.Idle >= victim.Idle {
			victim = e
		}
	}
	if victim.ID == "" {
		return limit
	}
	if _, err := k.terminate(ctx, rt, victim.ID, false, unusedSince(victim)); err != nil {
		return fmt.Errorf("%w; %w", limit, err)
	}
	return nil
}
