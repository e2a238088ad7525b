package ilosession

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/redfisherror"
)

// TerminateOptions are what Terminate may be told.
type TerminateOptions struct {
	DryRun bool // check everything and delete nothing
	// Login logs in then, if there is no session here, without waiting for the end
	// of a back-off. If that fails the session has been ended all the same.
	Login bool
}

// Terminate ends one session, given by its id or path, for an operator who asked
// for it. Only sessions of host programs can be ended, never people's, consoles'
// or the one in use here: ErrProtected. The table is read anew just before, and
// the result is verified. Without room for a session of ours it does without, as
// Table does.
//
// Errors: ErrNoSession, ErrProtected, ErrNotTerminated, a refusal as a
// *redfisherror.Error (403: the privilege to administer users is missing), those of
// RoundTrip.
func (k *Keeper) Terminate(ctx context.Context, id string, o TerminateOptions) (api.ILOSession, error) {
	way, err := k.operatorsWay(ctx)
	if err != nil {
		return api.ILOSession{}, err
	}
	e, err := k.terminate(ctx, way, id, o.DryRun, func(api.ILOSession) bool { return true })
	if err != nil || o.DryRun {
		return e, way.explain(err)
	}
	k.mu.Lock()
	if errors.Is(k.refusal.err, ErrSessionLimit) {
		k.refusal = failedLogin{} // there is room now
	}
	k.mu.Unlock()
	if o.Login {
		if way, err = k.operatorsWay(ctx); err == nil {
			err = way.limit
		}
	}
	return e, err
}

// terminate is Terminate with the rights of rt, if the session is still one that
// is meant.
func (k *Keeper) terminate(ctx context.Context, rt http.RoundTripper, id string, dryRun bool, meant func(api.ILOSession) bool) (api.ILOSession, error) {
	table, err := k.table(ctx, rt)
	if err != nil {
		return api.ILOSession{}, err
	}
	i := slices.IndexFunc(table, func(e api.ILOSession) bool { return e.ID == sessionID(id) })
	if i < 0 {
		return api.ILOSession{}, fmt.Errorf("%w: %s", ErrNoSession, sessionID(id))
	}
	e := table[i]
	switch {
	case e.Current:
		return e, fmt.Errorf("%w: it is the one in use: %s", ErrProtected, e.ID)
	case !e.InBand:
		return e, fmt.Errorf("%w: kind %q of user %s: %s", ErrProtected, e.Kind, e.UserName, e.ID)
	case !meant(e):
		return e, fmt.Errorf("%w: it was used meanwhile: %s", ErrProtected, e.ID)
	case dryRun:
		return e, nil
	}
	if err := deleteSession(ctx, rt, e.Path); err != nil {
		return e, fmt.Errorf("terminate session %s: %w", e.ID, err)
	}
	var left sessionResource
	if _, err := getJSON(ctx, rt, e.Path, &left); err == nil {
		return e, fmt.Errorf("terminate session %s: %w", e.ID, ErrNotTerminated)
	} else if !isStatus(err, http.StatusNotFound) {
		return e, fmt.Errorf("verify the end of session %s: %w", e.ID, err)
	}
	k.tell(ctx, api.SessionTerminated, e.Path, "it was unused for "+time.Duration(e.Idle).Round(time.Second).String())
	return e, nil
}

// deleteSession deletes a session with the rights of rt. One that is not there
// counts as deleted (ILO.md §4).
func deleteSession(ctx context.Context, rt http.RoundTripper, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, "https://ilo"+path, nil)
	if err != nil {
		return err
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent, http.StatusNotFound:
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
		return nil
	}
	return redfisherror.FromResponse(resp)
}

// unusedSince tells whether a session was not used since e was read.
func unusedSince(e api.ILOSession) func(api.ILOSession) bool {
	return func(now api.ILOSession) bool { return now.Access.Equal(e.Access) }
}

// idleForeign is how long a foreign session was seen without use.
type idleForeign struct {
	access time.Time // by the iLO's clock
	since  time.Time // by ours
}

// reap ends the sessions of other host programs that have been idle for
// ReapForeign by the iLO's clock, if they were also seen unused for so long: a
// clock that jumps makes everything look old (ILO.md §2).
func (k *Keeper) reap(ctx context.Context, rt http.RoundTripper) error {
	table, err := k.table(ctx, rt)
	if err != nil {
		return err
	}
	now := time.Now()
	seen := map[string]idleForeign{}
	var errs []error
	for _, e := range table {
		if e.Kind != inBandTag || e.Ours || e.Access.IsZero() {
			continue
		}
		idle, known := k.foreign[e.ID]
		if !known || !idle.access.Equal(e.Access) {
			idle = idleForeign{e.Access, now}
		}
		seen[e.ID] = idle
		if time.Duration(e.Idle) < k.o.ReapForeign || now.Sub(idle.since) < k.o.ReapForeign {
			continue
		}
		if _, err := k.terminate(ctx, rt, e.ID, false, unusedSince(e)); err != nil && !errors.Is(err, ErrNoSession) {
			errs = append(errs, err)
		}
	}
	k.foreign = seen
	return errors.Join(errs...)
}
