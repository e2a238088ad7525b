// Package ilosession keeps the one session on the iLO: it logs in, adds the token to
// requests, and logs out. After a crash it deletes the session that was left.
//
// It sends requests to any http.RoundTripper that leads to an iLO; the program uses
// package chif.
package ilosession

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ilod/ilod/agent/redfisherror"
)

var (
	// ErrCredentials: the iLO refused the login, with the credentials given or
	// for want of any. Trying again makes it delay its answers
	// (ILO.md §3).
	ErrCredentials = errors.New("the iLO refused the login")
	// ErrSessionLimit: the iLO's session table is full.
	ErrSessionLimit = errors.New("the iLO's session table is full")
	// ErrMayRemain: the answer to a login was lost or is unusable, so that the
	// iLO may hold a session that nobody can delete. The iLO ends it by its
	// idle timeout.
	ErrMayRemain = errors.New("a session may be left on the iLO until its idle timeout")
	// errUnusable: the iLO accepted a login and did not say which session it is.
	errUnusable = errors.New("the iLO's answer cannot be used")
)

const (
	// collection is where every generation with Redfish takes logins; knowing
	// it spares a look at the service root (ILO.md §4).
	collection = "/redfish/v1/SessionService/Sessions/"
	// loginTimeout bounds a login, loginGrace what is left of it once the
	// caller's context has ended.
	loginTimeout = 2 * time.Minute
	loginGrace   = 10 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 1 << 20
)

// Credentials are those of an iLO account. Neither package fmt nor JSON shows
// the password.
type Credentials struct {
	UserName string
	Password string `json:"-"`
}

// Format writes the user name alone, whatever the verb.
func (c Credentials) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, "credentials of "+c.UserName)
}

// Options are what Login may be told; the zero value is an in-band login.
type Options struct {
	// Credentials, nil for an in-band login without any: the iLO trusts the
	// channel (ILO.md §4).
	Credentials *Credentials
	// NotSent reports errors of the transport after which the iLO has
	// certainly not seen the request. Without it every error counts as an
	// unknown outcome.
	NotSent func(error) bool
}

// Login opens a session on the iLO behind rt; Session.Close deletes it.
//
// The end of ctx prevents a login but does not abandon one that has started:
// its answer is waited for a little longer, since a session whose path is not
// known cannot be deleted. Login may therefore return a session although ctx
// has ended.
//
// Errors: ErrCredentials, ErrSessionLimit, any other refusal as a
// *redfisherror.Error; ErrMayRemain; those of the transport.
func Login(ctx context.Context, rt http.RoundTripper, o Options) (*Session, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("log in: %w", context.Cause(ctx))
	}
	ctx, cancel := outlast(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://ilo"+collection, bytes.NewReader(loginBody(o.Credentials)))
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("OData-Version", "4.0")
	resp, err := rt.RoundTrip(req)
	if err != nil {
		if o.NotSent == nil || !o.NotSent(err) {
			err = fmt.Errorf("%w: %w", ErrMayRemain, err)
		}
		return nil, fmt.Errorf("log in: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("log in: %w", refusal(resp))
	}
	s, err := newSession(ctx, rt, resp)
	if err != nil {
		return nil, fmt.Errorf("log in: %w: %w: %w", ErrMayRemain, errUnusable, err)
	}
	return s, nil
}

// newSession makes a session of a login's answer. Its token is in a header, its
// path in Location. Failing that newer firmware has the path in the body, which is
// the session, and older firmware a message there; then the session itself is asked
// which one it is. A damaged body changes nothing.
func newSession(ctx context.Context, rt http.RoundTripper, resp *http.Response) (*Session, error) {
	token := resp.Header.Get(tokenHeader)
	if token == "" {
		return nil, errors.New("it has no " + tokenHeader)
	}
	var body sessionResource
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	_ = json.Unmarshal(text, &body)
	s := &Session{rt: rt, authorize: authorizer(token), shown: body}
	var err error
	if s.path, err = sessionPath(resp.Header.Get("Location")); err == nil {
		return s, nil
	}
	if path, inBody := sessionPath(body.Link); inBody == nil {
		s.path = path
		return s, nil
	}
	var list sessionCollection
	if _, asked := getJSON(ctx, s, collection, &list); asked != nil {
		return nil, errors.Join(err, asked)
	}
	if path, own := sessionPath(list.mine()); own == nil {
		s.path = path
		return s, nil
	}
	return nil, err
}

// outlast returns a context that ends loginGrace after ctx, or after
// loginTimeout.
func outlast(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithTimeout(context.WithoutCancel(ctx), loginTimeout)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(loginGrace, cancel) })
	return out, func() { stop(); cancel() }
}

// loginBody is the login document; without credentials it carries the nulls
// that HPE's client sends (ILO.md §4).
func loginBody(c *Credentials) []byte {
	var login struct{ UserName, Password *string }
	if c != nil {
		login.UserName, login.Password = &c.UserName, &c.Password
	}
	body, err := json.Marshal(login)
	if err != nil {
		panic(err) // two strings always marshal
	}
	return body
}

// refusal types a login answer other than 2xx. Neither status nor
// registry version is reliable: 400, 401, 403 and 503 all occur
// (ILO.md §3, §4).
func refusal(resp *http.Response) error {
	e := redfisherror.FromResponse(resp)
	switch {
	case isSessionLimit(e):
		return fmt.Errorf("%w: %w", ErrSessionLimit, e)
	case e.Status == http.StatusUnauthorized, e.Has("UnauthorizedLoginAttempt", "NoValidSession"):
		return fmt.Errorf("%w: %w", ErrCredentials, e)
	}
	return e
}

func isSessionLimit(e *redfisherror.Error) bool {
	return e.Has("SessionLimitExceeded", "CreateLimitReachedForResource")
}
