package ilosession

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// A login is good as long as the iLO gave a token: the path is in Location, in the
// body, or the session itself tells it. Nothing is left then, and one login does.
func TestLoginWithoutLocation(t *testing.T) {
	for name, c := range map[string]struct {
		body     string
		location string // instead of the iLO's
	}{
		"path in the body":       {"", ""},
		"asked for":              {redfish.BodyCreated, ""},
		"no path":                {redfish.BodyCreated, "https://ilo/"},
		"of the collection":      {redfish.BodyCreated, "/redfish/v1/SessionService/Sessions/"},
		"of something else":      {"", "/redfish/v1/AccountService/Accounts/1/"},
		"with a query":           {"", "/redfish/v1/SessionService/Sessions/a?b"},
		"of a session elsewhere": {redfish.BodyCreated, "/elsewhere/Sessions/a"},
	} {
		bubble(t, name, func(t *testing.T) {
			m := newMachine(t, redfish.Options{LoginBody: c.body, Foreign: redfish.EveryKind()})
			k := m.keeper(func(o *KeeperOptions) {
				o.Next = spoilt(o.Next, nil, "Location", "Link")
				next := o.Next
				o.Next = roundTripper(func(r *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(r)
					if err == nil && r.Method == http.MethodPost && c.location != "" {
						resp.Header.Set("Location", c.location)
					}
					return resp, err
				})
			})
			for range 3 {
				m.get(k)
			}
			m.expect(1, 0, 7)
			closeKeeper(t, k)
			m.expect(1, 1, 6)
		})
	}
}

// A login that the iLO has answered in a way that does not rule out a session
// leaves its intent, whether or not the iLO has made one; a refusal leaves nothing.
func TestLoginFailedHalfWay(t *testing.T) {
	for status, remains := range map[int]bool{
		200: true, 201: true, 202: true, 204: true, 408: true, 500: true, 501: true, 502: true, 503: true, 504: true, 599: true,
		301: false, 308: false, 400: false, 401: false, 403: false, 404: false, 405: false, 415: false, 429: false,
	} {
		bubble(t, fmt.Sprint(status), func(t *testing.T) {
			m := newMachine(t, redfish.Options{})
			if remains { // the iLO has executed it
				m.rules(chiftest.Rule{Fault: chiftest.FaultHTTPStatus, Method: "POST", Status: status, Times: 1})
			} else {
				m.answers(redfish.Answer{Method: "POST", Status: status, Times: 1})
			}
			k := m.keeper(func(o *KeeperOptions) { o.Next = spoilt(o.Next, nil, tokenHeader) })
			m.get1(k)
			if got := k.Status().LedgerEntries; got != map[bool]int{true: 1}[remains] {
				t.Errorf("%d entries in the ledger", got)
			}
			if err := k.Close(t.Context()); err != nil {
				t.Error(err)
			}
			m.clean()
			if s := m.service.Stats(); s.Sessions != 0 {
				t.Errorf("%d sessions are left", s.Sessions)
			}
		})
	}
	bubble(t, "400 InternalError", func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		k := m.keeper(func(o *KeeperOptions) {
			next := o.Next
			o.Next = roundTripper(func(r *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(r)
				if err == nil && r.Method == http.MethodPost {
					resp.StatusCode, resp.Header = 400, http.Header{"Date": resp.Header["Date"]}
					_ = resp.Body.Close()
					resp.Body = io.NopCloser(strings.NewReader(`{"error":{"@Message.ExtendedInfo":[{"MessageId":"Base.1.4.InternalError"}]}}`))
				}
				return resp, err
			})
		})
		m.get1(k)
		if got := k.Status().LedgerEntries; got != 1 {
			t.Errorf("%d entries in the ledger", got)
		}
		if err := k.Close(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(lateness)
		m.clean()
		synctest.Wait()
		if s := m.service.Stats(); s.Sessions != 0 {
			t.Errorf("%d sessions are left", s.Sessions)
		}
	})
}
