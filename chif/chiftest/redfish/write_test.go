package redfish

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

// small is a tree with one resource of every kind of property.
func small(t testing.TB) *tree.Tree {
	return mustTree(t,
		tree.Resource{URI: "/redfish/v1", Body: []byte(`{"Oem":{"Hpe":{"Manager":[{"ManagerType":"iLO 5"}]}}}`)},
		tree.Resource{URI: "/redfish/v1/Systems/1", Body: []byte(`{ "@odata.etag": "W/\"00000001\"", "@odata.type": "#ComputerSystem.v1_0_0.ComputerSystem",
 "Id": "1", "AssetTag": "old", "Count": 1.50, "On": true, "Nothing": null, "Boot": {"Target": "None", "Order": ["a", "b", "c"]},
 "Servers": [{"Address": "a", "Port": 1}, {"Address": "b", "Port": 2}] }`)})
}

func TestPatch(t *testing.T) {
	for _, c := range []struct {
		name, patch string
		status      int
		message     string
		path        []string
		want        string
	}{
		{"string", `{"AssetTag":"new"}`, 200, "Success", []string{"AssetTag"}, `"new"`},
		{"untouched bytes stay", `{"AssetTag":"new"}`, 200, "Success", []string{"Boot"}, `{"Target": "None", "Order": ["a", "b", "c"]}`},
		{"untouched number stays", `{"AssetTag":"new"}`, 200, "Success", []string{"Count"}, `1.50`},
		{"object", `{"Boot":{"Target":"Pxe"}}`, 200, "Success", []string{"Boot"}, `{"Target":"Pxe","Order":["a", "b", "c"]}`},
		{"array", `{"Boot":{"Order":["b","a"]}}`, 200, "Success", []string{"Boot", "Order"}, `["b","a"]`},
		{"array of objects", `{"Servers":[{},{"Port":3},{"Address":"c"}]}`, 200, "Success", []string{"Servers"},
			`[{"Address":"a","Port":1},{"Address":"b","Port":3},{"Address":"c"}]`},
		{"null removes an element", `{"Servers":[null,{}]}`, 200, "Success", []string{"Servers"}, `[{"Address":"b","Port":2}]`},
		{"null", `{"AssetTag":null}`, 200, "Success", []string{"AssetTag"}, `null`},
		{"from null", `{"Nothing":{"a":1}}`, 200, "Success", []string{"Nothing"}, `{"a":1}`},
		{"false for true", `{"On":false}`, 200, "Success", []string{"On"}, `false`},
		{"negative number", `{"Count":-1}`, 200, "Success", []string{"Count"}, `-1`},
		{"nothing", `{}`, 200, "NoOperation", []string{"AssetTag"}, `"old"`},
		{"unknown", `{"AssetTag":"new","Colour":"red"}`, 400, "PropertyUnknown", []string{"AssetTag"}, `"old"`},
		{"unknown inside", `{"Boot":{"Colour":"red"}}`, 400, "PropertyUnknown", []string{"Boot", "Target"}, `"None"`},
		{"type", `{"AssetTag":5}`, 400, "PropertyValueTypeError", []string{"AssetTag"}, `"old"`},
		{"type of object", `{"Boot":"Pxe"}`, 400, "PropertyValueTypeError", []string{"Boot", "Target"}, `"None"`},
		{"type in array", `{"Boot":{"Order":[1]}}`, 400, "PropertyValueTypeError", []string{"Boot", "Order"}, `["a", "b", "c"]`},
		{"two faults", `{"On":1,"Colour":2}`, 400, "PropertyValueTypeError PropertyUnknown", []string{"On"}, `true`},
		{"annotations alone", `{"@odata.id":"/x","@odata.etag":"1"}`, 400, "NoOperation", []string{"AssetTag"}, `"old"`},
		{"annotation and property", `{"@odata.id":"/x","AssetTag":"new"}`, 400, "PropertyNotWritable", []string{"AssetTag"}, `"old"`},
		{"name", `{"Id":"2"}`, 400, "PropertyNotWritable", []string{"Id"}, `"1"`},
		{"broken", `{"AssetTag":`, 400, "MalformedJSON", []string{"AssetTag"}, `"old"`},
		{"broken inside", `{"Boot":{"Target":}}`, 400, "MalformedJSON", []string{"AssetTag"}, `"old"`},
		{"list", `[]`, 400, "MalformedJSON", []string{"AssetTag"}, `"old"`},
		{"no body", ``, 400, "MalformedJSON", []string{"AssetTag"}, `"old"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			me := newFixture(t, Options{Tree: small(t)}).login()
			before := etagIn(me.get("/redfish/v1/Systems/1"))
			expect(t, "PATCH", me.do("PATCH", "/redfish/v1/Systems/1", c.patch), c.status, c.message)
			body := me.get("/redfish/v1/Systems/1")
			if got := string(getIn(body, c.path...)); got != c.want {
				t.Errorf("%v is %s, want %s", c.path, got, c.want)
			}
			if changed := etagIn(body) != before; changed != (c.message == "Success") || !json.Valid(body) {
				t.Errorf("ETag %s, then %s in %s", before, etagIn(body), body)
			}
		})
	}
}

func TestMessageArguments(t *testing.T) {
	me := newFixture(t, Options{Tree: small(t)}).login()
	w := me.do("PATCH", "/redfish/v1/Systems/1", `{"AssetTag":5}`)
	want := `{"error":{"code":"iLO.0.10.ExtendedInfo","message":"See @Message.ExtendedInfo for more information.",` +
		`"@Message.ExtendedInfo":[{"MessageArgs":["5","AssetTag"],"MessageId":"Base.1.4.PropertyValueTypeError"}]}}`
	if w.Body.String() != want {
		t.Errorf("%s\nwant %s", w.Body, want)
	}
}

const (
	bios     = "/redfish/v1/systems/1/bios/"
	resetURL = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset"
)

func TestSettings(t *testing.T) {
	f := newFixture(t, Options{})
	c := f.login()
	before := c.get(bios)
	f.ApplyPending()
	if !bytes.Equal(c.get(bios), before) {
		t.Error("a boot without pending settings changes the BIOS")
	}
	expect(t, "type", c.do("PATCH", bios+"settings/", `{"Attributes":{"AdminName":5}}`), 400, "PropertyValueTypeError")
	expect(t, "PATCH", c.do("PATCH", bios+"settings/", `{"Attributes":{"ProcTurbo":"Disabled","Nonsense":"1"}}`), 200, "SystemResetRequired")
	expect(t, "PUT", c.do("PUT", bios+"settings", `{"Attributes":{"Sriov":"Disabled"}}`), 200, "SystemResetRequired")
	if !bytes.Equal(c.get(bios), before) {
		t.Error("pending settings show in the current ones")
	}
	if got := property(t, c.get(bios+"settings/"), "Attributes", "ProcTurbo"); got != "Disabled" {
		t.Errorf("pending ProcTurbo %v", got)
	}
	f.pass(time.Minute)
	expect(t, "boot", c.do("POST", resetURL, `{"ResetType":"ForceRestart"}`), 200, "Success")
	after := c.get(bios)
	if property(t, after, "Attributes", "ProcTurbo") != "Disabled" || property(t, after, "Attributes", "Sriov") != "Disabled" ||
		property(t, after, "Attributes", "Nonsense") != nil {
		t.Errorf("after the boot: %s", getIn(after, "Attributes"))
	}
	verdict := fmt.Sprint(property(t, after, "@Redfish.Settings", "Messages"))
	if !strings.Contains(verdict, "PropertyUnknown") || etagIn(after) == etagIn(before) ||
		property(t, after, "@Redfish.Settings", "Time") != "2026-03-01T12:01:00+00:00" {
		t.Errorf("verdict: %s", getIn(after, "@Redfish.Settings"))
	}
	pending := c.get(bios + "settings/")
	if property(t, pending, "Attributes", "Nonsense") != nil || property(t, pending, "@odata.id") != bios+"settings/" {
		t.Errorf("pending after the boot: %s", pending)
	}
	c.do("PATCH", bios+"settings/", `{"Attributes":{"ProcTurbo":"Enabled"}}`)
	f.ApplyPending()
	after = c.get(bios)
	if messages := fmt.Sprint(property(t, after, "@Redfish.Settings", "Messages")); !strings.Contains(messages, "Success") ||
		strings.Contains(messages, "Unknown") || property(t, after, "Attributes", "ProcTurbo") != "Enabled" {
		t.Errorf("second boot: %s", messages)
	}
}

// TestSettingsOfCapturedTree: the twins of a real tree are found, in whatever
// letters they are spelled.
func TestSettingsOfCapturedTree(t *testing.T) {
	f := newFixture(t, Options{Tree: loadTree(t, capturedTrees[0])})
	c := f.login()
	expect(t, "PATCH", c.do("PATCH", bios+"settings", `{"Attributes":{"AdminName":"x"}}`), 200, "SystemResetRequired")
	f.ApplyPending()
	if got := property(t, c.get("/redfish/v1/Systems/1/BIOS"), "Attributes", "AdminName"); got != "x" {
		t.Errorf("AdminName %v", got)
	}
	if len(f.settings) < 10 {
		t.Errorf("only %d settings objects", len(f.settings))
	}
}

func TestHostReset(t *testing.T) {
	f := newFixture(t, Options{})
	c := f.login()
	for _, x := range []struct {
		body    string
		status  int
		message string
		power   string
	}{
		{`{"ResetType":"On"}`, 400, "InvalidOperationForSystemState", "On"},
		{`{"ResetType":"ForceOff"}`, 200, "Success", "Off"},
		{`{"ResetType":"ForceRestart"}`, 400, "InvalidOperationForSystemState", "Off"},
		{`{"ResetType":"GracefulShutdown"}`, 400, "InvalidOperationForSystemState", "Off"},
		{`{"ResetType":"PushPowerButton"}`, 200, "Success", "On"},
		{`{"ResetType":"Nmi"}`, 200, "Success", "On"},
		{`{"ResetType":"GracefulRestart"}`, 200, "Success", "On"},
		{`{"ResetType":"Explode"}`, 400, "ActionParameterNotSupported", "On"},
		{`{"ResetType":7}`, 400, "ActionParameterNotSupported", "On"},
		{``, 400, "ActionParameterMissing", "On"},
		{`{`, 400, "MalformedJSON", "On"},
	} {
		expect(t, x.body, c.do("POST", resetURL+"/", x.body), x.status, x.message)
		for _, path := range []string{"Systems/1", "Chassis/1"} {
			if got := property(t, c.get("/redfish/v1/"+path), "PowerState"); got != x.power {
				t.Errorf("after %s: %s PowerState %v, want %s", x.body, path, got, x.power)
			}
		}
	}
}

func TestActions(t *testing.T) {
	f := newFixture(t, Options{})
	c := f.login()
	const eject = "/redfish/v1/Managers/1/VirtualMedia/1/Actions/VirtualMedia.EjectMedia"
	expect(t, "other action", c.do("POST", eject, `{}`), 200, "Success")
	expect(t, "no such action", c.do("POST", "/redfish/v1/Managers/1/Actions/Manager.Dance", `{}`), 400, "ActionNotSupported")
	expect(t, "no such resource", c.do("POST", "/redfish/v1/Managers/2/Actions/Manager.Reset", `{}`), 404, "ResourceMissingAtURI")
	expect(t, "GET of an action", c.do("GET", eject, ""), 404, "ResourceMissingAtURI")
	expect(t, "bad parameter", c.do("POST", "/redfish/v1/Managers/1/Actions/Manager.Reset", `{"ResetType":"Maybe"}`), 400, "ActionParameterNotSupported")
}

// TestManagerReset: the callback comes after the answer; without one the
// service resets itself.
func TestManagerReset(t *testing.T) {
	const reset = "/redfish/v1/Managers/1/Actions/Manager.Reset"
	f := newFixture(t, Options{})
	c := f.login()
	w := httptest.NewRecorder()
	answered := 0
	f.OnReset(func() { answered = w.Body.Len() })
	r := httptest.NewRequest("POST", reset, strings.NewReader(`{"ResetType":"GracefulRestart"}`))
	r.Header.Set("X-Auth-Token", c.token)
	f.ServeHTTP(w, r)
	expect(t, "reset", w, 200, "ResetInProgress")
	if answered == 0 {
		t.Error("OnReset was not called after the answer")
	}
	c.get(sessions)
	f.OnReset(nil)
	expect(t, "reset", c.do("POST", reset, `{}`), 200, "ResetInProgress")
	expect(t, "after it", c.do("GET", sessions, ""), 401, "NoValidSession")
	if err := f.Check(); err != nil {
		t.Error(err)
	}
	f = newFixture(t, Options{Generation: 4})
	expect(t, "iLO 4", f.login().do("POST", reset+"/", ""), 200, "ResetInProgress")
}

func TestAccounts(t *testing.T) {
	const accounts = "/redfish/v1/AccountService/Accounts"
	f := newFixture(t, Options{})
	c := f.login()
	expect(t, "no password", c.do("POST", accounts, `{"UserName":"ann"}`), 400, "PropertyMissing")
	expect(t, "no JSON", c.do("POST", accounts, `ann`), 400, "MalformedJSON")
	expect(t, "taken name", c.do("POST", accounts, `{"UserName":"administrator","Password":"12345678"}`), 400, "UserAlreadyExist")
	w := c.do("POST", accounts, `{"UserName":"ann","Password":"12345678"}`)
	expect(t, "create", w, 201, "Created")
	uri := pathOf(w.Header().Get("Location"))
	body := c.get(uri)
	if property(t, body, "UserName") != "ann" || property(t, body, "Password") != nil || strings.Contains(string(body), "12345678") ||
		property(t, body, "@odata.id") != accounts+"/2" || property(t, body, "@odata.type") != "#ManagerAccount.v1_3_0.ManagerAccount" {
		t.Errorf("%s: %s", uri, body)
	}
	if list := c.get(accounts); property(t, list, "Members@odata.count") != 2.0 {
		t.Errorf("%s", list)
	}
	ann := f.loginAs(`{"UserName":"ann","Password":"12345678"}`)
	expect(t, "new password", c.do("PATCH", uri, `{"Password":"abcdefgh"}`), 200, "Success")
	if strings.Contains(string(c.get(uri)), "abcdefgh") {
		t.Error("the account shows its password")
	}
	expect(t, "old password", f.anonymous().do("POST", sessions, `{"UserName":"ann","Password":"12345678"}`), 401, "UnauthorizedLoginAttempt")
	f.loginAs(`{"UserName":"ann","Password":"abcdefgh"}`)
	expect(t, "delete", c.do("DELETE", uri, ""), 200, "Success")
	expect(t, "session without account", ann.do("GET", sessions, ""), 401, "NoValidSession")
	expect(t, "login without account", f.anonymous().do("POST", sessions, `{"UserName":"ann","Password":"abcdefgh"}`), 401, "UnauthorizedLoginAttempt")
	expect(t, "gone", c.do("GET", uri, ""), 404, "ResourceMissingAtURI")
	if list := c.get(accounts); property(t, list, "Members@odata.count") != 1.0 || strings.Contains(string(list), uri) {
		t.Errorf("%s", list)
	}
	for i := range maxAccounts - 1 {
		expect(t, "create", c.do("POST", accounts, fmt.Sprintf(`{"UserName":"u%d","Password":"12345678"}`, i)), 201, "Created")
	}
	expect(t, "one too many", c.do("POST", accounts, `{"UserName":"last","Password":"12345678"}`), 400, "CreateLimitReachedForResource")
}

func TestSubscriptions(t *testing.T) {
	const subscriptions = "/redfish/v1/EventService/Subscriptions"
	for _, generation := range []int{4, 5} {
		c := newFixture(t, Options{Generation: generation}).login()
		expect(t, "no destination", c.do("POST", subscriptions+"/", `{"Context":"x"}`), 400, "PropertyMissing")
		for _, protocol := range []string{`"FTP"`, `"redfish"`, `5`, `null`} {
			w := c.do("POST", subscriptions+"/", `{"Destination":"https://192.0.2.1/","Protocol":`+protocol+`}`)
			expect(t, protocol, w, 400, "PropertyValueNotInList")
		}
		w := c.do("POST", subscriptions+"/", `{"Destination":"https://192.0.2.1/","Context":"x","Protocol":"Redfish"}`)
		expect(t, "create", w, 201, "Created")
		uri := pathOf(w.Header().Get("Location"))
		if body := c.get(uri); property(t, body, "Destination") != "https://192.0.2.1/" {
			t.Errorf("%s", body)
		}
		expect(t, "delete", c.do("DELETE", uri, ""), 200, "Success")
	}
}

// TestCapturedCollections: whatever a real iLO lets clients POST to answers.
func TestCapturedCollections(t *testing.T) {
	f := newFixture(t, Options{Tree: loadTree(t, capturedTrees[2])})
	c := f.login()
	n := 0
	for _, x := range f.order[:len(f.order):len(f.order)] {
		if !x.allows("POST") || required[x.schema] != nil || strings.HasPrefix(x.key, sessionsKey) {
			continue
		}
		n++
		w := c.do("POST", x.uri, `{"Context":"x"}`)
		if !strings.HasSuffix(x.schema, "Collection") {
			expect(t, x.uri, w, 200, "Success")
			continue
		}
		expect(t, x.uri, w, 201, "Created")
		if body := c.get(pathOf(w.Header().Get("Location"))); property(t, body, "Context") != "x" {
			t.Errorf("%s: %s", x.uri, body)
		}
	}
	if n < 20 {
		t.Errorf("only %d resources allow POST", n)
	}
}

func TestFaultAnswers(t *testing.T) {
	f := newFixture(t, Options{})
	c := f.login()
	const system, chassis = "/redfish/v1/Systems/1", "/redfish/v1/Chassis/1"
	for _, x := range []struct {
		name    string
		answer  Answer
		method  string
		path    string
		answers []string // status and message of successive requests
	}{
		{"always", Answer{Path: system, Status: 503, MessageID: "ResourceNotReadyRetry", MessageArgs: []string{"30"}}, "GET", system,
			[]string{"503 ResourceNotReadyRetry", "503 ResourceNotReadyRetry", "503 ResourceNotReadyRetry"}},
		{"once, in other spelling", Answer{Path: "/redfish/v1/SYSTEMS/1/", Status: 400, MessageID: "Base.1.0.Odd", Times: 1}, "GET", system,
			[]string{"400 Odd", "200 "}},
		{"the second and third", Answer{Status: 500, Skip: 1, Times: 2}, "GET", system, []string{"200 ", "500 ", "500 ", "200 "}},
		{"another path", Answer{Path: chassis, Status: 500}, "GET", system, []string{"200 "}},
		{"prefix", Answer{Path: "/redfish/v1/Sys*", Status: 500}, "GET", system, []string{"500 "}},
		{"another method", Answer{Method: "patch", Status: 500}, "GET", system, []string{"200 "}},
		{"method", Answer{Method: "patch", Status: 503, MessageID: "ServiceTemporarilyUnavailable"}, "PATCH", system,
			[]string{"503 ServiceTemporarilyUnavailable"}},
	} {
		if err := f.SetFaults(Faults{Answers: []Answer{x.answer}}); err != nil {
			t.Fatal(err)
		}
		for i, want := range x.answers {
			w := c.do(x.method, x.path, "")
			if got := fmt.Sprint(w.Code, " ", ids(w.Body.Bytes())); got != want {
				t.Errorf("%s, request %d: %s, want %s", x.name, i, got, want)
			}
		}
	}
	if err := f.SetFaults(Faults{Answers: []Answer{{Path: sessions, Method: "POST", Status: 503, Times: 1}}}); err != nil {
		t.Fatal(err)
	}
	expect(t, "login", f.anonymous().do("POST", sessions+"/", noCredentials), 503, "")
	f.login()
}

func TestFaultsAreChecked(t *testing.T) {
	f := newFixture(t, Options{})
	good := Faults{Latency: Duration(time.Nanosecond)}
	if err := f.SetFaults(good); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]Faults{
		"status":          {Answers: []Answer{{Status: 42}}},
		"nothing":         {Answers: []Answer{{Path: "/redfish/v1"}}},
		"message only":    {Answers: []Answer{{MessageID: "x", Latency: 1}}},
		"relative path":   {Answers: []Answer{{Path: "redfish", Status: 500}}},
		"negative":        {Answers: []Answer{{Status: 500, Times: -1}}},
		"negative number": {VanishedSessions: -1},
	} {
		if err := f.SetFaults(bad); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if got := f.Faults(); got.Latency != good.Latency {
		t.Errorf("a refused change took effect: %+v", got)
	}
}

func TestFaultsJSON(t *testing.T) {
	text := `{"answers":[{"path":"/redfish/v1","times":1,"latency":"40ms","status":503,"messageId":"ResourceNotReadyRetry","messageArgs":["5"]}],` +
		`"latency":"1s","loginLatency":"2s","postStates":["InPost"],"biosUnregistered":true,"vanishedSessions":1,"directoryFrozen":true}`
	var f Faults
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		t.Fatal(err)
	}
	if back := string(encode(f)); back != text {
		t.Errorf("%s\nwant %s", back, text)
	}
	if empty := string(encode(Faults{})); empty != "{}" {
		t.Errorf("no faults: %s", empty)
	}
	for _, bad := range []string{`{"latency":"-1s"}`, `{"latency":5}`, `{"latency":"soon"}`} {
		if err := json.Unmarshal([]byte(bad), &f); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, Options{Clock: time.Now})
		c := f.login()
		if err := f.SetFaults(Faults{Latency: Duration(time.Second), LoginLatency: Duration(4 * time.Second),
			Answers: []Answer{{Path: "/redfish/v1/Systems/1", Latency: Duration(9 * time.Second)}}}); err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct {
			name string
			do   func()
			want time.Duration
		}{
			{"GET", func() { c.get(sessions) }, time.Second},
			{"slow GET", func() { c.get("/redfish/v1/Systems/1") }, 10 * time.Second},
			{"login", func() { f.login() }, 5 * time.Second},
		} {
			start := time.Now()
			if x.do(); time.Since(start) != x.want {
				t.Errorf("%s took %v, want %v", x.name, time.Since(start), x.want)
			}
		}
	})
}

func TestStateFaults(t *testing.T) {
	const system = "/redfish/v1/Systems/1"
	f := newFixture(t, Options{})
	c := f.login()
	set := func(x Faults) {
		t.Helper()
		if err := f.SetFaults(x); err != nil {
			t.Fatal(err)
		}
	}
	set(Faults{PostStates: []string{"PowerOff", "InPostDiscoveryStart", "FinishedPost"}})
	for _, want := range []string{"PowerOff vAux", "InPostDiscoveryStart vAux", "FinishedPost vMain", "FinishedPost vMain"} {
		body := c.get(system)
		got := fmt.Sprint(property(t, body, "Oem", "Hpe", "PostState"), " ", property(t, body, "Oem", "Hpe", "DeviceDiscoveryComplete", "DeviceDiscovery"))
		if got != want+"DeviceDiscoveryComplete" {
			t.Errorf("%s, want %s", got, want)
		}
	}
	set(Faults{BiosUnregistered: true})
	expect(t, "BIOS", c.do("GET", bios, ""), 404, "ResourceMissingAtURI")
	expect(t, "BIOS settings", c.do("PATCH", bios+"settings", `{}`), 404, "ResourceMissingAtURI")
	c.get(system)
	set(Faults{VanishedSessions: 1})
	expect(t, "vanished session", c.do("GET", c.location, ""), 404, "ResourceMissingAtURI")
	c.get(c.location)
	set(Faults{})
	c.get(bios)
}

func TestStats(t *testing.T) {
	f := newFixture(t, Options{})
	c := f.login()
	c.get("/redfish/v1/SYSTEMS/1/")
	c.get("/redfish/v1/Systems/1")
	c.get(c.location)
	c.do("GET", "/redfish/v1/Nothing", "")
	c.do("DELETE", c.location, "")
	st := f.Stats()
	want := map[string]int{"POST " + sessions: 1, "GET /redfish/v1/Systems/1": 2, "GET " + sessions + "/{session}": 1,
		"DELETE " + sessions + "/{session}": 1, "GET /redfish/v1/Nothing": 1}
	if fmt.Sprint(st.Requests) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", st.Requests, want)
	}
	if st.Logins != 1 || st.Deletes != 1 || st.Sessions != 0 || st.MaxSessions != 1 {
		t.Errorf("%+v", st)
	}
}
