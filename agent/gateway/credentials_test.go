package gateway

import (
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/clients"
)

// Whoever names a client session and does not get it gets none, whatever the
// header that names it: not the default session, and not the service root.
func TestABadHandleIsNeverTheDefaultSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &next{}
		all := openClients(t, clients.DefaultLimits())
		g := newGateway(t, Options{Next: n, Clients: all, Accounts: testAccounts})
		_, old := newSession(t, g, &operator)
		ended, gone := newSession(t, g, &operator)
		time.Sleep(time.Hour)
		if w := ask(g, &operator, "DELETE", "/ilod/v1/sessions/"+ended.ID, ""); w.Code != 404 {
			t.Errorf("%s is not expired: %d", ended.ID, w.Code)
		}
		_, foreign := newSession(t, g, &root)
		_, remote := newSession(t, g, nil, "Authorization", basicHeader("remote", testPassword))
		mine, good := newSession(t, g, &operator)
		basic := func(name, password string) string {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
		}
		forged := good[:len(good)-1] + string(good[len(good)-1]^1)
		newer := strings.Replace(good, ".", ".1", 1)
		const invalid, session = "SessionHandleInvalid", "NoValidSession"
		cases := []struct {
			name   string
			header []string
			want   string
		}{
			{"empty", []string{tokenHeader, ""}, invalid},
			{"blank", []string{tokenHeader, " "}, invalid},
			{"forged", []string{tokenHeader, forged}, invalid},
			{"another version", []string{tokenHeader, newer}, invalid},
			{"expired", []string{tokenHeader, old}, "SessionExpired"},
			{"expired, too", []string{tokenHeader, gone}, "SessionExpired"},
			{"foreign", []string{tokenHeader, foreign}, invalid},
			{"of the TLS listener", []string{tokenHeader, remote}, invalid},
			{"the id alone", []string{tokenHeader, mine.ID}, invalid},
			{"Bearer, forged", []string{"Authorization", "Bearer " + forged}, invalid},
			{"Bearer, expired", []string{"Authorization", "Bearer " + old}, "SessionExpired"},
			{"Bearer, foreign", []string{"Authorization", "bearer " + foreign}, invalid},
			{"Bearer, empty", []string{"Authorization", "Bearer"}, invalid},
			{"Bearer, no handle", []string{"Authorization", "BEARER abc"}, invalid},
			{"Basic with a handle", []string{"Authorization", basic(good, "")}, invalid},
			{"Basic with a handle as password", []string{"Authorization", basic("a", forged)}, invalid},
			{"Basic, no pair", []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(good))}, session},
			{"Basic, empty", []string{"Authorization", "Basic"}, session},
			{"Authorization, empty", []string{"Authorization", ""}, session},
			{"a handle without scheme", []string{"Authorization", good}, session},
			{"another scheme", []string{"Authorization", "Negotiate abc"}, session},
			{"twice", []string{tokenHeader, good, tokenHeader, good}, invalid},
			{"forged behind good", []string{tokenHeader, good, tokenHeader, forged}, invalid},
			{"a list", []string{tokenHeader, good + ", " + good}, invalid},
			{"good token, forged Bearer", []string{tokenHeader, good, "Authorization", "Bearer " + forged}, invalid},
			{"forged token, good Bearer", []string{tokenHeader, forged, "Authorization", "Bearer " + good}, invalid},
			{"forged token, good login", []string{tokenHeader, forged, "Authorization", basicHeader("remote", testPassword)}, invalid},
			{"empty token, good Bearer", []string{tokenHeader, "", "Authorization", "Bearer " + good}, invalid},
			{"two logins", []string{"Authorization", basicHeader("remote", testPassword), "Authorization", basicHeader("remote", testPassword)}, session},
			{"login, then Bearer", []string{"Authorization", basicHeader("remote", testPassword), "Authorization", "Bearer " + forged}, invalid},
		}
		before, made := n.count(), all.Stats().Created
		for _, c := range cases {
			for _, target := range []string{"/redfish/v1/Systems", "/redfish/v1/", "/ilod/v1/sessions/current", "/ilod/v1/active/Systems"} {
				for _, method := range []string{"GET", "PATCH"} {
					w := ask(g, &operator, method, target, "", c.header...)
					if w.Code != 401 {
						t.Errorf("%s: %s %s: %d %s", c.name, method, target, w.Code, w.Body)
						continue
					}
					wantFailure(t, w, 401, c.want)
				}
			}
			if strings.Contains(c.name, "TLS") {
				continue
			}
			if w := ask(g, nil, "GET", "/redfish/v1/", "", c.header...); w.Code != 401 {
				t.Errorf("%s: on the TLS listener %d", c.name, w.Code)
			}
		}
		if n.count() != before || all.Stats().Created != made {
			t.Errorf("%d requests went to the iLO, %d sessions were made", n.count()-before, all.Stats().Created-made)
		}

		// And what is good.
		for name, header := range map[string][]string{
			"token": {tokenHeader, good}, "Bearer": {"Authorization", "Bearer " + good}, "spelt otherwise": {"Authorization", "bEARER   " + good},
			"token and login": {tokenHeader, good, "Authorization", basic("a", "b")},
		} {
			if s := sessionOf(t, ask(g, &operator, "GET", "/ilod/v1/sessions/current", "", header...), 200); s.ID != mine.ID {
				t.Errorf("%s: %+v", name, s)
			}
		}
		if s := sessionOf(t, ask(g, &operator, "GET", "/ilod/v1/sessions/current", "", "Authorization", basic("a", "b")), 200); !s.Default {
			t.Errorf("a login without a handle: %+v", s)
		}
		if w := ask(g, nil, "GET", "/redfish/v1/Systems", "", "Authorization", "Bearer "+remote); w.Code != 200 {
			t.Errorf("Bearer on the TLS listener: %d", w.Code)
		}
	})
}
