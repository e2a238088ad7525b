package transaction

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// TestJournalOfAnEarlierVersionIsFinished: a commit that an agent of an earlier version was
// killed in is undone. The names in its journal began with a capital letter.
func TestJournalOfAnEarlierVersionIsFinished(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.stage("PATCH", network, `{"HostName":"mine"}`)
	f.ilo.on(2, "PATCH", "", crash)
	f.die(func() { _, _ = f.Commit(context.Background(), "s") })
	files, err := filepath.Glob(filepath.Join(f.dir, "*"+journalSuffix))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`"[a-z][A-Za-z]*":`)
	if !names.Match(text) {
		t.Fatalf("%s", text)
	}
	earlier := names.ReplaceAllFunc(text, func(name []byte) []byte { return []byte(`"` + strings.ToUpper(string(name[1:2])) + string(name[2:])) })
	if err := os.WriteFile(files[0], earlier, 0o600); err != nil {
		t.Fatal(err)
	}
	f.start(Options{})
	f.check(f.report(), api.RolledBack, api.Undone, api.Refused)
	f.is(system, "/AssetTag", `""`)
}
