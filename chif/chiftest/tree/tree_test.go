package tree

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestKey(t *testing.T) {
	for _, c := range []struct{ path, want string }{
		{"/", "/"},
		{"/redfish/v1", "/redfish/v1"},
		{"/redfish/v1/", "/redfish/v1"},
		{"//redfish///v1//", "/redfish/v1"},
		{"/redfish/v1/Systems/1/BIOS/", "/redfish/v1/systems/1/bios"},
		{"/a/system%20administrator0", "/a/system administrator0"},
		{"/a/System Administrator0", "/a/system administrator0"},
		{"/a/%zz", "/a/%zz"},
		{"", ""},
	} {
		if got := Key(c.path); got != c.want {
			t.Errorf("Key(%q) = %q, want %q", c.path, got, c.want)
		}
	}
}

// captured are the trees of the test data and the number of their resources
// (SOURCE.md there).
var captured = []struct {
	file       string
	resources  int
	generation int
	firmware   string
	mockup     int
}{
	{"ilo5-2.46-dl325-gen10plus-fc", 1272, 5, "2.46", 810},
	{"ilo5-3.11-dl360-gen10plus", 1806, 5, "3.11", 0},
	{"ilo6-1.66-dl380a-gen11", 1933, 6, "1.66", 0},
	{"ilo7-1.14-dl360-gen12", 1333, 7, "", 0},
}

func TestLoadLines(t *testing.T) {
	dir := Testdata(t)
	for _, c := range captured {
		t.Run(c.file, func(t *testing.T) {
			path := filepath.Join(dir, "trees", c.file+".jsonl.gz")
			tr, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if tr.Len() != c.resources {
				t.Errorf("%d resources, want %d", tr.Len(), c.resources)
			}
			if g, f := tr.Generation(); g != c.generation || c.firmware != "" && f != c.firmware {
				t.Errorf("iLO %d %s, want %d %s", g, f, c.generation, c.firmware)
			}
			lines := bytes.Split(gunzip(t, path), []byte("\n"))
			for i, r := range tr.Resources() {
				uri, _ := json.Marshal(r.URI)
				line := fmt.Sprintf(`{"uri":%s,"status":%d,"body":%s}`, uri, r.Status, r.Body)
				if line != string(lines[i]) {
					t.Fatalf("%s is not as in the file:\n%.200s\n%.200s", r.URI, line, lines[i])
				}
				if got, ok := tr.Lookup(strings.ToUpper(r.URI) + "/"); !ok || got.URI != r.URI {
					t.Fatalf("Lookup of %s in capitals finds %v, %v", r.URI, got.URI, ok)
				}
			}
		})
	}
}

func gunzip(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(z); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestLoadMockup(t *testing.T) {
	dir := Testdata(t)
	for _, c := range captured {
		if c.mockup == 0 {
			continue
		}
		t.Run(c.file, func(t *testing.T) {
			folder := filepath.Join(dir, "trees", "unpacked", c.file)
			full, err := Load(folder)
			if err != nil {
				t.Fatal(err)
			}
			if full.Len() != c.mockup {
				t.Errorf("%d resources, want %d", full.Len(), c.mockup)
			}
			short, err := Load(filepath.Join(folder, "redfish", "v1"))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(full.Resources(), short.Resources()) {
				t.Error("the short form of the mockup differs from the full one")
			}
			lines, err := Load(filepath.Join(dir, "trees", c.file+".jsonl.gz"))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range full.Resources() {
				file, err := os.ReadFile(filepath.Join(folder, r.URI, "index.json"))
				if err != nil || !bytes.Equal(file, r.Body) {
					t.Fatalf("%s is not as in its file (%v)", r.URI, err)
				}
				if same, ok := lines.Lookup(r.URI); !ok || same.URI != r.URI || same.Status != r.Status || !sameJSON(same.Body, r.Body) {
					t.Errorf("%s differs between the two forms of one tree: status %d and %d", r.URI, r.Status, same.Status)
				}
			}
		})
	}
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	lines := func(text string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(text))
		_ = z.Close()
		return b.Bytes()
	}
	write("mockup/redfish/v1/index.json", []byte(`{"a":`))
	write("empty/readme.txt", nil)
	whole := lines(`{"uri":"/redfish/v1","body":{}}`)
	for _, c := range []struct {
		name, path string
		want       error
	}{
		{"no such file", filepath.Join(dir, "nothing"), fs.ErrNotExist},
		{"not gzip", write("a", []byte("{}")), ErrFormat},
		{"truncated gzip", write("b", whole[:len(whole)-9]), ErrFormat},
		{"not JSON", write("c", lines("hello")), ErrFormat},
		{"empty", write("d", lines("")), ErrFormat},
		{"no body", write("e", lines(`{"uri":"/redfish/v1","status":200}`)), ErrFormat},
		{"body is a list", write("f", lines(`{"uri":"/redfish/v1","body":[]}`)), ErrFormat},
		{"relative URI", write("g", lines(`{"uri":"redfish/v1","body":{}}`)), ErrFormat},
		{"twice", write("h", lines(`{"uri":"/a/B","body":{}}{"uri":"/a/b/","body":{}}`)), ErrFormat},
		{"status", write("i", lines(`{"uri":"/a","status":99,"body":{}}`)), ErrFormat},
		{"mockup with broken JSON", filepath.Join(dir, "mockup"), ErrFormat},
		{"directory without a mockup", filepath.Join(dir, "empty"), ErrFormat},
	} {
		if _, err := Load(c.path); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want one of %v", c.name, err, c.want)
		}
	}
}

func TestGeneration(t *testing.T) {
	for _, c := range []struct {
		root       string
		generation int
	}{
		{`{"Oem":{"Hp":{"Manager":[{"ManagerType":"iLO 4","ManagerFirmwareVersion":"2.82"}]}}}`, 4},
		{`{"Oem":{"Hpe":{"Manager":[{"ManagerType":"iLO 5"}]}}}`, 5},
		{`{"Oem":{"Hpe":{"Moniker":{"PRODGEN":"iLO 7"}}}}`, 7},
		{`{"Oem":{"Hpe":{"Manager":[{"ManagerType":"iLO"}]}}}`, 0},
		{`{"Oem":7}`, 0},
		{`{}`, 0},
	} {
		tr, err := New([]Resource{{URI: Root + "/", Body: []byte(c.root)}})
		if err != nil {
			t.Fatal(err)
		}
		if g, _ := tr.Generation(); g != c.generation {
			t.Errorf("%s: generation %d, want %d", c.root, g, c.generation)
		}
	}
}
