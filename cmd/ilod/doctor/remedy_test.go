package doctor

import (
	"testing"

	"github.com/ilod/ilod/chif"
)

func TestEveryMissingChannelHasARemedy(t *testing.T) {
	unknown := chif.NoDeviceReason(0).Cause()
	for reason := chif.NoModule; reason.Cause() != unknown; reason++ {
		if Remedy(reason) == "" {
			t.Errorf("%s: no remedy", reason.Cause())
		}
	}
}
