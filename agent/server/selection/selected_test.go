package selection

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/schema"
)

func TestBelow(t *testing.T) {
	for _, c := range []struct{ pointer, paths, want string }{
		{"", "", ""}, {"", "A B", "A B"}, {"In", "", "In"}, {"In", "A B", "In/A In/B"},
	} {
		paths := strings.Fields(c.paths)
		s := Selector{Pointer: c.pointer}
		if got := strings.Join(s.Below(paths), " "); got != c.want || strings.Join(paths, " ") != c.paths {
			t.Errorf("%q below %q: %q, want %q", c.paths, c.pointer, got, c.want)
		}
	}
}

// TestSettingsAreAsTheyWillBe: what waits for a reset of the server is saved, and the
// resource has it still otherwise.
func TestSettingsAreAsTheyWillBe(t *testing.T) {
	next := bodies{
		Directory:     three,
		"/1":          `{"@odata.type":"#A.v1.A","Id":"1","Mode":"a","@Redfish.Settings":{"SettingsObject":{"@odata.id":"/1/settings"}}}`,
		"/1/settings": `{"Id":"settings","Mode":"b"}`,
		"/2":          `{"@odata.type":"#A.v1.A","Id":"2"}`,
		"/3":          `{"@odata.type":"#A.v1.A","Mode":"a","@Redfish.Settings":{"SettingsObject":{"@odata.id":"/3/settings"}}}`,
	}
	s := selected(t, "A.", next, next)
	all, err := s.Settings(t.Context())
	if err != nil || len(all) != 1 || all[0].Path != "/1" || JSON(all[0].Settings, "") != `{"Mode":"b"}`+"\n" {
		t.Errorf("%v, %v", all, err)
	}
	if unread := s.Reader.Unread(); len(unread) != 1 || unread[0].Path != "/3" {
		t.Errorf("not read: %v", unread)
	}
}

// TestWritableOfTheSelected leaves out what is read-only, and what cannot be read if
// something can be.
func TestWritableOfTheSelected(t *testing.T) {
	real := realServer(t)
	s := selected(t, "ComputerSystem.", real, real)
	parts, err := s.Writable(t.Context())
	if err != nil || len(parts) != 1 || parts[0]["AssetTag"] == nil || parts[0]["PowerState"] != nil {
		t.Errorf("%v, %v", parts, err)
	}
	if parts, err := selected(t, "Bios.", real, real).Writable(t.Context()); err != nil || len(parts) != 1 || parts[0]["AutoPowerOn"] == nil {
		t.Errorf("%v, %v", parts, err)
	}
	lost := *s.Found[0]
	lost.Path = "/redfish/v1/Systems/7/"
	s.Found = append(s.Found, &lost)
	if parts, err := s.Writable(t.Context()); err != nil || len(parts) != 1 || len(s.Reader.Unread()) != 1 {
		t.Errorf("%v, %v, %v", parts, err, s.Reader.Unread())
	}
	s.Found = []*Resource{&lost}
	if parts, err := s.Writable(t.Context()); err == nil || parts != nil {
		t.Errorf("%v", parts)
	}
}

func TestDescribe(t *testing.T) {
	real := realServer(t)
	s := selected(t, "ComputerSystem.", real, real)
	other := selected(t, "Manager.", real, real)
	s.Found = append(other.Found, s.Found[0], s.Found[0])
	all, err := s.Describe(t.Context(), []string{"AssetTag", "boot/bootsourceoverridetarget"})
	if err != nil || len(all) != 2 || all[0].ReadOnly || !slices.Contains(all[1].Allowed, "Pxe") {
		t.Errorf("%+v, %v", all, err)
	}
	if all, err := s.Describe(t.Context(), []string{"AssetTag", "Invented"}); !errors.Is(err, schema.ErrNoProperty) || !strings.Contains(err.Error(), "/redfish/v1/Managers/1") || all != nil {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestWaitingOfSomeProperties has those at the paths and below, and no others.
func TestWaitingOfSomeProperties(t *testing.T) {
	r := &Reader{Next: bodies{"/1/settings": `{"A":2,"AB":2,"In":{"X":2,"Y":2},"Same":1}`}}
	x := resource(t, `{"A":1,"AB":1,"In":{"X":1,"Y":1},"Same":1,"@Redfish.Settings":{"SettingsObject":{"@odata.id":"/1/settings"}}}`)
	for paths, want := range map[string]string{"": "A AB In/X In/Y", "a": "A", "In": "In/X In/Y", "In/X AB": "AB In/X", "Same": "", "Invented": ""} {
		all, err := r.Waiting(t.Context(), x, strings.Fields(paths))
		var got []string
		for _, d := range all {
			got = append(got, d.Property)
		}
		if strings.Join(got, " ") != want || err != nil {
			t.Errorf("%q: %v, want %s; %v", paths, got, want, err)
		}
	}
	if all, err := r.Waiting(t.Context(), resource(t, `{"A":1}`), nil); all != nil || err != nil {
		t.Errorf("without settings: %v, %v", all, err)
	}
}

// TestOriginNamesTheServer, and what could not be read of it.
func TestOriginNamesTheServer(t *testing.T) {
	next := bodies{
		Directory: `{"Instances":[{"@odata.id":"/1","@odata.type":"#ComputerSystem.v1.ComputerSystem"},{"@odata.id":"/3","@odata.type":"#ComputerSystem.v1.ComputerSystem"}]}`,
		"/1":      `{"@odata.type":"#ComputerSystem.v1.ComputerSystem","Model":"DL","SerialNumber":"S","BiosVersion":7,"AssetTag":"x"}`,
		"/3":      `{"@odata.type":"#ComputerSystem.v1.ComputerSystem","Model":"other"}`,
	}
	note, err := (&Reader{Next: next}).Origin(t.Context(), []Unread{{Path: "/2"}})
	if err != nil || JSON(note, "") != `{"Model":"DL","NotRead":["/2"],"SerialNumber":"S"}`+"\n" {
		t.Errorf("%v, %v", note, err)
	}
	if note, err := (&Reader{Next: nothing}).Origin(t.Context(), nil); err != nil || len(note) != 0 {
		t.Errorf("%v, %v", note, err)
	}
}

// TestPart reads the examples of RFC 6901 §5.
func TestPart(t *testing.T) {
	const document = `{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}`
	for pointer, want := range map[string]string{
		"/foo": `["bar","baz"]`, "/foo/0": `"bar"`, "/foo/1": `"baz"`, "/": "0", "/a~1b": "1", "/c%d": "2", "/e^f": "3", "/g|h": "4", `/i\j`: "5", `/k"l`: "6", "/ ": "7", "/m~0n": "8",
	} {
		if got, err := Part([]byte(document), pointer); string(got) != want || err != nil {
			t.Errorf("%s: %s, want %s; %v", pointer, got, want, err)
		}
	}
	for _, pointer := range []string{"/fo", "/foo/2", "/foo/-1", "/foo/x", "/foo/0/x", "/a~1b/x", "/foo/"} {
		if got, err := Part([]byte(document), pointer); !errors.Is(err, ErrNoProperty) {
			t.Errorf("%s: %s, %v", pointer, got, err)
		}
	}
}

// TestFindGoesByTheTypeOfTheResource, whatever the directory says of it, and takes a part
// of a type if none begins so.
func TestFindGoesByTheTypeOfTheResource(t *testing.T) {
	next := bodies{Directory: three, "/1": `{"@odata.type":"#A.v1.A"}`, "/2": `{"@odata.type":"#B.v1.B"}`, "/3": `{"@odata.type":"#A.v2.A"}`}
	for text, want := range map[string]string{"A": "/1 /3", "A.v1": "/1", "v1.": "/1 /2", "B": "", "/2": "/2"} {
		found, err := (&Reader{Next: next}).Find(t.Context(), map[bool]Selector{true: {Path: text}, false: {Type: text}}[text[0] == '/'])
		var paths []string
		for _, x := range found {
			paths = append(paths, x.Path)
		}
		if got := strings.Join(paths, " "); got != want || errors.Is(err, ErrNoType) != (want == "") {
			t.Errorf("%s: %s, want %s; %v", text, got, want, err)
		}
	}
}
