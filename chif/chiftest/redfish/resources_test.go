package redfish

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

var capturedTrees = []string{"ilo5-2.46-dl325-gen10plus-fc", "ilo5-3.11-dl360-gen10plus", "ilo6-1.66-dl380a-gen11", "ilo7-1.14-dl360-gen12"}

var loadedTrees sync.Map

func loadTree(t testing.TB, name string) *tree.Tree {
	t.Helper()
	tr, ok := loadedTrees.Load(name)
	if !ok {
		var err error
		if tr, err = tree.Load(filepath.Join(tree.Testdata(t), "trees", name+".jsonl.gz")); err != nil {
			t.Fatal(err)
		}
		loadedTrees.Store(name, tr)
	}
	return tr.(*tree.Tree)
}

// TestCapturedTrees reads every resource of real servers and compares bytes;
// not frozen, all but what a service makes itself.
func TestCapturedTrees(t *testing.T) {
	admin := `{"UserName":"Administrator","Password":"password"}`
	for _, name := range capturedTrees {
		tr := loadTree(t, name)
		for _, frozen := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/frozen=%v", name, frozen), func(t *testing.T) {
				f := newFixture(t, Options{Tree: tr, Frozen: frozen})
				c := f.loginAs(admin)
				for _, r := range tr.Resources() {
					key := tree.Key(r.URI)
					if !frozen && (strings.HasPrefix(key, sessionsKey) || key == f.directory.key) {
						continue
					}
					w := c.do("GET", r.URI, "")
					if w.Code != r.Status || !bytes.Equal(w.Body.Bytes(), r.Body) {
						t.Errorf("%s: %d, %d bytes; want %d, %d bytes", r.URI, w.Code, w.Body.Len(), r.Status, len(r.Body))
					}
					if etag := etagIn(r.Body); r.Status == 200 && w.Header().Get("ETag") != etag {
						t.Errorf("%s: ETag %s, want %s", r.URI, w.Header().Get("ETag"), etag)
					}
				}
				expect(t, "logout", c.do("DELETE", c.location, ""), 200, "Success")
				if err := f.Check(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestMessagesOfCapturedTrees: each firmware names its own registries.
func TestMessagesOfCapturedTrees(t *testing.T) {
	for name, want := range map[string]string{
		"ilo5-2.46-dl325-gen10plus-fc": "Base.1.4.NoValidSession", "ilo6-1.66-dl380a-gen11": "Base.1.18.NoValidSession",
	} {
		f := newFixture(t, Options{Tree: loadTree(t, name)})
		if w := f.anonymous().do("GET", "/redfish/v1/Systems", ""); !strings.Contains(w.Body.String(), `"MessageId":"`+want+`"`) {
			t.Errorf("%s: %s, want %s", name, w.Body, want)
		}
	}
	f := newFixture(t, Options{Generation: 4})
	if w := f.anonymous().do("GET", "/redfish/v1/Systems/", ""); !strings.Contains(w.Body.String(), `"Base.0.10.NoValidSession"`) {
		t.Errorf("iLO 4: %s", w.Body)
	}
}

func TestHeaders(t *testing.T) {
	f := newFixture(t, Options{})
	c := f.login()
	w := c.do("GET", "/redfish/v1/Systems/1", "")
	for name, want := range map[string]string{
		"Allow": "GET, HEAD, PATCH", "Cache-Control": "no-cache", "Content-Type": "application/json; charset=utf-8",
		"Link": "</redfish/v1/SchemaStore/en/ComputerSystem.json/>; rel=describedby", "OData-Version": "4.0",
		"ETag": etagIn(w.Body.Bytes()), "Date": "Sun, 01 Mar 2026 12:00:00 GMT",
	} {
		if got := w.Header().Get(name); got != want || got == "" {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if v := map[string][]string(w.Header())["X_HP-CHRP-Service-Version"]; len(v) != 1 || v[0] != DefaultServiceVersion {
		t.Errorf("X_HP-CHRP-Service-Version %q", v)
	}
	head := c.do("HEAD", "/redfish/v1/Systems/1", "")
	if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("ETag") != w.Header().Get("ETag") || head.Header().Get("Allow") == "" {
		t.Errorf("HEAD: %d %v %q", head.Code, head.Header(), head.Body)
	}
}

func TestPaths(t *testing.T) {
	generated := tree.Generate(tree.GenerateOptions{})
	for _, c := range []struct {
		name     string
		options  Options
		path     string
		status   int
		location string
	}{
		{"plain", Options{}, "/redfish/v1/Systems/1", 200, ""},
		{"slash", Options{}, "/redfish/v1/Systems/1/", 200, ""},
		{"case", Options{}, "/REDFISH/V1/systems/1", 200, ""},
		{"case, sensitive", Options{CaseSensitive: true}, "/redfish/v1/systems/1", 404, ""},
		{"spelling, sensitive", Options{CaseSensitive: true}, "/redfish/v1/Systems/1/", 200, ""},
		{"slashes", Options{}, "/redfish//v1//Systems/1//", 200, ""},
		{"escapes", Options{}, "/redfish/v1/%53ystems/1", 200, ""},
		{"bad escape", Options{}, "/redfish/v1/%zz", 404, ""},
		{"missing", Options{}, "/redfish/v1/Systems/2", 404, ""},
		{"legacy", Options{}, "/rest/v1/Systems/1", 308, "/redfish/v1/Systems/1/"},
		{"legacy with slash and query", Options{}, "/rest/v1/Systems/1/?a=b", 308, "/redfish/v1/Systems/1/?a=b"},
		{"legacy root", Options{}, "/rest/v1", 308, "/redfish/v1/"},
		{"not legacy", Options{}, "/rest/v10", 404, ""},
		{"redirect", Options{TrailingSlash: SlashRedirect}, "/redfish/v1/Systems/1", 308, "/redfish/v1/Systems/1/"},
		{"redirect keeps the query", Options{TrailingSlash: SlashRedirect}, "/redfish/v1/Systems?only", 308, "/redfish/v1/Systems/?only"},
		{"no redirect", Options{TrailingSlash: SlashRedirect}, "/redfish/v1/Systems/1/", 200, ""},
		{"no redirect to nowhere", Options{TrailingSlash: SlashRedirect}, "/redfish/v1/Systems/2", 404, ""},
		{"no redirect of files", Options{TrailingSlash: SlashRedirect}, "/redfish/v1/RegistryStore/registries/en/Base.json", 200, ""},
		{"sessions redirect", Options{TrailingSlash: SlashRedirect}, sessions, 308, sessions + "/"},
		{"iLO 4", Options{Generation: 4}, "/redfish/v1/Systems/1", 308, "/redfish/v1/Systems/1/"},
		{"iLO 4 legacy", Options{Generation: 4}, "/rest/v1/Systems/1", 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.options.Generation == 0 {
				c.options.Tree = generated
			}
			f := newFixture(t, c.options)
			me := f.login()
			w := me.do("GET", c.path, "")
			if w.Code != c.status || w.Header().Get("Location") != c.location {
				t.Errorf("GET %s: %d %q, want %d %q", c.path, w.Code, w.Header().Get("Location"), c.status, c.location)
			}
		})
	}
}

func TestRewriteLinks(t *testing.T) {
	f := newFixture(t, Options{RewriteLinks: true})
	c := f.login()
	plain, slashed := string(c.get("/redfish/v1/Systems/1")), string(c.get("/redfish/v1/Systems/1/"))
	if strings.Contains(plain, `bios/"}`) || !strings.Contains(slashed, `"@odata.id":"/redfish/v1/Systems/1/Memory/"`) {
		t.Errorf("links do not follow the request:\n%s\n%s", plain, slashed)
	}
	if thermal := string(c.get("/redfish/v1/Chassis/1/Thermal/")); !strings.Contains(thermal, `Thermal#Fans/0"`) {
		t.Error("a link with a fragment was rewritten")
	}
}

func TestMethods(t *testing.T) {
	f := newFixture(t, Options{})
	c := f.login()
	for _, m := range []struct{ method, path, allow string }{
		{"DELETE", "/redfish/v1/Systems/1", "GET, HEAD, PATCH"},
		{"POST", "/redfish/v1/Systems", "GET, HEAD"},
		{"PUT", "/redfish/v1/Systems/1", "GET, HEAD, PATCH"},
		{"PATCH", "/redfish/v1/systems/1/bios/", "GET, HEAD"},
		{"PATCH", sessions, "GET, HEAD, POST"},
		{"PATCH", c.location, "GET, HEAD, DELETE"},
		{"OPTIONS", "/redfish/v1/Systems/1", "GET, HEAD, PATCH"},
		{"DELETE", "/redfish/v1/JsonSchemas", "GET, HEAD"},
	} {
		w := c.do(m.method, m.path, `{}`)
		if w.Code != 405 || w.Header().Get("Allow") != m.allow || w.Body.Len() != 0 {
			t.Errorf("%s %s: %d %q", m.method, m.path, w.Code, w.Header().Get("Allow"))
		}
	}
}

func TestGzip(t *testing.T) {
	const registry, plain = "/redfish/v1/RegistryStore/registries/en/Base.json", "/redfish/v1/Systems/1"
	for _, c := range []struct {
		mode, accept, path string
		zipped             bool
	}{
		{"", "gzip", registry, true}, {"", "gzip", plain, false}, {"", "", registry, false}, {"", "identity", registry, false},
		{GzipOff, "gzip", registry, false}, {GzipAll, "deflate, gzip", plain, true}, {GzipAll, "gzip", sessions, true},
	} {
		f := newFixture(t, Options{Gzip: c.mode})
		me := f.login()
		want := me.get(c.path)
		for range 2 {
			w := me.with("Accept-Encoding", c.accept).do("GET", c.path, "")
			if (w.Header().Get("Content-Encoding") == "gzip") != c.zipped {
				t.Errorf("%+v: Content-Encoding %q", c, w.Header().Get("Content-Encoding"))
			}
			body := w.Body.Bytes()
			if c.zipped {
				z, err := gzip.NewReader(w.Body)
				if err != nil {
					t.Fatal(err)
				}
				if body, err = io.ReadAll(z); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(body, want) {
				t.Errorf("%+v: another body", c)
			}
		}
	}
}

func TestConditionalRequests(t *testing.T) {
	const path = "/redfish/v1/Systems/1"
	patch := `{"AssetTag":"x"}`
	f := newFixture(t, Options{IfNoneMatch: true})
	c := f.login()
	etag := etagIn(c.get(path))
	for _, x := range []struct {
		name, match string
		status      int
		message     string
	}{
		{"other", `W/"00000000"`, 412, "PreconditionFailed"},
		{"too long", `"` + strings.Repeat("0", 62) + `"`, 400, "ETagTooLong"},
		{"list", `W/"00000000", ` + etag, 200, "Success"},
		{"stale", etag, 412, "PreconditionFailed"},
		{"any", "*", 200, "Success"},
	} {
		expect(t, x.name, c.with("If-Match", x.match).do("PATCH", path, strings.Replace(patch, "x", x.name, 1)), x.status, x.message)
	}
	expect(t, "DELETE of an account", c.with("If-Match", `W/"0"`).do("DELETE", "/redfish/v1/AccountService/Accounts/1", ""), 412, "PreconditionFailed")
	etag = etagIn(c.get(path))
	w := c.with("If-None-Match", etag).do("GET", path, "")
	if w.Code != 304 || w.Body.Len() != 0 || w.Header().Get("ETag") != etag {
		t.Errorf("If-None-Match: %d %v", w.Code, w.Header())
	}
	f = newFixture(t, Options{IgnoreIfMatch: true})
	c = f.login()
	expect(t, "If-Match ignored", c.with("If-Match", `W/"0"`).do("PATCH", path, patch), 200, "Success")
	expect(t, "If-None-Match ignored", c.with("If-None-Match", etagIn(c.get(path))).do("GET", path, ""), 200, "")
}

// TestETagsLie: readings and members change under an ETag that does not.
func TestETagsLie(t *testing.T) {
	for _, honest := range []bool{false, true} {
		f := newFixture(t, Options{VolatileReadings: true, HonestETags: honest})
		c := f.login()
		for path, covered := range map[string]bool{
			"/redfish/v1/Chassis/1/Thermal": false, "/redfish/v1/Systems/1": false, "/redfish/v1/Managers/1/DateTime": false,
			"/redfish/v1/": false, "/redfish/v1/Chassis/1/Power": true,
		} {
			before := c.do("GET", path, "")
			f.pass(time.Second)
			after := c.do("GET", path, "")
			if bytes.Equal(before.Body.Bytes(), after.Body.Bytes()) {
				t.Errorf("%s stays the same", path)
			}
			if !json.Valid(after.Body.Bytes()) {
				t.Errorf("%s is no JSON any more: %s", path, after.Body)
			}
			moved := before.Header().Get("ETag") != after.Header().Get("ETag")
			if moved != (honest || covered) || after.Header().Get("ETag") != etagIn(after.Body.Bytes()) {
				t.Errorf("%s, honest %v: ETag %s, then %s", path, honest, before.Header().Get("ETag"), after.Header().Get("ETag"))
			}
		}
		const accounts = "/redfish/v1/AccountService/Accounts"
		first := etagIn(c.get(accounts))
		expect(t, "create", c.do("POST", accounts, `{"UserName":"a","Password":"12345678"}`), 201, "Created")
		two := etagIn(c.get(accounts))
		expect(t, "delete", c.do("DELETE", accounts+"/1", ""), 200, "Success")
		swapped := c.get(accounts)
		if two == first || (etagIn(swapped) == first) == honest || !strings.Contains(string(swapped), accounts+"/2") {
			t.Errorf("honest %v: ETags %s, %s, %s of %s", honest, first, two, etagIn(swapped), swapped)
		}
	}
}

func TestNewETagKeepsItsForm(t *testing.T) {
	for old, form := range map[string]string{
		`W/\"440AC418\"`: `^W/"[0-9A-F]{8}"$`, `\"440AC418\"`: `^"[0-9A-F]{8}"$`,
		`W/\"6DB0E0782CCE090909D9A45F01FCC432\"`: `^W/"[0-9A-F]{32}"$`,
	} {
		tr := mustTree(t, tree.Resource{URI: "/redfish/v1", Body: []byte(`{}`)}, tree.Resource{URI: "/redfish/v1/Systems/1",
			Body: []byte(`{"@odata.etag":"` + old + `","@odata.type":"#ComputerSystem.v1_0_0.ComputerSystem","AssetTag":""}`)})
		c := newFixture(t, Options{Tree: tr}).login()
		expect(t, old, c.do("PATCH", "/redfish/v1/Systems/1", `{"AssetTag":"x"}`), 200, "Success")
		if etag := etagIn(c.get("/redfish/v1/Systems/1")); !regexp.MustCompile(form).MatchString(etag) {
			t.Errorf("after %s: %s", old, etag)
		}
	}
}

func TestQueryOptions(t *testing.T) {
	f := newFixture(t, Options{})
	c := f.login()
	const memory = "/redfish/v1/Systems/1/Memory"
	plain, full := c.get(memory), c.get(memory+"?$expand=.")
	var members []json.RawMessage
	if err := json.Unmarshal(getIn(full, "Members"), &members); err != nil || len(members) != 16 {
		t.Fatalf("%d members, %v", len(members), err)
	}
	if string(members[0]) != string(c.get(memory+"/proc1dimm1")) || etagIn(full) == etagIn(plain) {
		t.Errorf("expanded: %.300s", full)
	}
	for _, form := range []string{"$expand=*", "$expand=.($levels=1)", "$expand=*($levels=5)", "%24expand=."} {
		if !bytes.Equal(c.get(memory+"?"+form), full) {
			t.Errorf("%s differs from $expand=.", form)
		}
	}
	for _, form := range []string{"", "$expand=~", "$expand=", "excerpt", "only", "nonsense=1", "$filter=a", "%zz"} {
		if w := c.do("GET", memory+"?"+form, ""); w.Code != 200 || !bytes.Equal(w.Body.Bytes(), plain) {
			t.Errorf("?%s: %d %.200s", form, w.Code, w.Body)
		}
	}
	system := c.get("/redfish/v1/Systems/1?$expand=.")
	if property(t, system, "Links", "Chassis") == nil || property(t, system, "Memory", "Members@odata.count") != 16.0 ||
		strings.Contains(string(getIn(system, "Links")), "SerialNumber") {
		t.Errorf("expanded system: %.500s", system)
	}
	if !bytes.Equal(c.get("/redfish/v1/Systems?only"), c.get("/redfish/v1/Systems/1")) {
		t.Error("only does not answer with the one member")
	}
	chosen := c.get("/redfish/v1/Systems/1?$select=Name,Oem/Hpe/PostState")
	if property(t, chosen, "Oem", "Hpe", "PostState") != "FinishedPost" || property(t, chosen, "Name") == nil ||
		property(t, chosen, "Model") != nil || property(t, chosen, "Oem", "Hpe", "PowerOnMinutes") != nil || property(t, chosen, "@odata.id") == nil {
		t.Errorf("$select: %s", chosen)
	}
	if list := c.get(sessions + "?$expand=."); !strings.Contains(string(list), `"MySession":true`) {
		t.Errorf("expanded sessions: %s", list)
	}
	if !bytes.Equal(f.anonymous().get("/redfish/v1/?$expand=."), f.anonymous().get("/redfish/v1/")) {
		t.Error("the root expands without a session")
	}
	for _, o := range []Options{{NoQueryOptions: true}, {Generation: 4}} {
		c := newFixture(t, o).login()
		if !bytes.Equal(c.get(memory+"/?$expand=."), c.get(memory+"/")) {
			t.Errorf("%+v expands", o)
		}
	}
}

func TestDirectoryIsLive(t *testing.T) {
	f := newFixture(t, Options{Foreign: EveryKind()})
	c := f.login()
	entries := func() map[string]entry {
		var d struct{ Instances []entry }
		if err := json.Unmarshal(c.get("/redfish/v1/ResourceDirectory/"), &d); err != nil {
			t.Fatal(err)
		}
		m := map[string]entry{}
		for _, e := range d.Instances {
			m[tree.Key(e.ID)] = e
		}
		return m
	}
	before := entries()
	for key, e := range before {
		if strings.HasPrefix(key, sessionsKey) || key == f.directory.key {
			continue
		}
		w := c.do("HEAD", e.ID, "")
		if w.Header().Get("ETag") != e.ETag || w.Header().Get("Allow") != strings.Join(e.HTTPMethods, ", ") {
			t.Errorf("%+v, its HEAD says %s %s", e, w.Header().Get("ETag"), w.Header().Get("Allow"))
		}
	}
	if _, ok := before[tree.Key(c.location)]; !ok || len(before) < 100 {
		t.Errorf("%d entries, own session among them: %v", len(before), ok)
	}
	expect(t, "PATCH", c.do("PATCH", "/redfish/v1/Systems/1", `{"AssetTag":"x"}`), 200, "Success")
	w := c.do("POST", "/redfish/v1/AccountService/Accounts", `{"UserName":"a","Password":"12345678"}`)
	account := tree.Key(pathOf(w.Header().Get("Location")))
	f.EndSession(f.Sessions()[0].ID)
	after := entries()
	if after[systemKey].ETag == before[systemKey].ETag || after[systemKey].ETag != etagIn(c.get("/redfish/v1/Systems/1")) {
		t.Errorf("system: %s, then %s", before[systemKey].ETag, after[systemKey].ETag)
	}
	if after[account].Type != "#ManagerAccount.v1_3_0.ManagerAccount" || len(after) != len(before) {
		t.Errorf("new account %+v; %d entries, before %d", after[account], len(after), len(before))
	}
	expect(t, "DELETE", c.do("DELETE", account, ""), 200, "Success")
	if _, ok := entries()[account]; ok {
		t.Error("a deleted account is listed")
	}
}

func TestDirectoryLags(t *testing.T) {
	f := newFixture(t, Options{DirectoryLag: time.Minute})
	c := f.login()
	read := func() string { return string(c.get("/redfish/v1/ResourceDirectory")) }
	first := read()
	c.do("PATCH", "/redfish/v1/Systems/1", `{"AssetTag":"x"}`)
	f.pass(59 * time.Second)
	if read() != first {
		t.Error("the directory does not lag")
	}
	f.pass(time.Second)
	second := read()
	if second == first {
		t.Error("the directory never follows")
	}
	if err := f.SetFaults(Faults{DirectoryFrozen: true}); err != nil {
		t.Fatal(err)
	}
	f.pass(time.Hour / 3)
	if read() != second {
		t.Error("the directory is not frozen")
	}
}

// TestDirectoryOfCapturedTree: entries of a real directory stay in their order
// with the ETags of the resources now.
func TestDirectoryOfCapturedTree(t *testing.T) {
	tr := loadTree(t, capturedTrees[0])
	f := newFixture(t, Options{Tree: tr})
	c := f.login()
	var was, is struct{ Instances []entry }
	r, _ := tr.Lookup("/redfish/v1/ResourceDirectory")
	if err := json.Unmarshal(r.Body, &was); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(c.get("/redfish/v1/ResourceDirectory"), &is); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, e := range was.Instances {
		if key := tree.Key(e.ID); key != sessionsKey && !strings.HasPrefix(key, sessionsKey+"/") {
			want = append(want, e.ID)
		}
	}
	for i, id := range want {
		if is.Instances[i].ID != id {
			t.Fatalf("entry %d is %s, want %s", i, is.Instances[i].ID, id)
		}
	}
	if len(is.Instances) != len(want)+2 {
		t.Errorf("%d entries, want %d and the sessions", len(is.Instances), len(want))
	}
}
