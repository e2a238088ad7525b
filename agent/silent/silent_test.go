package silent_test

import (
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/ilod/ilod/agent/silent"
)

// A room writes to the log that it was given, and without one to nobody.
func TestALogThatIsGivenIsUsed(t *testing.T) {
	log, lines := test.NewNullLogger()
	silent.Unless(log).Warn("a line")
	silent.Unless(nil).WithField("k", "v").Error("nobody hears it")
	if got := lines.AllEntries(); len(got) != 1 || got[0].Message != "a line" || got[0].Level != logrus.WarnLevel {
		t.Errorf("%v", got)
	}
}
