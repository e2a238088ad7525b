package ilosession

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// endless is a body without end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return copy(p, bytes.Repeat([]byte(" "), len(p))), nil
}

func (*endless) Close() error { return nil }

// Of an answer without end no more is read than 1 MiB.
func TestEndlessAnswerIsCut(t *testing.T) {
	for name, ask := range map[string]func(ctx context.Context, rt http.RoundTripper) error{
		"login": func(ctx context.Context, rt http.RoundTripper) error { return second(Login(ctx, rt, Options{})) },
		"logout": func(ctx context.Context, rt http.RoundTripper) error {
			return (&Session{rt: rt, path: sessions + "/a", authorize: authorizer("t")}).Close(ctx)
		},
		"delete": func(ctx context.Context, rt http.RoundTripper) error { return deleteSession(ctx, rt, sessions+"/a") },
		"read": func(ctx context.Context, rt http.RoundTripper) error {
			if err := second(readTable(ctx, rt)); err == nil {
				return errors.New("it is no table")
			}
			return nil
		},
	} {
		body := &endless{}
		err := ask(t.Context(), roundTripper(func(*http.Request) (*http.Response, error) {
			h := http.Header{tokenHeader: {"t"}, "Location": {sessions + "/a"}}
			return &http.Response{StatusCode: 200, Header: h, Body: body}, nil
		}))
		if err != nil || body.read < 1<<20 || body.read > 2<<20 {
			t.Errorf("%s: %v, %d bytes read", name, err, body.read)
		}
	}
}

// What the Keeper asks in a request's name ends with it, and so does what it asks for
// itself: no timer and no context of it stays.
func TestContextsEndWithTheirRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{IdleTimeout: 15 * time.Minute})
		m.leave(untilRecorded)
		var mu sync.Mutex
		all := map[string]context.Context{}
		k := m.keeper(func(o *KeeperOptions) {
			next := o.Next
			o.ReapForeign = time.Hour
			o.Next = roundTripper(func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				all[fmt.Sprintf("%d: %s %s", len(all), r.Method, r.URL)] = r.Context()
				return next.RoundTrip(r)
			})
		})
		if err := k.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		m.get(k)
		time.Sleep(time.Hour) // it is kept alive, and lingers
		synctest.Wait()
		for name, ctx := range all {
			if !errors.Is(ctx.Err(), context.Canceled) { // nil, or only a timer's
				t.Errorf("%s: its context did not end with it: %v", name, ctx.Err())
			}
		}
		if len(all) < 10 {
			t.Errorf("only %d requests", len(all))
		}
		m.expect(2, 2, 0)
		closeKeeper(t, k)
	})
}

// registered is a context that counts who waits for its end.
type registered struct {
	context.Context
	done    chan struct{}
	waiting int
}

func (r *registered) Done() <-chan struct{} { return r.done }

func (r *registered) AfterFunc(func()) (stop func() bool) {
	r.waiting++
	return func() bool { r.waiting--; return true }
}

// A login and Close leave nothing that waits for the end of their caller's context,
// which may be that of the whole process.
func TestNothingWaitsForTheCallersContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		caller := &registered{Context: t.Context(), done: make(chan struct{})}
		k := m.keeper()
		s, err := Login(caller, k.o.Next, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Close(caller), k.Close(caller)); err != nil {
			t.Error(err)
		}
		if caller.waiting != 0 {
			t.Errorf("%d wait", caller.waiting)
		}
	})
}

// An iLO 4 answers in its older form to a request without this header.
func TestOwnRequestsAskForOData4(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		k := m.keeper(func(o *KeeperOptions) {
			next := o.Next
			o.Next = roundTripper(func(r *http.Request) (*http.Response, error) {
				if got := r.Header.Get("OData-Version"); got != "4.0" && r.Method != http.MethodDelete {
					t.Errorf("%s %s: version %q", r.Method, r.URL, got)
				}
				return next.RoundTrip(r)
			})
		})
		if _, err := k.Table(t.Context()); err != nil {
			t.Error(err)
		}
		closeKeeper(t, k)
	})
}

// The service root is read without a session as long as there is none; all else
// needs one.
func TestOnlyTheRootNeedsNoSession(t *testing.T) {
	for _, c := range []struct {
		method, path string
		needs        bool
	}{
		{"GET", "/redfish/v1/", false}, {"HEAD", "/redfish/v1/", false}, {"GET", "/redfish/v1", false},
		{"GET", "/redfish/v1/?$select=UUID", true}, {"PATCH", "/redfish/v1/", true},
		{"GET", "/redfish/v1/Systems/1/", true}, {"GET", "/redfish/", true},
	} {
		bubble(t, c.method+" "+c.path, func(t *testing.T) {
			m := newMachine(t, redfish.Options{})
			k := m.keeper()
			if _, err := do(t.Context(), k, c.method, c.path, ""); err != nil {
				t.Error(err)
			}
			if needs := k.Status().Logins == 1; needs != c.needs {
				t.Errorf("it needs a session: %v", needs)
			}
			if c.needs {
				return
			}
			m.get(k)
			used := k.Status().LastUse
			time.Sleep(time.Second)
			if _, err := do(t.Context(), k, c.method, c.path, ""); err != nil || k.Status().LastUse != used.Add(time.Second) {
				t.Errorf("with a session: %v, last use %v", err, k.Status().LastUse)
			}
		})
	}
}

// The board's serial number is asked for until it is known.
func TestSerialNumberIsAskedForUntilKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, hook := test.NewNullLogger()
		log.Level = logrus.DebugLevel
		m := newMachine(t, redfish.Options{})
		asked := 0
		k := m.keeper(func(o *KeeperOptions) {
			o.Log = log
			o.Serial = func(context.Context) (string, error) {
				if asked++; asked == 1 {
					return "", errors.New("not now")
				}
				return "S", nil
			}
		})
		for range 3 {
			m.get(k)
			if err := k.Logout(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if got := told(hook, logrus.DebugLevel, "not now"); asked != 2 || got != 1 || k.identity.Serial != "S" {
			t.Errorf("asked %d times, %d failures in the log, %+v", asked, got, k.identity)
		}
		closeKeeper(t, k)
	})
}

// A login that never left the queue is no reason to wait with the next.
func TestLoginThatWasNotSentIsTriedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		failures := 3
		k := m.keeper(func(o *KeeperOptions) {
			next := o.Next
			o.Next = roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPost && failures > 0 {
					failures--
					return nil, chif.ErrNotSent
				}
				return next.RoundTrip(r)
			})
		})
		start := time.Now()
		for range failures {
			if _, err := do(t.Context(), k, "GET", system, ""); !errors.Is(err, chif.ErrNotSent) || !errors.Is(err, ErrNoLogin) {
				t.Error(err)
			}
		}
		m.get(k)
		if waited := time.Since(start); waited != 0 || k.Status().Refusals != 3 {
			t.Errorf("waited %v, %+v", waited, k.Status())
		}
		closeKeeper(t, k)
	})
}

// A body of 1 MiB is kept for a second time, a larger one is not.
func TestBodyThatIsSentAgain(t *testing.T) {
	for size, again := range map[int]bool{1: true, 1 << 20: true, 1<<20 + 1: false} {
		text := strings.Repeat("x", size)
		req := request(t.Context(), "PATCH", system, text)
		send, repeat, err := replayable(req)
		if err != nil || (repeat != nil) != again {
			t.Fatalf("%d bytes: again %v, %v", size, repeat != nil, err)
		}
		sent := []*http.Request{send}
		if again {
			sent = append(sent, repeat(), repeat())
		}
		for _, r := range sent {
			if got, err := io.ReadAll(r.Body); err != nil || string(got) != text {
				t.Errorf("%d bytes: %d are sent, %v", size, len(got), err)
			}
		}
	}
}

// A request whose body cannot be read is not sent, and its body is closed.
func TestBodyThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		k := m.keeper()
		req := request(t.Context(), "PATCH", system, "")
		broken, closed := errors.New("broken"), false
		req.Body = &body{Reader: io.MultiReader(strings.NewReader("{"), iotest.ErrReader(broken)), closed: func() { closed = true }}
		if _, err := k.RoundTrip(req); !errors.Is(err, broken) || !closed {
			t.Errorf("%v; closed: %v", err, closed)
		}
		m.expect(0, 0, 0)
		closeKeeper(t, k)
	})
}

// A request that meets the end of one session after the other is given up after the
// fourth.
func TestRequestGivesUpAfterFourSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.places = 4
		tries := 0
		var k *Keeper
		k = m.keeper(func(o *KeeperOptions) {
			next := o.Next
			o.Next = roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPatch {
					tries++
					m.get(k) // so that the session has worked
					m.service.EndSession(sessionID(k.Status().Session))
				}
				return next.RoundTrip(r)
			})
		})
		if status, err := do(t.Context(), k, "PATCH", system, `{"AssetTag":"x"}`); !errors.Is(err, ErrNoLogin) || tries != 4 || !strings.Contains(err.Error(), "4 of them") {
			t.Errorf("%d, %v after %d tries", status, err, tries)
		}
		if s := k.Status(); s.Replays != 3 || s.Logins != 4 {
			t.Errorf("%+v", s)
		}
		closeKeeper(t, k)
	})
}

// The body of a request that cannot be sent is closed, also that of a large one.
func TestBodyIsClosedWithoutALogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.answers(redfish.Answer{Method: "POST", Status: 403})
		k := m.keeper()
		for _, size := range []int{1, 2 << 20} {
			_, err := do(t.Context(), k, "PATCH", system, strings.Repeat(" ", size))
			if !errors.Is(err, ErrNoLogin) || strings.Contains(err.Error(), "not closed") {
				t.Errorf("%d bytes: %v", size, err)
			}
		}
		closeKeeper(t, k)
		if _, err := do(t.Context(), k, "PATCH", system, "{}"); !errors.Is(err, ErrClosed) || strings.Contains(err.Error(), "not closed") {
			t.Error(err)
		}
	})
}
