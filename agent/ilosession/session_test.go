package ilosession_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/agent/redfisherror"
)

const (
	token       = "ab810a29761d65cfdd5dbe8a57e6da1e"
	sessionPath = "/redfish/v1/SessionService/Sessions/System%20Administrator000000005b6da206f020c3c9/"
)

var errChannel = errors.New("the channel is gone")

// ilo is the transport and the iLO behind it: each step answers one request.
type ilo struct {
	mu    sync.Mutex
	steps []step
	seen  []*http.Request
}

type step func(*http.Request) (*http.Response, error)

func (i *ilo) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	i.seen = append(i.seen, r)
	if len(i.steps) == 0 {
		i.mu.Unlock()
		return nil, fmt.Errorf("unexpected %s %s", r.Method, r.URL)
	}
	s := i.steps[0]
	i.steps = i.steps[1:]
	i.mu.Unlock()
	return s(r)
}

// requests lists what the iLO has seen, as "METHOD path".
func (i *ilo) requests() (seen []string) {
	for _, r := range i.seen {
		seen = append(seen, r.Method+" "+r.URL.RequestURI())
	}
	return seen
}

func answer(status int, body string, headers ...string) step {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		for n := 0; n+1 < len(headers); n += 2 {
			h.Set(headers[n], headers[n+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

func fail(err error) step {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

func extended(ids ...string) string {
	var b strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&b, `,{"MessageId":%q}`, id)
	}
	return `{"error":{"code":"iLO.0.10.ExtendedInfo","message":"See @Message.ExtendedInfo for more information.","@Message.ExtendedInfo":[` +
		strings.TrimPrefix(b.String(), ",") + `]}}`
}

var created = answer(201, extended("Base.1.4.Created"), "X-Auth-Token", token,
	"Location", "https:///redfish/v1/SessionService/Sessions/System Administrator000000005b6da206f020c3c9/")

func login(t *testing.T, i *ilo) *ilosession.Session {
	t.Helper()
	i.steps = slices.Insert(i.steps, 0, created)
	s, err := ilosession.Login(t.Context(), i, ilosession.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLoginUseLogout(t *testing.T) {
	i := &ilo{steps: []step{answer(200, `{}`), answer(200, extended("Base.1.0.Success"))}}
	s := login(t, i)
	if s.Path() != sessionPath {
		t.Errorf("path %s", s.Path())
	}
	body, err := io.ReadAll(i.seen[0].Body)
	if err != nil || string(body) != `{"UserName":null,"Password":null}` {
		t.Errorf("login body %s, %v", body, err)
	}
	if h := i.seen[0].Header; h.Get("OData-Version") != "4.0" || h.Get("Content-Type") != "application/json" {
		t.Errorf("login headers %v", h)
	}

	req := httptest.NewRequest(http.MethodGet, "/redfish/v1/Systems/", nil)
	req.Header.Set("X-Other", "1")
	resp, err := s.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if h := i.seen[1].Header; h.Get("X-Auth-Token") != token || h.Get("X-Other") != "1" || len(h) != 2 {
		t.Errorf("headers in the session: %v", h)
	}
	if len(req.Header) != 1 {
		t.Error("the caller's request was changed")
	}

	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"POST /redfish/v1/SessionService/Sessions/", "GET /redfish/v1/Systems/", "DELETE " + sessionPath}
	if got := i.requests(); !slices.Equal(got, want) {
		t.Errorf("requests %q", got)
	}
	if i.seen[2].Header.Get("X-Auth-Token") != token {
		t.Error("the log-out has no token")
	}
	if err := s.Close(t.Context()); err != nil || len(i.seen) != 3 {
		t.Errorf("second Close: %v, %d requests", err, len(i.seen))
	}
	if _, err := s.RoundTrip(req); !errors.Is(err, ilosession.ErrClosed) || len(i.seen) != 3 {
		t.Errorf("use after Close: %v", err)
	}
}

func TestLoginWithCredentials(t *testing.T) {
	i := &ilo{steps: []step{created}}
	c := &ilosession.Credentials{UserName: "admin", Password: "s3cret\""}
	if _, err := ilosession.Login(t.Context(), i, ilosession.Options{Credentials: c}); err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(i.seen[0].Body); string(body) != `{"UserName":"admin","Password":"s3cret\""}` {
		t.Errorf("login body %s", body)
	}
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if shown := fmt.Sprintf("%s %v %+v %#v %x %d", c, c, *c, c, *c, c) + string(encoded); strings.Contains(shown, "s3cret") {
		t.Errorf("the password shows: %s", shown)
	}
}

// Status 200 with a token is a login too (chif/PROTOCOL.md §7).
func TestLoginStatus200(t *testing.T) {
	i := &ilo{steps: []step{answer(200, "", "X-Auth-Token", token, "Location", "/redfish/v1/Sessions/a")}}
	if s, err := ilosession.Login(t.Context(), i, ilosession.Options{}); err != nil || s.Path() != "/redfish/v1/Sessions/a" {
		t.Error(s, err)
	}
}

func TestLoginRefused(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   error
	}{
		{400, extended("Base.1.12.SessionLimitExceeded"), ilosession.ErrSessionLimit},
		{403, extended("Base.1.4.Other", "Base.1.4.CreateLimitReachedForResource"), ilosession.ErrSessionLimit},
		{503, extended("Base.1.18.SessionLimitExceeded"), ilosession.ErrSessionLimit},
		{401, extended("Base.1.12.SessionLimitExceeded"), ilosession.ErrSessionLimit},
		{401, extended("Base.1.4.NoValidSession"), ilosession.ErrCredentials},
		{401, ``, ilosession.ErrCredentials},
		{400, extended("iLO.2.14.UnauthorizedLoginAttempt"), ilosession.ErrCredentials},
		{503, `<html>`, nil},
		{403, extended("Base.1.4.InsufficientPrivilege"), nil},
		{500, extended("Base.1.4.InternalError"), nil},
	} {
		i := &ilo{steps: []step{answer(c.status, c.body)}}
		_, err := ilosession.Login(t.Context(), i, ilosession.Options{})
		e, ok := errors.AsType[*redfisherror.Error](err)
		if !ok || e.Status != c.status {
			t.Errorf("%d %s: %v", c.status, c.body, err)
		}
		for _, sentinel := range []error{ilosession.ErrSessionLimit, ilosession.ErrCredentials, ilosession.ErrMayRemain} {
			if errors.Is(err, sentinel) != (sentinel == c.want) {
				t.Errorf("%d %s: %v", c.status, c.body, err)
			}
		}
	}
}

func TestLoginUnusableAnswer(t *testing.T) {
	for name, headers := range map[string][]string{
		"no token":           {"Location", "/redfish/v1/Sessions/a"},
		"no location":        {"X-Auth-Token", token},
		"location no path":   {"X-Auth-Token", token, "Location", "https://ilo/"},
		"location not a URL": {"X-Auth-Token", token, "Location", "/redfish/v1/%zz"},
	} {
		i := &ilo{steps: []step{answer(201, "", headers...)}}
		_, err := ilosession.Login(t.Context(), i, ilosession.Options{})
		if !errors.Is(err, ilosession.ErrMayRemain) || strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoginLostAnswer(t *testing.T) {
	notSent := fmt.Errorf("queued: %w", errChannel)
	o := ilosession.Options{NotSent: func(err error) bool { return err == notSent }}
	for err, mayRemain := range map[error]bool{notSent: false, errChannel: true} {
		_, got := ilosession.Login(t.Context(), &ilo{steps: []step{fail(err)}}, o)
		if !errors.Is(got, err) || errors.Is(got, ilosession.ErrMayRemain) != mayRemain {
			t.Errorf("%v: got %v", err, got)
		}
	}
}

func TestLoginCancelledBefore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	i := &ilo{}
	if _, err := ilosession.Login(ctx, i, ilosession.Options{}); !errors.Is(err, context.Canceled) || len(i.seen) > 0 {
		t.Errorf("%v, requests %q", err, i.requests())
	}
}

// A login that is cancelled while its answer is under way still yields the
// session, so that it can be deleted.
func TestLoginOutlivesCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		i := &ilo{steps: []step{
			func(r *http.Request) (*http.Response, error) {
				cancel()
				synctest.Wait()
				if r.Context().Err() != nil {
					return nil, r.Context().Err()
				}
				return created(r)
			},
			answer(200, ""),
		}}
		s, err := ilosession.Login(ctx, i, ilosession.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
		if got := i.requests(); len(got) != 2 || got[1] != "DELETE "+sessionPath {
			t.Errorf("requests %q", got)
		}
	})
}

// silent never answers.
func silent(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestLoginSilentILO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		for _, before := range []func(){func() {}, cancel} {
			i := &ilo{steps: []step{func(r *http.Request) (*http.Response, error) {
				before()
				return silent(r)
			}}}
			if _, err := ilosession.Login(ctx, i, ilosession.Options{}); !errors.Is(err, ilosession.ErrMayRemain) {
				t.Error(err)
			}
		}
	})
}

func TestLogoutSuccess(t *testing.T) {
	for _, status := range []int{200, 202, 204, 401, 404} {
		i := &ilo{steps: []step{answer(status, extended("Base.1.4.ResourceMissingAtURI"))}}
		if err := login(t, i).Close(t.Context()); err != nil {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestLogoutTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		i := &ilo{steps: []step{fail(errChannel), answer(503, ""), answer(200, "")}}
		s := login(t, i)
		cancel()
		if err := s.Close(ctx); err != nil || len(i.seen) != 4 {
			t.Errorf("%v after %q", err, i.requests())
		}
	})
}

func TestLogoutFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := &ilo{steps: []step{answer(405, ""), answer(200, "")}}
		s := login(t, refused)
		e, ok := errors.AsType[*redfisherror.Error](s.Close(t.Context()))
		if !ok || e.Status != 405 || len(refused.seen) != 2 {
			t.Errorf("%v after %q", e, refused.requests())
		}
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("Close again: %v", err)
		}

		gone := &ilo{steps: []step{fail(errChannel), fail(errChannel), fail(errChannel), answer(200, "")}}
		if err := login(t, gone).Close(t.Context()); !errors.Is(err, errChannel) || len(gone.seen) != 4 {
			t.Errorf("%v after %q", err, gone.requests())
		}

		dumb := &ilo{steps: []step{silent, answer(200, "")}}
		if err := login(t, dumb).Close(t.Context()); !errors.Is(err, context.DeadlineExceeded) || len(dumb.seen) != 2 {
			t.Errorf("%v after %q", err, dumb.requests())
		}
	})
}

func TestTokenIsNeverPrinted(t *testing.T) {
	s := login(t, &ilo{})
	var log bytes.Buffer
	logger := logrus.New()
	logger.Out = &log
	logger.WithField("session", s).Warn(s)
	logger.Formatter = &logrus.JSONFormatter{}
	logger.WithField("session", s).Warn(s)
	holder := struct{ s *ilosession.Session }{s}
	encoded, err := json.Marshal([]any{s, holder})
	if err != nil {
		t.Fatal(err)
	}
	shown := string(encoded) + log.String()
	for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%x", "%d", "%q"} {
		shown += fmt.Sprintf(verb, s) + fmt.Sprintf(verb, holder)
	}
	if strings.Contains(shown, token) || strings.Contains(shown, fmt.Sprintf("%x", token)) {
		t.Errorf("the token shows: %s", shown)
	}
	if !strings.Contains(shown, sessionPath) {
		t.Errorf("the path does not show: %s", shown)
	}
}
