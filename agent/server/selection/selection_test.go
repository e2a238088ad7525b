package selection

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/jsonpointer"
	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want Selector
		err  error
	}{
		{"ComputerSystem.", Selector{Type: "ComputerSystem."}, nil},
		{"#Bios.v1_0_4.Bios", Selector{Type: "Bios.v1_0_4.Bios"}, nil},
		{"/redfish/v1/Systems/1/", Selector{Path: "/redfish/v1/Systems/1/"}, nil},
		{"/redfish/v1/Systems/1/#/Boot/X", Selector{Path: "/redfish/v1/Systems/1/", Pointer: "Boot/X"}, nil},
		{"Memory.#/Status?Id%3D1&Name%3Da%26b", Selector{Type: "Memory.", Pointer: "Status", Filters: []Filter{{"Id", "1"}, {"Name", "a&b"}}}, nil},
		{"", Selector{}, ErrSelector},
		{"a b", Selector{}, ErrSelector},
		{".v1", Selector{}, ErrSelector},
		{"../x", Selector{}, ErrSelector},
		{"/%zz", Selector{}, ErrSelector},
		{"Memory.?Id", Selector{}, ErrFilter},
		{"Memory.?%zz", Selector{}, ErrFilter},
	} {
		got, err := Parse(c.text)
		if !errors.Is(err, c.err) || err == nil && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %+v, %v", c.text, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"Bios.", "#Bios.v1_0_4.Bios", "/redfish/v1/#/Boot?A%3DB&C%3D", "Memory.?Id%3D1", "?", "#", "/#?"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(s.String())
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Errorf("%q: %+v, again %q: %+v, %v", text, s, s.String(), again, err)
		}
	})
}

const thermal = `{"@odata.id":"x","Id":"1","Fans":[{"Name":"one","Reading":30},{"Name":"two"}],"Empty":[],
	"Oem":{"Hpe":{"A/B":{"C":1}}},"Null":null,"Off":false}`

func TestProject(t *testing.T) {
	x := resource(t, thermal)
	for _, c := range []struct{ paths, want, err string }{
		{"Id", `{"Id":"1"}`, ""},
		{"id null off", `{"Id":"1","Null":null,"Off":false}`, ""},
		{"Fans/Name", `{"Fans":[{"Name":"one"},{"Name":"two"}]}`, ""},
		{"Fans/Reading Fans/name", `{"Fans":[{"Name":"one","Reading":30},{"Name":"two"}]}`, ""},
		{"Fans/1/Name", `{"Fans":[{"Name":"two"}]}`, ""},
		{"/oem/hpe/A~1B/c", `{"Oem":{"Hpe":{"A/B":{"C":1}}}}`, ""},
		{"Fan", "", `has no Fan (did you mean "Fans"?)`},
		{"Fans/Naem", "", "has no Fans/Naem"},
		{"Empty/x", "", "has no Empty/x"},
		{"Id/x", "", "has no Id/x"},
		{"Null/x", "", "has no Null/x"},
		{"", "", "has no "},
	} {
		paths := strings.Fields(c.paths)
		if c.paths == "" {
			paths = []string{""}
		}
		got, err := Project([]*Resource{x}, paths)
		switch {
		case c.err != "":
			if len(err) != 1 || !errors.Is(err[0], ErrNoProperty) || !strings.Contains(err[0].Error(), c.err) {
				t.Errorf("%s: %v", c.paths, err)
			}
		case len(err) > 0 || strings.TrimSpace(JSON(got[0], "")) != c.want:
			t.Errorf("%s: %s, %v", c.paths, JSON(got, ""), err)
		}
	}
	got, err := Project([]*Resource{resource(t, `{"A":1}`), resource(t, `{"B":2}`), resource(t, `{"C":3}`)}, []string{"B", "A"})
	if len(err) > 0 || JSON(got, "") != `[{"A":1},{"B":2}]`+"\n" {
		t.Errorf("%s, %v", JSON(got, ""), err)
	}
}

func TestText(t *testing.T) {
	x := resource(t, `{"b":{"c":[1,"x\ny"],"d":{}},"a":null,"e":"","f":[{"g":true},{"g":1.50}]}`)
	const want = "a=None\nb=\n   c=\n      1\n      x y\n   d={}\ne=\"\"\nf=\n   g=True\n\n   g=1.50\n"
	if got := Text(x.Body); got != want {
		t.Errorf("%s", got)
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte(thermal), "Fans/Name")
	f.Add([]byte(`{"AttributeRegistry":"x","Attributes":{"A":1}}`), "Attributes/a")
	f.Fuzz(func(t *testing.T, body []byte, path string) {
		list, err := Load([]byte(`[{"#X.v1.X":{"/x":` + string(body) + `}}]`))
		if err != nil || len(list) != 1 {
			return
		}
		x := &Resource{Path: "/x", Type: "#X.v1.X", Raw: body, Body: list[0].Settings}
		lines := strings.Count(Text(x.Shown()), "\n")
		if strings.Count(strings.Map(func(r rune) rune {
			if r == '\r' || r == '\v' || r == '\x1b' {
				return '\n'
			}
			return r
		}, Text(x.Shown())), "\n") != lines {
			t.Error("a control character has got through")
		}
		pointer, v := x.pointer(path)
		if parts, err := Project([]*Resource{x}, []string{path}); len(parts)+len(err) != 1 {
			t.Errorf("%d parts", len(parts))
		}
		if len(minimal(x.Body, x.Body)) > 0 || len(Differences(x.Body, x.Body)) > 0 {
			t.Error("it differs from itself")
		}
		_ = x.untilArray(split(pointer))
		_ = Scalar(v)
	})
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		text, types string
		allowed     []string
		now         any
		want        string
	}{
		{"x", "string", nil, nil, `"x"`},
		{"1", "string", nil, nil, `"1"`},
		{"null", "string", nil, nil, `"null"`},
		{"null", "string|null", nil, nil, `null`},
		{"None", "string|null", []string{"None", "Pxe"}, nil, `"None"`},
		{"none", "integer|null", nil, nil, `null`},
		{"pxe", "string|null", []string{"None", "Pxe"}, nil, `"Pxe"`},
		{"TRUE", "boolean", nil, nil, `true`},
		{"true", "string", nil, nil, `"true"`},
		{"12", "integer", nil, nil, `12`},
		{"12", "number", nil, nil, `12`},
		{"1.5", "integer", nil, nil, `"1.5"`},
		{"twelve", "integer", nil, nil, `"twelve"`},
		{`""`, "string", nil, nil, `""`},
		{``, "string", nil, nil, `""`},
		{`["a"]`, "array", nil, nil, `["a"]`},
		{`["a"`, "array", nil, nil, `"[\"a\""`},
		{`{"a":1}`, "object|null", nil, nil, `{"a":1}`},
		{"7", "", nil, nil, `7`},
		{"null", "", nil, nil, `"null"`},
		{"7", "", nil, "6", `"7"`},
		{"false", "", nil, true, `false`},
	} {
		if got := strings.TrimSpace(JSON(read(c.text, schema.Info{Type: c.types, Allowed: c.allowed}, c.now), "")); got != c.want {
			t.Errorf("%q as %q: %s, want %s", c.text, c.types, got, c.want)
		}
	}
}

func TestChange(t *testing.T) {
	r := &Reader{Next: serve(t, redfish.Options{})}
	checker := schema.NewChecker(r.Next)
	found, err := r.Find(t.Context(), Selector{Type: "ComputerSystem."})
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	change, err := found[0].change(t.Context(), checker, []Assignment{{"assettag", "x"}, {"Boot/BootSourceOverrideTarget", "pxe"}, {"boot/bootsourceoverrideenabled", "Once"}})
	if want := `{"AssetTag":"x","Boot":{"BootSourceOverrideEnabled":"Once","BootSourceOverrideTarget":"Pxe"}}` + "\n"; err != nil || JSON(change, "") != want {
		t.Errorf("%s, %v", JSON(change, ""), err)
	}
	for _, a := range []Assignment{{"Nothing", "x"}, {"Boot/BootSourceOverrideTarget", "Floppy"}, {"@odata.id", "x"}, {"Boot/BootOrder/0", "x"}} {
		if _, err := found[0].change(t.Context(), checker, []Assignment{a}); !errors.Is(err, ErrValue) {
			t.Errorf("%v: %v", a, err)
		}
	}
	bios, err := r.Find(t.Context(), Selector{Type: "bios."})
	if err != nil || len(bios) != 1 || bios[0].Settings() == "" {
		t.Fatal(bios, err)
	}
	change, err = bios[0].change(t.Context(), checker, []Assignment{{"bootmode", "legacybios"}})
	if want := `{"Attributes":{"BootMode":"LegacyBios"}}` + "\n"; err != nil || JSON(change, "") != want {
		t.Errorf("%s, %v", JSON(change, ""), err)
	}
}

func TestSaved(t *testing.T) {
	all := []Saved{{"#A.v1.A", "/a", map[string]any{"x": "1"}}, {"#B.v1.B", "/b", map[string]any{"y": true}}}
	if got, err := Load(Save(map[string]any{"Model": "x"}, all)); err != nil || !reflect.DeepEqual(got, all) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "[", "[]", "{}", "[1]", `[{"A":1}]`, `[{"A":{"x":{}}}]`, `[{"A":{"/x":null}}]`, `[{"A":{"/x":{}}}] 1`, `[{"Comments":{}}]`} {
		if _, err := Load([]byte(bad)); !errors.Is(err, ErrSaved) || strings.Contains(err.Error(), "Go value") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestOfAnILO4 reads bodies as a real iLO 4 has them: a type without annotation, a
// link to the settings, and what became of these in two places.
func TestOfAnILO4(t *testing.T) {
	sample := func(name string) []byte {
		body, err := os.ReadFile(filepath.Join(tree.Testdata(t), "trees", "proliantutils", "ilo4-rest-v1", name))
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	bios := sample("get_bios_settings.json")
	all := map[string][]byte{
		"/rest/v1/systems/1/bios": bios, "/rest/v1/systems/1/bios/Settings": sample("get_bios_pending_settings.json"),
		"/rest/v1/both": append([]byte(`{"@Redfish.Settings":{"SettingsObject":{"@odata.id":"/rest/v1/systems/1/bios/Settings"},`+
			`"Messages":[{"MessageId":"Base.1.0.Success"}],"Time":"2015-03-09T17:50:09+00:00"},`), bios[1:]...),
		Directory: []byte(`{"Instances":[{"href":"/rest/v1/systems/1/bios","Type":"HpBios.1.1.0"},{"href":"/rest/v1/both","Type":"HpBios.1.1.0"},null,7,{"href":""}]}`),
	}
	r := &Reader{Next: roundTripper(func(r *http.Request) (*http.Response, error) {
		body, there := all[r.URL.Path]
		return &http.Response{StatusCode: map[bool]int{true: 200, false: 404}[there], Request: r, Body: io.NopCloser(bytes.NewReader(body))}, nil
	})}
	found, err := r.Find(t.Context(), Selector{Type: "HpBios."})
	if err != nil || len(found) != 2 || found[0].Type != "HpBios.1.1.0" || found[0].Settings() != "/rest/v1/systems/1/bios/Settings" {
		t.Fatalf("%+v, %v", found, err)
	}
	results, err := r.Results(t.Context())
	if err != nil || len(results) != 2 {
		t.Fatalf("%+v, %v", results, err)
	}
	for _, a := range results {
		if len(a.Messages) != 1 || a.Messages[0].Key() != "Success" || a.Time != "2015-03-09T17:50:09+00:00" || a.Type != "HpBios.1.1.0" {
			t.Errorf("%+v", a)
		}
	}
	if pending, err := r.Pending(t.Context()); err != nil || len(pending) != 2 || len(pending[0].Differences) == 0 {
		t.Errorf("%+v, %v", pending, err)
	}
}

// TestRealTrees selects each type of real servers, finds each property where it is,
// and saves what is then there already.
func TestRealTrees(t *testing.T) {
	realTrees(t, func(t *testing.T, next http.RoundTripper) {
		r := &Reader{Next: next}
		checker := schema.NewChecker(next)
		entries, err := r.Entries(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"ComputerSystem.", "Manager.", "Bios.", "Chassis.", "Memory.", "SoftwareInventory.", "LogService."} {
			found, err := r.Find(t.Context(), Selector{Type: kind})
			if err != nil {
				t.Errorf("%s: %v", kind, err)
			}
			for _, x := range found {
				for name := range x.Shown() {
					if parts, err := Project([]*Resource{x}, []string{jsonpointer.Escape(strings.ToLower(name))}); len(err) > 0 || len(parts) != 1 {
						t.Errorf("%s: %s: %v", x.Path, name, err)
					}
				}
				settings, err := x.writable(t.Context(), checker)
				if err != nil {
					t.Error(err)
				}
				change, left, err := x.restore(t.Context(), checker, x, Saved{x.Type, x.Path, settings})
				if err != nil || len(change) > 0 || left != nil {
					t.Errorf("%s: %v, %v, %v", x.Path, change, left, err)
				}
			}
		}
		if _, err := r.Find(t.Context(), Selector{Type: "ComputerSytem."}); !errors.Is(err, ErrNoType) || !strings.Contains(err.Error(), `"ComputerSystem."`) {
			t.Error(err)
		}
		if len(entries) < 100 {
			t.Errorf("%d entries", len(entries))
		}
		if _, err := r.Pending(t.Context()); err != nil {
			t.Error(err)
		}
		if all, err := r.Inventory(t.Context(), Sections(), false); err != nil || len(all) < 4 {
			t.Errorf("%d sections, %v", len(all), err)
		}
	})
}

// TestChangesAsksWhatIsEqual: set and load leave out what package equal takes for
// what was asked.
func TestChangesAsksWhatIsEqual(t *testing.T) {
	has := func(text string) map[string]any {
		var v map[string]any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	body := has(`{"StaticNTPServers":["ntp.example",""],"Oem":{"Hpe":{"Interval":240}}}`)
	for change, want := range map[string]bool{
		`{"StaticNTPServers":["ntp.example"],"Oem":{"Hpe":{"Interval":240.0}}}`: false,
		`{"StaticNTPServers":["other.example"]}`:                                true,
		`{"Oem":{"Hpe":{"Interval":241}}}`:                                      true,
		`{"Invented":1}`:                                                        true,
	} {
		if rest := minimal(body, has(change)); (len(rest) > 0) != want {
			t.Errorf("%s leaves %v", change, rest)
		}
	}
}

// TestPointerIntoAList has the element that is there, and no other.
func TestPointerIntoAList(t *testing.T) {
	x := resource(t, `{"A":[{"B":"first"},{"B":"second"}]}`)
	for path, want := range map[string]any{"a/0/b": "first", "A/1/B": "second", "A/2/B": nil, "A/-1/B": nil, "A/x": nil, "A/0/B/C": nil} {
		if pointer, got := x.pointer(path); got != want || strings.Count(pointer, "/") != strings.Count(path, "/")+1 {
			t.Errorf("%s: %s, %v, want %v", path, pointer, got, want)
		}
	}
}

// TestChangeNeedsToRead has schemas, or the resource, that cannot be read.
func TestChangeNeedsToRead(t *testing.T) {
	lost := errors.New("lost")
	x := resource(t, `{"@odata.type":"#A.v1.A","A":1}`)
	for name, next := range map[string]roundTripper{
		"all": func(*http.Request) (*http.Response, error) { return nil, lost },
		"schemas": func(r *http.Request) (*http.Response, error) {
			if r.URL.Path != x.Path {
				return nil, lost
			}
			return &http.Response{StatusCode: 200, Request: r, Body: io.NopCloser(bytes.NewReader(x.Raw))}, nil
		},
	} {
		checker := schema.NewChecker(next)
		if change, err := x.change(t.Context(), checker, []Assignment{{"A", "2"}}); !errors.Is(err, lost) || errors.Is(err, ErrValue) {
			t.Errorf("%s: %v, %v", name, change, err)
		}
		if _, err := x.writable(t.Context(), checker); !errors.Is(err, lost) {
			t.Errorf("%s: %v", name, err)
		}
		if change, left, err := x.restore(t.Context(), checker, x, Saved{x.Type, x.Path, map[string]any{"A": "2"}}); !errors.Is(err, lost) || errors.Is(err, ErrValue) {
			t.Errorf("%s: %v, %v, %v", name, change, left, err)
		}
	}
}

// TestFilterByNothing matches an empty string, and no other value.
func TestFilterByNothing(t *testing.T) {
	all := []*Resource{resource(t, `{"Id":"1","Tag":""}`), resource(t, `{"Id":"2","Tag":"x"}`), resource(t, `{"Id":"3","Tag":null}`), resource(t, `{"Id":"4"}`)}
	for text, want := range map[string]string{"Tag=": "1", "Tag=x": "2", "Tag=None": "3", `Tag=""`: "1"} {
		var s Selector
		if err := s.Filter(text); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Filters[0].of(all); err != nil || len(got) != 1 || got[0].Body["Id"] != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

// TestJSONAsItIs has no letters escaped that need not be.
func TestJSONAsItIs(t *testing.T) {
	if got := JSON(map[string]any{"A": "<a & b>"}, ""); got != "{\"A\":\"<a & b>\"}\n" {
		t.Error(got)
	}
	if got := JSON([]any{1}, "  "); got != "[\n  1\n]\n" {
		t.Error(got)
	}
}
