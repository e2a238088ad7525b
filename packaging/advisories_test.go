package packaging

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/mod/semver"
)

// TestNoModuleHasAKnownFault compares the modules of the build, and the version of Go
// that go.mod asks for, with the list of fixes.
func TestNoModuleHasAKnownFault(t *testing.T) {
	list, err := os.ReadFile("advisories/fixed.tsv")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "mod", "edit", "-json", "../go.mod").Output()
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Go      string
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal(out, &file); err != nil {
		t.Fatal(err)
	}
	present := map[string]string{"go": "v" + file.Go}
	for _, m := range file.Require {
		present[m.Path] = m.Version
	}
	checked := 0
	for line := range strings.Lines(string(list)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 3 {
			t.Errorf("a line without three fields: %q", line)
			continue
		}
		fixed := "v" + strings.TrimPrefix(fields[1], "v")
		if !semver.IsValid(fixed) {
			t.Errorf("%s is no version", fields[1])
		}
		checked++
		if version, used := present[fields[0]]; used && semver.Compare(version, fixed) < 0 {
			t.Errorf("%s %s: %s is fixed in %s", fields[0], version, fields[2], fields[1])
		}
	}
	if checked == 0 {
		t.Error("the list is empty")
	}
}
