package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest/need"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// neighbour is another program on the host. It logs in to the iLO, uses its session
// once within two seconds and then idles, as ilorest does between commands.
type neighbour struct {
	site      *site
	transport *chif.Transport
	session   *ilosession.Session
	done      chan error // of its login and the use
}

// moveIn starts a neighbour that logs in after a while, whatever ilod does then.
func (s *site) moveIn(after time.Duration) *neighbour {
	s.t.Helper()
	device, err := chif.ParseDevice("unix:" + s.path("ilo"))
	if err != nil {
		s.t.Fatal(err)
	}
	n := &neighbour{site: s, done: make(chan error, 1)}
	if n.transport, err = chif.NewTransport(device, chif.TransportOptions{}); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = n.transport.Close() }) // after a failure
	go func() { n.done <- n.work(after) }()
	return n
}

func (n *neighbour) work(after time.Duration) (err error) {
	time.Sleep(after)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if n.session, err = ilosession.Login(ctx, n.transport, ilosession.Options{Credentials: n.site.credentials}); err != nil {
		return err
	}
	// The iLO's times are whole seconds.
	if err := n.site.ilo.AdvanceClock(ctx, time.Second); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://ilo/redfish/v1/Managers/1/", nil)
	if err != nil {
		return err
	}
	resp, err := n.session.RoundTrip(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("in the session of another program: %s", resp.Status)
	}
	return err
}

// idle waits until a neighbour has used its session, which must be left alone from
// now on.
func (n *neighbour) idle() {
	n.site.t.Helper()
	if err := <-n.done; err != nil {
		n.site.t.Fatalf("another program: %v", err)
	}
	n.site.neighbour = path.Base(n.session.Path())
}

// moveOut has the neighbour log out; its session must be there, unless the iLO was
// reset.
func (n *neighbour) moveOut(what string, reset bool) {
	n.site.t.Helper()
	all, err := n.site.ilo.Sessions(n.site.t.Context())
	if err != nil {
		n.site.t.Fatal(err)
	}
	there := slices.ContainsFunc(all, func(x redfish.Session) bool { return path.Base(x.URI) == n.site.neighbour })
	if !there && !reset {
		n.site.t.Fatalf("%s: the session of another program, %s, is gone: %s", what, n.site.neighbour, n.site.state())
	}
	n.site.neighbour = ""
	if err := n.session.Close(n.site.t.Context()); err != nil {
		n.site.t.Errorf("%s: another program: %v", what, err)
	}
	if err := n.transport.Close(); err != nil {
		n.site.t.Error(err)
	}
}

// TestNeighbourOfAKilledLogin kills a command when its login is noted and not sent;
// then another program logs in, uses its session within two seconds and idles. Its
// session fits the dead login in all but that it was used, and must be spared,
// whether the guardian lives or not, by the command or the agent that runs next.
func TestNeighbourOfAKilledLogin(t *testing.T) {
	t.Parallel()
	need.Program(t, "strace", "strace")
	s := newSite(t, programs(t), "--max-sessions", "10")
	s.againByCommand("at first")
	sync := 1 // that the command is killed at
	for met, tries := 0, 0; met < 4; tries++ {
		if tries == 40 {
			t.Fatalf("%d logins were killed before they were sent", met)
		}
		p := s.trace([]string{"-e", fmt.Sprintf("inject=fsync:signal=KILL:when=%d", sync)}, []string{"get", "--fresh", "/redfish/v1/Systems/1/"})
		s.finish(p)
		s.adopt()
		if ours, _ := s.sessions(); len(ours) > 0 || !s.unsettled() {
			s.age()
			s.againByCommand("between")
			s.clean("between")
			s.abandon()
			sync = sync%8 + 1
			continue
		}
		what := fmt.Sprintf("killed at the sync %d, guardian too: %v", sync, met%2 == 1)
		if met%2 == 1 {
			s.abandon()
		}
		other := s.moveIn(0)
		other.idle()
		s.age()
		if met < 2 {
			s.againByCommand(what)
		} else {
			s.againByAgent(what)
		}
		s.clean(what)
		other.moveOut(what, false)
		s.abandon()
		s.againByAgent("between")
		met++
	}
}
