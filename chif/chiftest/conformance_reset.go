package chiftest

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/ilod/ilod/chif"
)

func (c conformance) resetIdle(t *testing.T) {
	cl := c.client(t, chif.TransportOptions{})
	if err := cl.root(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.library() { // which looks after a moment of idleness
		time.Sleep(300 * time.Millisecond)
	}
	c.reset(t, 300*time.Millisecond)
	cl.login(t) // a POST: it may be sent again, because it was not sent
	cl.logout(t)
}

func (c conformance) resetBefore(t *testing.T) {
	resets := make(chan struct{}, 9)
	cl := c.client(t, chif.TransportOptions{OnReset: func() { resets <- struct{}{} }})
	c.setFaults(t, Rule{Fault: FaultResetBefore, Op: OpREST, Times: 1, Duration: Duration(300 * time.Millisecond)})
	if err := cl.root(t.Context()); err != nil {
		t.Error(err)
	}
	if len(resets) != 1 {
		t.Errorf("%d resets were told, want 1", len(resets))
	}
}

func (c conformance) resetAfter(t *testing.T) {
	cl := c.client(t, chif.TransportOptions{})
	cl.login(t)
	c.setFaults(t, Rule{Fault: FaultResetAfter, Op: OpREST, Method: http.MethodPatch, Times: 1, Duration: Duration(300 * time.Millisecond)})
	if _, _, err := cl.do(t.Context(), http.MethodPatch, systemPath, []byte(`{"AssetTag":"once"}`)); !errors.Is(err, chif.ErrOutcomeUnknown) {
		t.Errorf("error %v", err)
	}
	if err := cl.root(t.Context()); err != nil {
		t.Error(err)
	}
}
