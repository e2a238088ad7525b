package redfish

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const sessions = "/redfish/v1/SessionService/Sessions"

func TestLogin(t *testing.T) {
	admin := `{"UserName":"Administrator","Password":"password"}`
	for _, c := range []struct {
		name    string
		options Options
		body    string
		status  int
		message string
	}{
		{"in-band", Options{}, noCredentials, 201, ""},
		{"HighSecurity", Options{SecurityState: 4}, noCredentials, 201, ""},
		{"FIPS", Options{SecurityState: 5}, noCredentials, 401, "UnauthorizedLoginAttempt"},
		{"host authentication", Options{RequireHostAuthentication: true}, noCredentials, 401, "UnauthorizedLoginAttempt"},
		{"iLO 7", Options{Generation: 7}, noCredentials, 401, "UnauthorizedLoginAttempt"},
		{"FIPS with credentials", Options{SecurityState: 5}, admin, 201, ""},
		{"credentials", Options{}, admin, 201, ""},
		{"user name in another case", Options{}, `{"UserName":"ADMINISTRATOR","Password":"password"}`, 201, ""},
		{"two-factor field", Options{}, `{"UserName":"Administrator","Password":"password","Token":"1"}`, 201, ""},
		{"wrong password", Options{}, `{"UserName":"Administrator","Password":"Password"}`, 401, "UnauthorizedLoginAttempt"},
		{"the text None", Options{}, `{"UserName":"None","Password":"None"}`, 401, "UnauthorizedLoginAttempt"},
		{"name without password", Options{}, `{"UserName":"Administrator","Password":null}`, 401, "UnauthorizedLoginAttempt"},
		{"no JSON", Options{}, `hello`, 400, "MalformedJSON"},
		{"a list", Options{}, `[]`, 400, "MalformedJSON"},
		{"two values", Options{}, noCredentials + noCredentials, 400, "MalformedJSON"},
		{"nothing", Options{}, ``, 400, "MalformedJSON"},
		{"unknown property", Options{}, `{"User":"x"}`, 400, "PropertyUnknown"},
		{"number as name", Options{}, `{"UserName":5,"Password":"x"}`, 400, "PropertyValueTypeError"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, c.options)
			w := f.anonymous().do("POST", sessions+"/", c.body)
			expect(t, "login", w, c.status, c.message)
			ok := c.status == 201
			if token := regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(w.Header().Get("X-Auth-Token")); token != ok {
				t.Errorf("token %q", w.Header().Get("X-Auth-Token"))
			}
			if st := f.Stats(); ok != (st.Logins == 1) || st.Sessions != st.Logins {
				t.Errorf("%+v", st)
			}
		})
	}
}

// TestSession is the life of an in-band session by §2 and §4.
func TestSession(t *testing.T) {
	f := newFixture(t, Options{})
	w := f.anonymous().do("POST", sessions+"/", noCredentials)
	location := w.Header().Get("Location")
	// 2026-03-01T12:00:00Z is 0x69a42a40.
	if !regexp.MustCompile(`^https:///redfish/v1/SessionService/Sessions/system%20administrator0000000069a42a40[0-9a-f]{1,8}/$`).MatchString(location) {
		t.Errorf("Location %q", location)
	}
	if got := property(t, w.Body.Bytes(), "Oem", "Hpe", "MySession"); got != false {
		t.Errorf("the 201 says MySession %v", got)
	}
	c := &caller{f: f, token: w.Header().Get("X-Auth-Token"), location: pathOf(location)}
	f.pass(10 * time.Minute)
	body := c.get(c.location)
	for property_, want := range map[string]any{
		"AccessTime": "2026-03-01T12:10:00Z", "LoginTime": "2026-03-01T12:00:00Z", "UserExpires": "2026-03-01T12:40:00Z",
		"MySession": true, "UserTag": "RESTHost", "UserType": "System",
	} {
		if got := property(t, body, "Oem", "Hpe", property_); got != want {
			t.Errorf("%s %v, want %v", property_, got, want)
		}
	}
	if property(t, body, "Oem", "Hpe", "Privileges") == nil || property(t, body, "UserName") != InBandUser {
		t.Errorf("own session: %s", body)
	}
	other := f.login()
	body = other.get(c.location)
	if property(t, body, "Oem", "Hpe", "MySession") != false || property(t, body, "Oem", "Hpe", "Privileges") != nil ||
		property(t, body, "Oem", "Hpe", "AccessTime") != "2026-03-01T12:10:00Z" {
		t.Errorf("session seen by another: %s", body)
	}
	list := other.get(sessions)
	mine := property(t, list, "Oem", "Hpe", "Links", "MySession", "@odata.id")
	if mine != strings.TrimSuffix(other.location, "/") || property(t, list, "Members@odata.count") != 2.0 {
		t.Errorf("collection: %s", list)
	}
	expect(t, "logout", c.do("DELETE", c.location, ""), 200, "Success")
	expect(t, "dead token", c.do("GET", sessions, ""), 401, "NoValidSession")
	expect(t, "dead token, logout", c.do("DELETE", c.location, ""), 401, "NoValidSession")
	expect(t, "gone", other.do("DELETE", c.location, ""), 404, "ResourceMissingAtURI")
	expect(t, "gone", other.do("GET", c.location, ""), 404, "ResourceMissingAtURI")
	if err := f.Check(); err == nil || !strings.Contains(err.Error(), "is left") {
		t.Errorf("Check with a session left: %v", err)
	}
	expect(t, "logout", other.do("DELETE", other.location, ""), 200, "Success")
	if err := f.Check(); err != nil {
		t.Error(err)
	}
}

func TestSessionOfILO4(t *testing.T) {
	f := newFixture(t, Options{Generation: 4})
	c := f.login()
	body := c.get(c.location)
	if property(t, body, "Oem", "Hp", "UserTag") != "Unknown" || property(t, body, "@odata.type") != "#Session.1.0.0.Session" ||
		property(t, body, "Oem", "Hp", "Privileges", "HostBIOSConfigPriv") != nil {
		t.Errorf("%s", body)
	}
	if id := property(t, body, "@odata.id"); id != c.location {
		t.Errorf("@odata.id %s, want %s", id, c.location)
	}
}

func TestLoginForms(t *testing.T) {
	f := newFixture(t, Options{LoginBody: BodyCreated, LocationBlank: true, LocationHost: "ilo"})
	w := f.anonymous().do("POST", sessions, noCredentials)
	expect(t, "login", w, 201, "Created")
	if location := w.Header().Get("Location"); !strings.HasPrefix(location, "https://ilo/redfish/v1/SessionService/Sessions/system administrator0") {
		t.Errorf("Location %q", location)
	}
}

func TestLoginAliases(t *testing.T) {
	for _, generation := range []int{4, 5} {
		for _, url := range []string{"/redfish/v1/Sessions/", "/redfish/v1/sessionservice/SESSIONS/", "/rest/v1/Sessions", "/rest/v1/SessionService/Sessions"} {
			f := newFixture(t, Options{Generation: generation})
			if w := f.anonymous().do("POST", url, noCredentials); w.Code != 201 {
				t.Errorf("iLO %d, POST %s: %d %s", generation, url, w.Code, w.Body)
			}
		}
	}
	f := newFixture(t, Options{})
	c := f.login()
	if w := c.do("DELETE", "/redfish/v1/Sessions"+strings.TrimPrefix(c.location, sessions), ""); w.Code != 200 {
		t.Errorf("DELETE by the alias: %d %s", w.Code, w.Body)
	}
}

func TestDeleteForms(t *testing.T) {
	for form, want := range map[string]struct {
		status  int
		message string
	}{
		"": {200, "Success"}, DeleteSuccess: {200, "Success"}, DeleteTerminated: {200, "SessionTerminated"}, DeleteNoContent: {204, ""},
	} {
		c := newFixture(t, Options{DeleteAnswer: form}).login()
		expect(t, form, c.do("DELETE", c.location, ""), want.status, want.message)
	}
}

// TestMangledTargets are the classic logout bugs of clients (§4).
func TestMangledTargets(t *testing.T) {
	f := newFixture(t, Options{})
	c := f.login()
	for _, target := range []string{"https://ilo" + c.location, "ilo" + c.location, "https:/" + c.location, "*"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("DELETE", "/", nil)
		r.RequestURI = target
		r.Header.Set("X-Auth-Token", c.token)
		f.ServeHTTP(w, r)
		if w.Code != 405 || w.Header().Get("Allow") != "GET" || w.Body.Len() != 0 {
			t.Errorf("DELETE %s: %d, Allow %q, %q", target, w.Code, w.Header().Get("Allow"), w.Body)
		}
	}
	if n := len(f.Sessions()); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name    string
		options Options
		status  int
		message string
	}{
		{"default", Options{MaxSessions: 2}, 400, "SessionLimitExceeded"},
		{"403", Options{MaxSessions: 2, LimitStatus: 403}, 403, "SessionLimitExceeded"},
		{"503", Options{MaxSessions: 2, LimitStatus: 503, LimitMessage: "CreateLimitReachedForResource"}, 503, "CreateLimitReachedForResource"},
		{"by tag", Options{MaxSessionsByTag: map[string]int{"RESTHost": 2}, Foreign: []Foreign{{UserTag: "SSH"}}}, 400, "SessionLimitExceeded"},
		{"foreign sessions count", Options{MaxSessions: 3, Foreign: []Foreign{{UserTag: "SSH"}}}, 400, "SessionLimitExceeded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, c.options)
			first := f.login()
			f.login()
			expect(t, "third", f.anonymous().do("POST", sessions, noCredentials), c.status, c.message)
			first.do("DELETE", first.location, "")
			f.login()
			if st := f.Stats(); st.Logins != 3 || st.RefusedLogins != 1 || st.Deletes != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
	f := newFixture(t, Options{MaxSessions: Unlimited})
	for range 3 * DefaultMaxSessions {
		f.login()
	}
}

func TestIdleTimeout(t *testing.T) {
	f := newFixture(t, Options{IdleTimeout: 15 * time.Minute})
	c := f.login()
	for range 5 {
		f.pass(14 * time.Minute)
		c.get(sessions)
	}
	f.pass(15 * time.Minute)
	expect(t, "after the timeout", c.do("GET", sessions, ""), 401, "NoValidSession")
	if st := f.Stats(); st.Expired != 1 || st.Sessions != 0 {
		t.Errorf("%+v", st)
	}
	if err := f.Check(); err == nil || !strings.Contains(err.Error(), "expired instead") {
		t.Errorf("Check after an expiry: %v", err)
	}
	f.ForgiveExpired()
	if err := f.Check(); err != nil {
		t.Error(err)
	}
}

func TestExpiredSessionsMakeRoom(t *testing.T) {
	f := newFixture(t, Options{MaxSessions: 1})
	f.login()
	f.pass(DefaultIdleTimeout)
	f.login()
}

func TestNoIdleTimeout(t *testing.T) {
	f := newFixture(t, Options{IdleTimeout: NoIdleTimeout})
	c := f.login()
	f.pass(1000 * time.Hour)
	body := c.get(c.location)
	if access := property(t, body, "Oem", "Hpe", "AccessTime"); access != property(t, body, "Oem", "Hpe", "UserExpires") {
		t.Errorf("UserExpires differs from AccessTime: %s", body)
	}
	if n := property(t, c.get("/redfish/v1/SessionService"), "SessionTimeout"); n != 0.0 {
		t.Errorf("SessionTimeout %v", n)
	}
	if n := property(t, c.get("/redfish/v1/Managers/1"), "Oem", "Hpe", "IdleConnectionTimeoutMinutes"); n != 0.0 {
		t.Errorf("IdleConnectionTimeoutMinutes %v", n)
	}
}

func TestPatchIdleTimeout(t *testing.T) {
	for _, c := range []struct{ path, body string }{
		{"/redfish/v1/SessionService", `{"SessionTimeout":60}`},
		{"/redfish/v1/Managers/1", `{"Oem":{"Hpe":{"IdleConnectionTimeoutMinutes":60}}}`},
	} {
		f := newFixture(t, Options{})
		old := f.login()
		expect(t, "45", old.do("PATCH", c.path, strings.Replace(c.body, "60", "45", 1)), 400, "PropertyValueNotInList")
		expect(t, "60", old.do("PATCH", c.path, c.body), 200, "Success")
		if n := property(t, old.get("/redfish/v1/SessionService"), "SessionTimeout"); n != 60.0 {
			t.Errorf("%s: SessionTimeout %v", c.path, n)
		}
		if n := property(t, old.get("/redfish/v1/Managers/1"), "Oem", "Hpe", "IdleConnectionTimeoutMinutes"); n != 60.0 {
			t.Errorf("%s: IdleConnectionTimeoutMinutes %v", c.path, n)
		}
		young := f.login()
		f.pass(40 * time.Minute)
		expect(t, "session from before", old.do("GET", sessions, ""), 401, "NoValidSession")
		expect(t, "new session", young.do("PATCH", c.path, strings.Replace(c.body, "60", "0", 1)), 200, "Success")
		forever := f.login()
		f.pass(1000 * time.Hour)
		forever.get(sessions)
	}
}

func TestPatchRequireHostAuthentication(t *testing.T) {
	f := newFixture(t, Options{})
	c := f.login()
	expect(t, "PATCH", c.do("PATCH", "/redfish/v1/Managers/1", `{"Oem":{"Hpe":{"RequireHostAuthentication":true}}}`), 200, "Success")
	expect(t, "login", f.anonymous().do("POST", sessions, noCredentials), 401, "UnauthorizedLoginAttempt")
}

func TestForeignSessions(t *testing.T) {
	f := newFixture(t, Options{Foreign: append(EveryKind(),
		Foreign{UserTag: "RESTHost", UserName: InBandUser, Age: 3 * time.Hour, Idle: 20 * time.Minute, Abandoned: true})})
	c := f.login()
	var list struct {
		Members []link
	}
	if err := json.Unmarshal(c.get(sessions), &list); err != nil || len(list.Members) != 8 {
		t.Fatalf("%d sessions listed, %v", len(list.Members), err)
	}
	tags := map[any]int{}
	for _, m := range list.Members {
		tags[property(t, c.get(m.ID), "Oem", "Hpe", "UserTag")]++
	}
	if fmt.Sprint(tags) != "map[IPMI/RMCP:1 REST:1 RESTHost:3 Remote Console:1 SSH:1 Web UI:1]" {
		t.Errorf("%v", tags)
	}
	f.pass(15 * time.Minute)
	c.get("/redfish/v1/")
	f.pass(20 * time.Minute)
	if n := len(f.Sessions()); n != 7 {
		t.Errorf("%d sessions after the abandoned one expired, want 7", n)
	}
	expect(t, "logout", c.do("DELETE", c.location, ""), 200, "Success")
	if err := f.Check(); err != nil {
		t.Errorf("Check with foreign sessions only: %v", err)
	}
	c = f.login()
	expect(t, "DELETE of a foreign session", c.do("DELETE", list.Members[0].ID, ""), 200, "Success")
	c.do("DELETE", c.location, "")
	if err := f.Check(); err == nil || !strings.Contains(err.Error(), "foreign session") {
		t.Errorf("Check after a foreign session was deleted: %v", err)
	}
	if st := f.Stats(); st.ForeignDeleted != 1 {
		t.Errorf("%+v", st)
	}
}

func TestReadOnlyAccount(t *testing.T) {
	f := newFixture(t, Options{Accounts: []Account{{"guest", "guestpass", true}}})
	admin, guest := f.login(), f.loginAs(`{"UserName":"guest","Password":"guestpass"}`)
	expect(t, "delete of another's session", guest.do("DELETE", admin.location, ""), 403, "InsufficientPrivilege")
	expect(t, "PATCH", guest.do("PATCH", "/redfish/v1/Systems/1", `{"AssetTag":"x"}`), 403, "InsufficientPrivilege")
	expect(t, "action", guest.do("POST", "/redfish/v1/Managers/1/Actions/Manager.Reset", `{}`), 403, "InsufficientPrivilege")
	expect(t, "logout", guest.do("DELETE", guest.location, ""), 200, "Success")
}

func TestAuthentication(t *testing.T) {
	f := newFixture(t, Options{MaxSessions: 1})
	nobody, bad := f.anonymous(), &caller{f: f, token: strings.Repeat("0", 32)}
	basic := func(c *caller, password string) *caller {
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth("Administrator", password)
		return c.with("Authorization", r.Header.Get("Authorization"))
	}
	for _, c := range []struct {
		name    string
		caller  *caller
		method  string
		path    string
		status  int
		message string
	}{
		{"root", nobody, "GET", "/redfish/v1/", 200, ""},
		{"root without slash", nobody, "GET", "/redfish/v1", 200, ""},
		{"HEAD of the root", nobody, "HEAD", "/redfish/v1/", 200, ""},
		{"root with a dead token", bad, "GET", "/redfish/v1/", 200, ""},
		{"PATCH of the root", nobody, "PATCH", "/redfish/v1/", 401, "NoValidSession"},
		{"no token", nobody, "GET", "/redfish/v1/Systems", 401, "NoValidSession"},
		{"bad token", bad, "GET", "/redfish/v1/Systems", 401, "NoValidSession"},
		{"no token, nothing there", nobody, "GET", "/redfish/v1/Nothing", 401, "NoValidSession"},
		{"session list", nobody, "GET", sessions, 401, "NoValidSession"},
		{"directory", nobody, "GET", "/redfish/v1/ResourceDirectory", 401, "NoValidSession"},
		{"Basic", basic(nobody, "password"), "GET", "/redfish/v1/Systems", 200, ""},
		{"bad Basic", basic(nobody, "wrong"), "GET", "/redfish/v1/Systems", 401, "UnauthorizedLoginAttempt"},
	} {
		expect(t, c.name, c.caller.do(c.method, c.path, ""), c.status, c.message)
	}
	f.login()
	expect(t, "Basic in a full table", basic(nobody, "password").do("GET", "/redfish/v1/Systems", ""), 400, "SessionLimitExceeded")
	f = newFixture(t, Options{AllowSessionless: true})
	expect(t, "sessionless", f.anonymous().do("GET", "/redfish/v1/Systems", ""), 200, "")
}

func TestClock(t *testing.T) {
	f := newFixture(t, Options{ClockOffset: -time.Hour, ClockDrift: 0.5})
	c := f.login()
	date := func() string { return f.anonymous().do("GET", "/redfish/v1/", "").Header().Get("Date") }
	if got := date(); got != "Sun, 01 Mar 2026 11:00:00 GMT" {
		t.Errorf("Date %s", got)
	}
	f.pass(10 * time.Minute)
	if got := date(); got != "Sun, 01 Mar 2026 11:15:00 GMT" {
		t.Errorf("Date with drift %s", got)
	}
	f.SetClock(time.Date(2001, 11, 5, 0, 0, 0, 0, time.UTC))
	if got := date(); got != "Mon, 05 Nov 2001 00:00:00 GMT" {
		t.Errorf("Date after a jump %s", got)
	}
	c.get(sessions)
	if d := f.login(); !strings.Contains(d.location, "000000003be5d680") {
		t.Errorf("session of 2001: %s", d.location)
	}
	f.SetClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	expect(t, "session after a jump of years", c.do("GET", sessions, ""), 401, "NoValidSession")
}

func TestReset(t *testing.T) {
	birth := time.Date(2001, 11, 5, 0, 0, 0, 0, time.UTC)
	f := newFixture(t, Options{ResetClock: birth, Foreign: EveryKind()})
	c := f.login()
	f.Reset()
	expect(t, "token from before", c.do("GET", sessions, ""), 401, "NoValidSession")
	if !f.Now().Equal(birth) {
		t.Errorf("clock %v", f.Now())
	}
	if err := f.Check(); err != nil || len(f.Sessions()) != 0 {
		t.Errorf("%v, %d sessions", err, len(f.Sessions()))
	}
}

func TestEndSession(t *testing.T) {
	f := newFixture(t, Options{})
	c := f.login()
	if !f.EndSession(f.Sessions()[0].ID) || f.EndSession("nobody") {
		t.Error("EndSession does not tell what it found")
	}
	expect(t, "ended by an operator", c.do("GET", sessions, ""), 401, "NoValidSession")
	if err := f.Check(); err != nil {
		t.Error(err)
	}
}

// TestFailedLoginDelay runs in a bubble whose clock shows who waited.
func TestFailedLoginDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, Options{FailedLoginDelay: 10 * time.Second, Clock: time.Now})
		start := time.Now()
		bad := `{"UserName":"Administrator","Password":"wrong"}`
		for i, want := range []time.Duration{0, 10 * time.Second, 20 * time.Second} {
			expect(t, "bad login", f.anonymous().do("POST", sessions, bad), 401, "UnauthorizedLoginAttempt")
			if got := time.Since(start); got != want {
				t.Errorf("answer %d after %v, want %v", i, got, want)
			}
		}
		f.login()
		f.login()
		if got := time.Since(start); got != 30*time.Second {
			t.Errorf("good logins after %v, want 30s", got)
		}
	})
}
