package agent

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestArchitectureNamesAllRooms: the table of ARCHITECTURE.md has each package that is
// in a program, and no other; the way of a request has the order of who knows whom.
func TestArchitectureNamesAllRooms(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		named[row[1]] = true
		if _, err := os.Stat("../" + row[1]); err != nil {
			t.Error(err)
		}
	}
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}", "-deps", module+"cmd/ilod").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.Lines(string(out)) {
		if name, ours := strings.CutPrefix(strings.TrimSpace(path), module); ours && !named[name] {
			t.Errorf("ARCHITECTURE.md does not say what is in %s", name)
		}
	}
	var way []string
	for _, line := range regexp.MustCompile(`(?m)^   ([a-z]+)  +\S`).FindAllStringSubmatch(string(text), -1) {
		way = append(way, line[1])
	}
	if len(way) < 7 {
		t.Fatalf("the way of a request is %q", way)
	}
	for i, room := range way[:len(way)-1] {
		out, err := exec.Command("go", "list", "-f", "{{join .Deps \" \"}}", module+"agent/"+room).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, above := range way[:i] {
			if slices.Contains(strings.Fields(string(out)), module+"agent/"+above) {
				t.Errorf("%s is drawn below %s and knows it", room, above)
			}
		}
	}
}
