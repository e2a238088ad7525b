package schema

import (
	"testing"

	"github.com/ilod/ilod/agent/ilopath/ilopathtest"
)

// An action is found by its target in any spelling.
func TestActionsAreFoundInAllSpellings(t *testing.T) {
	for _, s := range ilopathtest.Spellings {
		actions := present(`{"#ComputerSystem.Reset":{"target":"` + ilopathtest.Resource + `"}}`)
		name, _ := findAction(actions, s.Path)
		if (name == "ComputerSystem.Reset") != (s.Canonical == ilopathtest.Resource) {
			t.Errorf("%s: %q", s.Path, name)
		}
	}
}
