package freshness

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

func TestKey(t *testing.T) {
	for uri, want := range map[string]string{
		"/redfish/v1/":                               "/redfish/v1/",
		"/redfish/v1":                                "/redfish/v1",
		"/redfish/v1/Systems/1":                      "/redfish/v1/systems/1",
		"//redfish/v1//Systems/1//":                  "/redfish/v1/systems/1/",
		"/redfish/v1/a%20b":                          "/redfish/v1/a b",
		"/redfish/v1/%53ystems":                      "/redfish/v1/systems",
		"/redfish/v1/Systems?$expand=.":              "/redfish/v1/systems?$expand=.",
		"/redfish/v1/Systems/?only":                  "/redfish/v1/systems/?only",
		"/redfish/v1/Systems?":                       "/redfish/v1/systems",
		"/redfish/v1/$metadata":                      "/redfish/v1/$metadata",
		"/redfish/v1/a.b/c.d":                        "/redfish/v1/a.b/c.d",
		"/redfish/v1/a%2Fb":                          "",
		"/redfish/v1/a%3Fb":                          "",
		"/redfish/v1/a%23b":                          "",
		"/redfish/v1/a%0Ab":                          "",
		"/redfish/v1/a%252Fb":                        "",
		"/redfish/v1/../x":                           "",
		"/redfish/v1/./x":                            "",
		"/redfish/v1/..":                             "",
		"/redfish/v1/a?" + strings.Repeat("x", 2000): "",
	} {
		u, err := url.Parse("https://ilo" + uri)
		if err != nil {
			t.Fatal(err)
		}
		key, ok := appendKey(nil, u)
		if ok != (want != "") || ok && string(key) != want {
			t.Errorf("%s: got %q, %t, want %q", uri, key, ok, want)
		}
	}
	for key, want := range map[string]string{
		"/redfish/v1/systems/?a/": "/redfish/v1/systems", "/rest/v1/systems/1": "/redfish/v1/systems/1",
		"/rest/v1": "/redfish/v1", "/restful/v1": "/restful/v1", "/": "/",
	} {
		if got := pathOf(key); got != want {
			t.Errorf("path of %s: %s, want %s", key, got, want)
		}
	}
}

func TestClassify(t *testing.T) {
	for path, want := range map[string]Class{
		"/redfish/v1/sessionservice":                                         Static,
		"/redfish/v1/sessionservice/sessions":                                Never,
		"/redfish/v1/sessionservice/sessions/x":                              Never,
		"/redfish/v1/sessionservice/sessions0000000062583c87d6242854":        Never,
		"/redfish/v1/sessions":                                               Never,
		"/redfish/v1/systems/1/actions/computersystem.reset":                 Never,
		"/redfish/v1/systems/1/bios/settings":                                Live,
		"/redfish/v1/updateservice":                                          Volatile,
		"/redfish/v1/taskservice/taskmonitors/3":                             Never,
		"/ahsdata":                                                           Never,
		"/sol.log.gz":                                                        Never,
		"/redfish/v10":                                                       Never,
		"/redfish":                                                           Immutable,
		"/redfish/v1":                                                        Volatile,
		"/redfish/v1/systems/1":                                              Volatile,
		"/redfish/v1/chassis/1/thermal":                                      Volatile,
		"/redfish/v1/chassis/enclosure/sensors/x":                            Volatile,
		"/redfish/v1/chassis/1/power/fastpowermeter":                         Volatile,
		"/redfish/v1/chassis/1/drives/0/metrics":                             Volatile,
		"/redfish/v1/systems/1/memory/proc1dimm1/memorymetrics":              Volatile,
		"/redfish/v1/telemetryservice/metricreports/cpuutil":                 Volatile,
		"/redfish/v1/managers/1/datetime":                                    Volatile,
		"/redfish/v1/managers/1/federationpeers/default":                     Volatile,
		"/redfish/v1/telemetryservice/metricreportdefinitions/cpuutil":       Static,
		"/redfish/v1/systems/1/logservices/iml/entries":                      Slow,
		"/redfish/v1/eventservice/subscriptions/1":                           Slow,
		"/redfish/v1/managers/1/securityservice":                             Slow,
		"/redfish/v1/updateservice/firmwareinventory/3":                      Slow,
		"/redfish/v1/chassis/de07a000/networkadapters/de07a000/ports/1":      Slow,
		"/redfish/v1/accountservice/accounts/1":                              Static,
		"/redfish/v1/systems/1/bios":                                         Static,
		"/redfish/v1/systems/1/storage":                                      Static,
		"/redfish/v1/registrystore/registries/en/biosattributeregistry.json": Immutable,
		"/redfish/v1/schemastore/en/bios.json":                               Immutable,
		"/redfish/v1/jsonschemas":                                            Immutable,
	} {
		if got, _ := classify(path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	for i, r := range rules {
		for _, earlier := range rules[:i] {
			if earlier.pattern == r.pattern {
				t.Errorf("pattern %q is there twice", r.pattern)
			}
		}
		if strings.ToLower(r.pattern) != r.pattern {
			t.Errorf("pattern %q is not canonical", r.pattern)
		}
	}
	for class, a := range agesOf {
		if Class(class) > Live && (a.fresh > a.most || a.fresh <= 0) {
			t.Errorf("%v: %+v", class, a)
		}
	}
}

func TestDirectives(t *testing.T) {
	plain := directives{maxAge: forever}
	with := func(f func(*directives)) directives { d := plain; f(&d); return d }
	for header, want := range map[string]directives{
		"Cache-Control: ":                                plain,
		"Cache-Control: max-age=30":                      with(func(d *directives) { d.maxAge = 30 * time.Second }),
		"Cache-Control: max-age=30, No-Cache":            with(func(d *directives) { d.maxAge = 0 }),
		"Cache-Control: max-age=x":                       with(func(d *directives) { d.maxAge = 0 }),
		"Cache-Control: max-age=-1":                      with(func(d *directives) { d.maxAge = 0 }),
		"Cache-Control: max-age=99999999999999999999999": plain,
		"Cache-Control: max-age=10000000000":             plain, // more than a Duration has
		"Cache-Control: only-if-cached, max-stale":       with(func(d *directives) { d.onlyIfCached, d.maxStale = true, forever }),
		`Cache-Control: max-stale="60"`:                  with(func(d *directives) { d.maxStale = time.Minute }),
		"Cache-Control: max-stale=x":                     plain,
		"Cache-Control: stale-if-error=9,no-store":       with(func(d *directives) { d.staleIfError, d.noStore = 9*time.Second, true }),
		"Pragma: no-cache":                               with(func(d *directives) { d.maxAge = 0 }),
		"Pragma: x":                                      plain,
	} {
		name, value, _ := strings.Cut(header, ": ")
		if got := parseDirectives(http.Header{name: {value}}); got != want {
			t.Errorf("%s: %+v, want %+v", header, got, want)
		}
	}
	both := http.Header{"Cache-Control": {"max-age=5"}, "Pragma": {"no-cache"}}
	if got := parseDirectives(both); got.maxAge != 5*time.Second {
		t.Errorf("Pragma beside Cache-Control: %+v", got)
	}
}

func TestAcceptsGzip(t *testing.T) {
	for value, want := range map[string]bool{
		"gzip": true, "deflate, gzip;q=0.5": true, "identity": false, "": false, "gzip;q=0": false, "*": true,
		"gzip; q=0.0, *": false, "*;q=0": false, "br, x-gzip": true,
	} {
		if got := acceptsGzip([]string{value}); got != want {
			t.Errorf("%q: %t", value, got)
		}
	}
}

func TestEnvelope(t *testing.T) {
	long := `{"Members":[` + strings.Repeat(`{"@odata.id":"/redfish/v1/x"},`, 200) + `{}]}`
	for name, d := range map[string]*document{
		"small":   {status: 200, header: http.Header{"X_hp-Odd": {"1", ""}}, body: []byte("{}")},
		"deflate": {status: 200, header: http.Header{"Etag": {`W/"A"`}}, etag: `W/"A"`, body: []byte(long)},
		"gzip":    {status: 200, header: http.Header{"Content-Encoding": {"gzip"}}, gzip: true, body: deflate([]byte(long))},
		"empty":   {status: 200, header: http.Header{}, body: []byte{}},
	} {
		t.Run(name, func(t *testing.T) {
			e := &entry{key: "/redfish/v1/systems/?only", epoch: 7, wall: -5}
			plain, _, _ := d.plain()
			e.outline = outlineOf(plain)
			b := encode(e, d, pack(d))
			if name == "deflate" && len(b) > len(long)/2 {
				t.Errorf("%d bytes stored of %d", len(b), len(long))
			}
			got, doc, err := decode(e.key, b, true)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(doc.body, d.body) || doc.gzip != d.gzip || doc.etag != d.etag || !cmp.Equal(doc.header, d.header) {
				t.Errorf("document %+v, want %+v", doc, d)
			}
			if got.epoch != 7 || got.wall != -5 || got.path != "/redfish/v1/systems" || got.class != Static || got.etag != d.etag ||
				got.collection != e.collection || !slices.Equal(got.members, e.members) {
				t.Errorf("entry %+v, want %+v", got, e)
			}
			for n := range b[:min(len(b), 40)] {
				_, _, _ = decode(e.key, b[:n], true) // must not panic
			}
		})
	}
}

func FuzzEnvelope(f *testing.F) {
	d := &document{status: 200, header: http.Header{"Etag": {`W/"A"`}}, body: []byte(`{"Members":[{"@odata.id":"/redfish/v1/a"}]}`)}
	e := &entry{key: "/redfish/v1/systems", outline: outlineOf(d.body)}
	f.Add(encode(e, d, pack(d)))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, d, err := decode("/redfish/v1/systems", b, true)
		if err != nil {
			return
		}
		again, doc, err := decode(e.key, encode(e, d, pack(d)), true)
		if err != nil || !bytes.Equal(doc.body, d.body) || again.epoch != e.epoch || !slices.Equal(again.members, e.members) {
			t.Errorf("%+v became %+v: %v", e, again, err)
		}
	})
}

func TestOutline(t *testing.T) {
	o := outlineOf([]byte(`{"Members":[{"@odata.id":"/redfish/v1/B/"},{"@odata.id":"/redfish/v1/a%20b"},{"@odata.id":"/redfish/v1/a b"}],
		"@Redfish.Settings":{"SettingsObject":{"@odata.id":"/redfish/v1/systems/1/bios/settings/"}}}`))
	want := []uint64{hash("/redfish/v1/b"), hash("/redfish/v1/a b"), hash("/redfish/v1/a b")}
	slices.Sort(want)
	if !o.collection || !slices.Equal(o.members, want) || o.twin != hash("/redfish/v1/systems/1/bios/settings") {
		t.Errorf("%+v", o)
	}
	for _, body := range []string{"", "null", "{}", "[", `{"Members":3}`} {
		if o := outlineOf([]byte(body)); o.collection && body != `{"Members":3}` || o.twin != 0 {
			t.Errorf("%s: %+v", body, o)
		}
	}
	got := links([]byte(`{"@odata.id" : "/a","Oem":{"x":{"@odata.id":"/b#/c"}},"y":[{"@odata.id":"/d"}],"Members@odata.nextLink":"/a?page=2","@odata.id`))
	if want := []string{"/a", "/d", "/a?page=2"}; !slices.Equal(got, want) {
		t.Errorf("links %q, want %q", got, want)
	}
}

// TestSettingsOfTheRealTreesAreReadAnew, although only their name tells them.
func TestSettingsOfTheRealTreesAreReadAnew(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(tree.Testdata(t), "trees", "*.jsonl.gz"))
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		captured, err := tree.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, r := range captured.Resources() {
			var body struct {
				Settings struct {
					Object struct {
						ID string `json:"@odata.id"`
					} `json:"SettingsObject"`
				} `json:"@Redfish.Settings"`
			}
			if json.Unmarshal(r.Body, &body) != nil || body.Settings.Object.ID == "" {
				continue // a schema describes it
			}
			found++
			if class, _ := classify(ilopath.Canonical(body.Settings.Object.ID)); class != Live {
				t.Errorf("%s: %s is %v", r.URI, body.Settings.Object.ID, class)
			}
		}
		if found < 12 {
			t.Errorf("%s: only %d resources have settings", file, found)
		}
	}
}
