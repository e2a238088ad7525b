package ilosession

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/redfisherror"
)

var (
	// ErrNoSession: the iLO's table has no session with this id.
	ErrNoSession = errors.New("the iLO has no such session")
	// ErrProtected: the session is of a kind that is never ended from here, or
	// the one that this process works in.
	ErrProtected = errors.New("the session is protected")
	// ErrNotTerminated: the iLO accepted the deletion and still shows the session.
	ErrNotTerminated = errors.New("the session is still there")
)

const (
	// inBandTag is the kind of the sessions opened over the host channel, in the
	// schema of iLO 5 and later (ILO.md §2).
	inBandTag = "RESTHost"
	// inBandUser owns the sessions opened without credentials (ILO.md §2).
	inBandUser = "System Administrator"
	// minVictimIdle spares sessions that are in use from OldestIdleInBand.
	minVictimIdle = time.Minute
	// unknown is the age of a session of which the iLO does not tell it.
	unknown = api.Seconds(-time.Second)
)

// sessionResource is a session as all generations with Redfish show it, expanded
// or as a bare link.
type sessionResource struct {
	Link     string `json:"@odata.id"`
	UserName string
	Oem      struct{ Hp, Hpe *sessionExt }
}

type sessionExt struct {
	AccessTime, LoginTime, UserExpires stamp
	UserTag, UserType, UserIP          string
}

// stamp is a time in a body, zero if it is none.
type stamp struct{ time.Time }

func (s *stamp) UnmarshalJSON(text []byte) error {
	_ = s.Time.UnmarshalJSON(text)
	return nil
}

type sessionCollection struct {
	Members []sessionResource
	Count   int `json:"Members@odata.count"`
	Oem     struct {
		Hp, Hpe struct {
			Links struct {
				MySession struct {
					Link string `json:"@odata.id"`
				}
			}
		}
	}
}

func (c *sessionCollection) mine() string {
	return cmp.Or(c.Oem.Hpe.Links.MySession.Link, c.Oem.Hp.Links.MySession.Link)
}

// sessionID is the id in a session's path or link: the spelling of the path
// varies, in its final slash, its blanks and its case.
func sessionID(path string) string {
	path = strings.TrimRight(path, "/")
	id := path[strings.LastIndexByte(path, '/')+1:]
	if plain, err := url.PathUnescape(id); err == nil {
		id = plain
	}
	return strings.ToLower(id)
}

// loginTime reads the login time out of a session's id, in which it follows the
// user's name as 16 hexadecimal digits (ILO.md §2).
func loginTime(id, user string) (time.Time, bool) {
	digits, ok := strings.CutPrefix(id, strings.ToLower(user))
	if !ok || len(digits) <= 16 || len(digits) > 24 {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(digits[:16], 16, 64)
	_, rest := strconv.ParseUint(digits[16:], 16, 32)
	return time.Unix(seconds, 0).UTC(), err == nil && rest == nil
}

// readTable reads the table with the rights of rt. A session that vanishes
// meanwhile is left out; a list that is not complete is an error, and so is one
// without any session: whoever reads it has one.
func readTable(ctx context.Context, rt http.RoundTripper) ([]api.ILOSession, error) {
	var list sessionCollection
	resp, err := getJSON(ctx, rt, collection+"?$expand=.", &list)
	if err != nil {
		return nil, fmt.Errorf("read the iLO's sessions: %w", err)
	}
	if len(list.Members) < max(list.Count, 1) {
		return nil, fmt.Errorf("read the iLO's sessions: %d of %d are shown", len(list.Members), list.Count)
	}
	now := date(resp)
	table := make([]api.ILOSession, 0, len(list.Members))
	for _, m := range list.Members {
		path, err := locationPath(m.Link)
		if err != nil {
			return nil, fmt.Errorf("read the iLO's sessions: %w", err)
		}
		if m.Oem.Hpe == nil && m.Oem.Hp == nil { // not expanded, as on an iLO 4
			resp, err := getJSON(ctx, rt, path, &m)
			if isStatus(err, http.StatusNotFound) {
				continue
			} else if err != nil {
				return nil, fmt.Errorf("read the iLO's sessions: %w", err)
			}
			now = date(resp)
		}
		table = append(table, m.entry(path, now))
	}
	return table, nil
}

func (m *sessionResource) entry(path string, now time.Time) api.ILOSession {
	e := api.ILOSession{ID: sessionID(path), Path: path, UserName: m.UserName, Age: unknown, Idle: unknown, Read: now}
	ext := cmp.Or(m.Oem.Hpe, m.Oem.Hp)
	if ext == nil {
		return e
	}
	e.Kind, e.UserType, e.UserIP, e.Login, e.Access = ext.UserTag, ext.UserType, ext.UserIP, ext.LoginTime.Time, ext.AccessTime.Time
	// Without an idle timeout UserExpires equals AccessTime (ILO.md §2).
	if ext.UserExpires.After(ext.AccessTime.Time) {
		e.Expires = ext.UserExpires.Time
	}
	if !now.IsZero() && !e.Login.IsZero() {
		e.Age = max(api.Seconds(now.Sub(e.Login)), unknown)
	}
	if !now.IsZero() && !e.Access.IsZero() {
		e.Idle = max(api.Seconds(now.Sub(e.Access)), unknown)
	}
	// The schema of iLO 4 has no tag for host programs (ILO.md §2).
	e.InBand = e.Kind == inBandTag || m.Oem.Hpe == nil && strings.EqualFold(m.UserName, inBandUser) &&
		slices.Contains([]string{"", "Unknown", "RIBCL"}, e.Kind)
	return e
}

func isStatus(err error, status int) bool {
	e, ok := errors.AsType[*redfisherror.Error](err)
	return ok && e.Status == status
}

// Table reads the iLO's session table, in the order in which the iLO lists it. If
// that has no room for a session of ours, it is read without one: with Basic
// authentication if there are credentials.
//
// Errors: those of RoundTrip; a refusal as a *redfisherror.Error.
func (k *Keeper) Table(ctx context.Context) ([]api.ILOSession, error) {
	way, err := k.operatorsWay(ctx)
	if err != nil {
		return nil, err
	}
	table, err := k.table(ctx, way)
	return table, way.explain(err)
}

// operatorsWay is an http.RoundTripper for what an operator asks for: in the
// session, or without one if there is no room for it.
type operatorsWay struct {
	http.RoundTripper
	limit error // why there is no session
}

// operatorsWay logs in, in a turn of its own, if there is no session.
func (k *Keeper) operatorsWay(ctx context.Context) (way operatorsWay, err error) {
	k.mu.Lock()
	there := k.current != nil
	k.mu.Unlock()
	if there {
		return operatorsWay{RoundTripper: k.waited(k.used)}, nil
	}
	if turn := k.turn(ctx, http.MethodGet, func() error { way, err = k.openWay(ctx); return nil }); turn != nil {
		return way, turn
	}
	return way, err
}

func (k *Keeper) openWay(ctx context.Context) (operatorsWay, error) {
	leave, err := k.enter()
	if err != nil {
		return operatorsWay{}, err
	}
	defer leave()
	h, err := k.acquire(ctx, true)
	if err == nil {
		k.release(h, true, false)
		return operatorsWay{RoundTripper: k.waited(k.used)}, nil
	}
	err = fmt.Errorf("%w: %w", ErrNoLogin, err)
	if !errors.Is(err, ErrSessionLimit) {
		return operatorsWay{}, err
	}
	c, noCredentials := k.credentials()
	if noCredentials != nil {
		return operatorsWay{}, errors.Join(err, noCredentials)
	}
	return operatorsWay{k.waited(k.sessionless(c).RoundTrip), err}, nil
}

// explain replaces the refusal of a request without a session by the reason for
// which there is none.
func (w operatorsWay) explain(err error) error {
	e, ok := errors.AsType[*redfisherror.Error](err)
	if ok && w.limit != nil && (e.Status == http.StatusUnauthorized || isSessionLimit(e)) {
		return w.limit
	}
	return err
}

// waited is s in a turn of its own, with Close waiting for the end.
func (k *Keeper) waited(s send) http.RoundTripper {
	return send(func(req *http.Request) (*http.Response, error) {
		return k.inTurn(req, func(r *http.Request) (*http.Response, error) { return k.inFlight(r, s) })
	})
}

// table is readTable with our own sessions marked. What it lists is remembered:
// none of it can be the session of a later login.
func (k *Keeper) table(ctx context.Context, rt http.RoundTripper) ([]api.ILOSession, error) {
	table, err := readTable(ctx, rt)
	if err != nil {
		return nil, err
	}
	ours := map[string]bool{}
	for _, e := range k.o.Ledger.entries() {
		if e.Path != "" {
			ours[sessionID(e.Path)] = true
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var known []string
	for i, e := range table {
		current := k.current != nil && e.ID == sessionID(k.current.session.path)
		table[i].Ours, table[i].Current = ours[e.ID] || current, current
		known = append(known, e.ID)
	}
	k.known = known
	return table, nil
}
