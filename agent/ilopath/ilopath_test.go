package ilopath

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/agent/ilopath/ilopathtest"
)

func TestAllSpellingsOfAPathHaveOneForm(t *testing.T) {
	for _, s := range ilopathtest.Spellings {
		if got := Canonical(s.Path); got != s.Canonical {
			t.Errorf("%s: %q, want %q", s.Path, got, s.Canonical)
		}
		if got := Canonical(s.Canonical); got != s.Canonical {
			t.Errorf("%s: its canonical form became %q", s.Canonical, got)
		}
		u, err := url.Parse("https://ilo" + s.Path)
		if err != nil {
			t.Fatal(err)
		}
		if got, plain := Of(u); got != s.Canonical || plain != s.Plain {
			t.Errorf("URL with %s: %q, plain %t, want %q, %t", s.Path, got, plain, s.Canonical, s.Plain)
		}
		form, plain := AppendRequest([]byte("x"), u)
		if plain != s.Plain || plain && Canonical(string(form[1:])) != s.Canonical {
			t.Errorf("request for %s: %q, %t, want one of %q, %t", s.Path, form, plain, s.Canonical, s.Plain)
		}
	}
}

func TestPathsWithoutASlashAtTheBeginning(t *testing.T) {
	for path, want := range map[string]string{"": "/", "redfish/v1": "/redfish/v1", "?x": "/", "%2fredfish": "/redfish", "rest": "/redfish", "%zz%": "/%zz%"} {
		if got := Canonical(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
	for _, u := range []*url.URL{{}, {Path: "*"}, {Path: "redfish"}, {Path: ".."}, {Opaque: "x"}} {
		if _, plain := Of(u); plain {
			t.Errorf("%#v is plain", u)
		}
		if _, plain := AppendRequest(nil, u); plain {
			t.Errorf("a request for %#v is plain", u)
		}
	}
}

func TestRequestsKeepWhatLinksFollow(t *testing.T) {
	for path, want := range map[string]string{
		"//redfish//V1/Systems//": "/redfish/v1/systems/", "/Rest/v1/Systems": "/rest/v1/systems", "/redfish/v1/a%20b?x": "/redfish/v1/a b",
	} {
		u, err := url.Parse("https://ilo" + path)
		if err != nil {
			t.Fatal(err)
		}
		if form, plain := AppendRequest(nil, u); string(form) != want || !plain {
			t.Errorf("%s: %q, %t, want %q", path, form, plain, want)
		}
	}
}

func TestLinksWithoutHost(t *testing.T) {
	for link, want := range map[string]string{
		"https://172.16.50.99/redfish/v1/SessionService/Sessions/a b/": "/redfish/v1/SessionService/Sessions/a%20b/",
		"https:///redfish/v1/Systems/":                                 "/redfish/v1/Systems/",
		"https://[fe80::1%25eth0]:443/rest/v1/Systems?a=b#/c":          "/rest/v1/Systems?a=b#/c",
		"HTTP://ilo/Redfish":                                           "/Redfish",
		"//ilo/redfish/v1/":                                            "/redfish/v1/",
		"//redfish/v1/":                                                "//redfish/v1/",
		"/redfish/v1/a//b":                                             "/redfish/v1/a//b",
		"/redfish/v1/Systems/1":                                        "/redfish/v1/Systems/1",
		"https://ilo/redfish?x":                                        "/redfish?x",
		"https://ilo/redfishes/v1":                                     "https://ilo/redfishes/v1",
		"https://ilo/":                                                 "https://ilo/",
		"https://ilo":                                                  "https://ilo",
		"https://elsewhere/a?b=/redfish/v1":                            "https://elsewhere/a?b=/redfish/v1",
		"https://ilo/a//redfish/v1":                                    "https://ilo/a//redfish/v1",
		"/a//redfish/v1":                                               "/a//redfish/v1",
		"/redfish/v1/x?a=http://ilo/redfish/":                          "/redfish/v1/x?a=http://ilo/redfish/",
		"":                                                             "", "Systems/1": "Systems/1",
	} {
		if got := Relative(link); got != want {
			t.Errorf("%s: %q, want %q", link, got, want)
		}
	}
}

func TestLocationIsAPathOfTheILO(t *testing.T) {
	for link, want := range map[string]string{
		"https://ilo/redfish/v1/Tasks/a b":   "/redfish/v1/Tasks/a%20b",
		"ilo/redfish/v1/Tasks/1":             "/redfish/v1/Tasks/1",
		"https://ilo/prefix/rest/v1/Tasks/1": "/rest/v1/Tasks/1",
		"https://ilo/Redfish/v1/a?b#c":       "/Redfish/v1/a?b#c",
		"//redfish/v1/a":                     "/redfish/v1/a",
		"https://redfish":                    "", "https://redfish/a": "", "": "", "Tasks/1": "", "/redfishes/1": "",
		"https://elsewhere/a?b=/redfish/v1": "", "/a#/redfish/v1": "", "/redfish/v1/%zz": "", "/redfish/v1/a\r\nX: y": "",
	} {
		if got, ok := Location(link); got != want || ok != (want != "") {
			t.Errorf("%s: %q %v, want %q", link, got, ok, want)
		}
	}
}

func TestWithin(t *testing.T) {
	for path, want := range map[string]bool{"/a/b": true, "/a/b/c": true, "/a/bc": false, "/a": false} {
		if Within(path, "/a/b") != want {
			t.Error(path, !want)
		}
	}
}

func TestACanonicalPathCostsNothing(t *testing.T) {
	u, blank := &url.URL{Path: "/redfish/v1/systems/1"}, &url.URL{Path: "/redfish/v1/a b", RawPath: "/redfish/v1/%61%20b"}
	buf := make([]byte, 0, 64)
	for name, f := range map[string]func(){
		"root":    func() { Canonical("/") },
		"short":   func() { Canonical("/a/") },
		"path":    func() { Canonical("/redfish/v1/systems/1") },
		"slash":   func() { Canonical("/redfish/v1/systems/1/?x") },
		"url":     func() { Of(u) },
		"blank":   func() { Of(blank) },
		"request": func() { AppendRequest(buf, u) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// The longest path that a server takes must not cost the square of its length.
func TestDecodingIsLinear(t *testing.T) {
	const n = 300_000
	start := time.Now()
	if got := Canonical("/%" + strings.Repeat("25", n) + "41"); got != "/a" {
		t.Errorf("%.40q", got)
	}
	t.Log(time.Since(start))
}

func FuzzCanonical(f *testing.F) {
	for _, s := range ilopathtest.Spellings {
		f.Add(s.Path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		once := Canonical(path)
		if twice := Canonical(once); twice != once {
			t.Errorf("%q: %q, then %q", path, once, twice)
		}
		if !isCanonical(once) && !strings.Contains(once, "%") {
			t.Errorf("%q is not canonical", once)
		}
		u, err := url.Parse("https://ilo/" + path)
		if err != nil {
			return
		}
		canonical, plain := Of(u)
		if form, same := AppendRequest(nil, u); same != plain || plain && Canonical(string(form)) != canonical {
			t.Errorf("%q: %q, %t and %q, %t", path, canonical, plain, form, same)
		}
		// The one who decodes once finds what is plain, too.
		if once := Canonical((&url.URL{Path: u.Path}).EscapedPath()); plain && once != canonical {
			t.Errorf("%q: %q once, %q", path, once, canonical)
		}
	})
}
