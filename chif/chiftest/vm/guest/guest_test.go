//go:build linux

package guest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest"
)

// TestGuest runs everything with the driver inserted for each number of
// channels. After each test nothing is left on the iLO.
func TestGuest(t *testing.T) {
	if os.Getpid() != 1 {
		t.Skip("runs as process 1 of a virtual machine: go test ./chif/chiftest/vm with ILOD_TEST_VM=1")
	}
	for _, channels := range []int{16, 8, 24} {
		t.Run(fmt.Sprintf("max_ccb=%d", channels), func(t *testing.T) {
			load(t, channels)
			defer unload(t)
			for _, test := range []struct {
				name string
				run  func(t *testing.T, channels int)
			}{
				{"sizes", testSizes},
				{"truncation", testTruncation},
				{"every channel", testEveryChannel},
				{"exclusive open", testExclusive},
				{"shared open", testShared},
				{"deaf iLO", testDeaf},
				{"nothing to read", testNothingToRead},
				{"reset while idle", testResetIdle},
			} {
				t.Run(test.name, func(t *testing.T) {
					t.Cleanup(func() { checkILO(t) })
					test.run(t, channels)
				})
			}
		})
	}
}

func checkILO(t *testing.T) {
	t.Helper()
	setFaults(t)
	if err := control.Check(context.Background()); err != nil {
		t.Errorf("left behind on the iLO: %v", err)
	}
}

func setFaults(t *testing.T, rules ...chiftest.Rule) {
	t.Helper()
	if err := control.SetFaults(context.Background(), chiftest.Faults{Rules: rules}); err != nil {
		t.Fatal(err)
	}
}

func reset(t *testing.T, down time.Duration) {
	t.Helper()
	if err := control.Reset(context.Background(), down); err != nil {
		t.Fatal(err)
	}
}

func channelsOpen(t *testing.T) int {
	t.Helper()
	s, err := control.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s.ChannelsOpen
}
