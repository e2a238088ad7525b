//go:build linux

package guest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
)

// TestGuest runs everything with the driver inserted for each number of
// channels. After each test nothing is left on the iLO.
func TestGuest(t *testing.T) {
	if os.Getpid() != 1 {
		t.Skip("runs as process 1 of a virtual machine: go test ./chif/chiftest/vm with ILOD_TEST_VM=1")
	}
	for i, channels := range []int{16, 8, 24} {
		t.Run(fmt.Sprintf("max_ccb=%d", channels), func(t *testing.T) {
			load(t, channels)
			defer unload(t)
			for _, test := range []struct {
				name string
				run  func(t *testing.T, channels int)
				once bool // slow, and the number of channels does not matter
			}{
				{"sizes", testSizes, false},
				{"truncation", testTruncation, false},
				{"every channel", testEveryChannel, false},
				{"exclusive open", testExclusive, false},
				{"shared open", testShared, false},
				{"deaf iLO", testDeaf, false},
				{"nothing to read", testNothingToRead, true},
				{"reset while idle", testResetIdle, false},
				{"reset in mid-exchange", testResetBusy, false},
				{"conformance", testConformance, true},
				{"ilod get small", testGetSmall, false},
				{"ilod get 100 KB by blob", testGetLarge, false},
				{"ilod PATCH 9 KB by blob", testPatchLarge, false},
				{"ilod doctor", testDoctor, false},
				{"ilod all channels busy", testAllBusy, false},
				{"ilod reset in GET", testResetInGet, false},
				{"ilod reset in PATCH", testResetInPatch, false},
				{"ilod unprivileged", testUnprivileged, false},
				{"ilod module removed and loaded", testReload, false},
				{"agent, 20 clients and a reset", testAgentLoad, true},
				{"agent killed", testAgentKilled, true},
				{"agent for other users", testAgentUsers, true},
			} {
				if test.once && i > 0 {
					continue
				}
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
	if err := control.Reset(t.Context(), down); err != nil {
		t.Fatal(err)
	}
}

func stats(t *testing.T) chiftest.Stats {
	t.Helper()
	s, err := control.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// testConformance runs what every other kind of channel passes as well.
func testConformance(t *testing.T, _ int) {
	dev, err := chif.ParseDevice(chif.NodeDirectory)
	if err != nil {
		t.Fatal(err)
	}
	chiftest.Conformance(t, dev, control)
}
