package chif_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
)

func TestMain(m *testing.M) {
	// HPE's library stays loaded, and keeps its thread.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/ilod/ilod/chif.(*library).serve"))
}

func TestIdleChannelsAreClosed(t *testing.T) {
	inBubble(t, chif.TransportOptions{IdleTimeout: time.Minute}, nil, func(t *testing.T, i *ilo) {
		open := func() int { synctest.Wait(); return i.Stats().ChannelsOpen }
		request := func() {
			t.Helper()
			if _, _, err := i.do(t.Context(), "GET", "/small", nil); err != nil {
				t.Fatal(err)
			}
		}
		request()
		time.Sleep(59 * time.Second)
		if n := open(); n != 1 {
			t.Errorf("%d channels open before the idle timeout", n)
		}
		request()
		time.Sleep(59 * time.Second)
		if n := open(); n != 1 {
			t.Errorf("%d channels open, less than the idle timeout after the last request", n)
		}
		time.Sleep(2 * time.Second)
		if n := open(); n != 0 {
			t.Errorf("%d channels open after the idle timeout", n)
		}
		request()
		(&http.Client{Transport: i.Transport}).CloseIdleConnections()
		if n := open(); n != 0 {
			t.Errorf("%d channels open after CloseIdleConnections", n)
		}
		request()
		if n := i.Stats().Packets[chiftest.OpStatus]; n != 3 {
			t.Errorf("%d channels were opened, want 3", n)
		}
	})
}

func TestConnect(t *testing.T) {
	inBubble(t, chif.TransportOptions{}, []chiftest.Rule{{Fault: chiftest.FaultOpenBusy}}, func(t *testing.T, i *ilo) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := i.Connect(ctx); !errors.Is(err, chif.ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := i.SetFaults(chiftest.Faults{}); err != nil {
			t.Fatal(err)
		}
		if err := i.Connect(t.Context()); err != nil {
			t.Error(err)
		}
		if _, _, err := i.do(t.Context(), "POST", "/small", nil); err != nil {
			t.Error(err)
		}
		if n := i.Stats().Packets[chiftest.OpStatus]; n != 1 {
			t.Errorf("%d channels were opened, want 1", n)
		}
	})
}

func TestChannelsInUseAreBounded(t *testing.T) {
	for limit, want := range map[int]int{0: 2, 1: 1, 4: 4} {
		slow := []chiftest.Rule{{Fault: chiftest.FaultDelay, Op: chiftest.OpREST, Duration: chiftest.Duration(time.Second)}}
		inBubble(t, chif.TransportOptions{MaxChannels: limit}, slow, func(t *testing.T, i *ilo) {
			results := make(chan error)
			for range 20 {
				go func() { _, _, err := i.do(t.Context(), "GET", "/small", nil); results <- err }()
			}
			for range 20 {
				if err := <-results; err != nil {
					t.Error(err)
				}
			}
			if n := i.Stats().ChannelsMax; n != want {
				t.Errorf("MaxChannels %d: %d were open at once, want %d", limit, n, want)
			}
		})
	}
}

func TestCloseEndsWhatIsInFlight(t *testing.T) {
	silent := []chiftest.Rule{{Fault: chiftest.FaultDropAnswer, Op: chiftest.OpREST}}
	inBubble(t, chif.TransportOptions{MaxChannels: 1}, silent, func(t *testing.T, i *ilo) {
		results := make(chan error)
		for _, method := range []string{"GET", "POST"} { // one waits for the iLO, the other for the channel
			go func() { _, _, err := i.do(t.Context(), method, "/small", nil); results <- err }()
		}
		synctest.Wait()
		if err := i.Transport.Close(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-results; !errors.Is(err, chif.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
		if _, _, err := i.do(t.Context(), "GET", "/small", nil); !errors.Is(err, chif.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// All return codes of PROTOCOL.md §2, as the iLO would say them to a write:
// each is a typed error that prints HPE's name.
func TestReturnCodes(t *testing.T) {
	names := strings.Fields(`SUCCESS ERROR BADPARAMETER BADCONFIG NOMEMORY TIMEOUT RETRY NOT_AGAIN BADNAME TOOLARGE READONLY
		WRITEONLY NOTFOUND BUFFERTOOSMALL MOREBLOBS UNAVAILABLE DISABLED UNINITIALIZED UNIMPLEMENTED UNSUPPORTED NOTMODIFIED PRECONDITIONFAILED`)
	codes := map[chif.Code]string{chif.CodeUnknown: "UNKNOWN", 99: "CODE_0x63"}
	for n, name := range names {
		codes[chif.Code(n)] = name
	}
	for code, name := range codes {
		if code.String() != name {
			t.Errorf("code %d is %s, want %s", uint32(code), code, name)
		}
		rules := []chiftest.Rule{{Fault: chiftest.FaultCode, Op: chiftest.OpREST, Code: code}}
		inBubble(t, chif.TransportOptions{}, rules, func(t *testing.T, i *ilo) {
			_, _, err := i.do(t.Context(), "POST", "/small", nil)
			if ok := code == chif.CodeSuccess || code == chif.CodeNotModified; ok {
				// The fault leaves nothing but the code: the rest of the answer is missing.
				if !errors.Is(err, chif.ErrProtocol) {
					t.Errorf("%s: %v", name, err)
				}
				return
			}
			if !errors.Is(err, code) || !strings.Contains(err.Error(), fmt.Sprintf("%s (%d)", name, uint32(code))) {
				t.Errorf("%s: %v", name, err)
			}
			// No code is proof that nothing was done, and none has a write sent again.
			if !errors.Is(err, chif.ErrOutcomeUnknown) || errors.Is(err, chif.ErrNotSent) {
				t.Errorf("%s: %v", name, err)
			}
			if n := i.Stats().Packets[chiftest.OpREST]; n != 1 {
				t.Errorf("%s: sent %d times", name, n)
			}
		})
	}
}

func TestTransportRefusesTooManyChannels(t *testing.T) {
	for _, n := range []int{-1, 5} {
		if _, err := chif.NewTransport(nil, chif.TransportOptions{MaxChannels: n}); !errors.Is(err, chif.ErrInvalidRequest) {
			t.Errorf("MaxChannels %d: %v", n, err)
		}
	}
}
