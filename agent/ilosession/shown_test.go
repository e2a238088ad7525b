package ilosession

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// Whoever reads the table has a session: an empty one is not the table.
func TestEmptyTableIsAnError(t *testing.T) {
	rt := roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"Members":[],"Members@odata.count":0}`))}, nil
	})
	if table, err := readTable(t.Context(), rt); err == nil {
		t.Errorf("%+v", table)
	}
}

// An id with more digits than an iLO gives tells no time.
func TestLongIDTellsNoTime(t *testing.T) {
	const digits = "000000006859b3f1"
	if _, ok := loginTime("a"+digits+"00000001", "A"); !ok {
		t.Error("8 more digits")
	}
	if _, ok := loginTime("a"+digits+"000000001", "A"); ok {
		t.Error("9 more digits")
	}
}

// On an iLO 4, whose sessions do not say that they are of host programs, no person's
// session counts as one.
func TestKindsOfAnILO4(t *testing.T) {
	for kind, want := range map[string]bool{"": true, "Unknown": true, "RIBCL": true, "Web UI": false, "Remote Console": false, "SSH": false, "IPMI/RMCP": false} {
		m := sessionResource{UserName: inBandUser}
		m.Oem.Hp = &sessionExt{UserTag: kind}
		if got := m.entry("/redfish/v1/SessionService/Sessions/a", time.Time{}); got.InBand != want {
			t.Errorf("%q: in-band %v", kind, got.InBand)
		}
	}
}

// pipe is one of a guardian.
type pipe struct{ bytes.Buffer }

func (*pipe) Close() error { return nil }

// A guardian is told that all is done only if all is: else it goes on.
func TestGuardianGoesOnWithWhatIsLeft(t *testing.T) {
	for _, left := range []bool{false, true} {
		cmd := exec.Command("go", "version")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		to := &pipe{}
		g := &Guardian{cmd: cmd, pipe: to, open: map[string]bool{}}
		if left {
			g.open["n"] = true
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		var line guardianLine
		_ = json.Unmarshal(to.Bytes(), &line) // nothing is not a line
		if line.Done == left {
			t.Errorf("left %v: told %s", left, to)
		}
	}
}

// Foreign sessions are looked at once a minute, not more often.
func TestReapRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{Foreign: redfish.EveryKind()})
		k := m.keeper(func(o *KeeperOptions) { o.Linger, o.ReapForeign = 2*time.Hour, 48*time.Hour })
		m.get(k)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := m.service.Stats().Requests["GET "+sessions]; got < 55 || got > 65 {
			t.Errorf("%d looks", got)
		}
		closeKeeper(t, k)
	})
}
