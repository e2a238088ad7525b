package chif_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
)

// closeCounter is a body that counts its closes.
type closeCounter struct {
	io.Reader
	closes chan struct{}
}

func newBody(r io.Reader) *closeCounter { return &closeCounter{r, make(chan struct{}, 9)} }

func (c *closeCounter) Close() error { c.closes <- struct{}{}; return nil }

func TestRequestWithoutURLIsRefused(t *testing.T) {
	inBubble(t, chif.TransportOptions{}, nil, func(t *testing.T, i *ilo) {
		body := newBody(bytes.NewReader(nil))
		_, err := i.RoundTrip(&http.Request{Method: "POST", Body: body})
		if !errors.Is(err, chif.ErrInvalidRequest) {
			t.Error(err)
		}
		checkFate(t, "POST", err, i.web.writes.Load())
		if len(body.closes) == 0 {
			t.Error("the body was not closed")
		}
	})
}

// A request whose body does not come ends with its context, or with Close.
func TestBodyThatNeverComesIsNotWaitedFor(t *testing.T) {
	for _, closing := range []bool{false, true} {
		inBubble(t, chif.TransportOptions{}, nil, func(t *testing.T, i *ilo) {
			r, w := io.Pipe()
			defer w.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if closing {
				cancel()
				ctx, cancel = context.WithCancel(t.Context())
				time.AfterFunc(time.Second, func() { i.Transport.Close() })
			}
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, "POST", "https://ilo/small", r)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			_, err = i.RoundTrip(req)
			if want := map[bool]error{false: context.DeadlineExceeded, true: chif.ErrClosed}[closing]; !errors.Is(err, want) || time.Since(start) != time.Second {
				t.Errorf("after %v: %v", time.Since(start), err)
			}
			checkFate(t, "POST", err, i.web.writes.Load())
			synctest.Wait()
			if _, err := w.Write([]byte("x")); err == nil {
				t.Error("the body was not closed")
			}
		})
	}
}

func TestBodyOfAnotherLengthIsNotSent(t *testing.T) {
	inBubble(t, chif.TransportOptions{}, nil, func(t *testing.T, i *ilo) {
		for _, length := range []int64{1, 4} {
			body := newBody(bytes.NewReader([]byte("123")))
			req, err := http.NewRequest("PATCH", "https://ilo/small", body)
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = length
			if _, err := i.RoundTrip(req); !errors.Is(err, chif.ErrInvalidRequest) || !errors.Is(err, chif.ErrNotSent) {
				t.Errorf("announced %d: %v", length, err)
			}
			if len(body.closes) != 1 {
				t.Error("the body was not closed")
			}
		}
		if n := i.web.writes.Load(); n != 0 {
			t.Errorf("%d were executed", n)
		}
	})
}

// net/http and its users ask an error itself whether it was a time-out.
func TestErrorsSayWhetherTheyAreTimeouts(t *testing.T) {
	for _, c := range []struct {
		rule chiftest.Rule
		want bool
	}{
		{chiftest.Rule{Fault: chiftest.FaultDropAnswer, Op: chiftest.OpREST}, true},
		{chiftest.Rule{Fault: chiftest.FaultRefuse, Op: chiftest.OpREST}, false},
	} {
		inBubble(t, chif.TransportOptions{}, []chiftest.Rule{c.rule}, func(t *testing.T, i *ilo) {
			_, _, err := i.do(t.Context(), "POST", "/small", nil)
			timeout, ok := err.(net.Error)
			if !ok || timeout.Timeout() != c.want {
				t.Errorf("%T %v", err, err)
			}
			_, err = (&http.Client{Transport: i.Transport}).Post("https://ilo/small", "", nil)
			if !errors.As(err, &timeout) || timeout.Timeout() != c.want {
				t.Errorf("by a client: %v", err)
			}
		})
	}
}

// A caller who leaves once the answer has come, or before anything was sent,
// costs no channel.
func TestLeavingCallerCostsNoGoodChannel(t *testing.T) {
	late := []chiftest.Rule{{Fault: chiftest.FaultDelay, Op: chiftest.OpDelete, Duration: chiftest.Duration(20 * time.Millisecond)}}
	inBubble(t, chif.TransportOptions{}, late, func(t *testing.T, i *ilo) {
		for range 40 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			if _, got, err := i.do(ctx, "GET", "/big", nil); err != nil || !bytes.Equal(got, big) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if _, _, err := i.do(ctx, "POST", "/small", nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			} else {
				checkFate(t, "POST", err, i.web.writes.Load())
			}
			cancel()
		}
		if n := i.Stats().Packets[chiftest.OpStatus]; n != 1 {
			t.Errorf("%d channels were opened", n)
		}
		if n := i.Stats().Blobs; n != 0 {
			t.Errorf("%d blobs are left", n)
		}
	})
}

// late is an iLO that stores the answer of a request long after its caller left.
func TestAnswerStoredLateIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := chiftest.New(t, chiftest.Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(5 * time.Second)
			w.Write(big)
		})})
		tr := chiftest.NewTransport(t, s.Device(), chif.TransportOptions{})
		defer tr.Close()
		i := &ilo{Server: s, Transport: tr}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := i.do(ctx, "POST", "/", nil); !errors.Is(err, chif.ErrOutcomeUnknown) {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if n := s.Stats().Blobs; n != 0 {
			t.Errorf("%d blobs are left", n)
		}
	})
}

// One lost answer costs the time of one packet, however many follow.
func TestLostReadAnswerCostsOnePacket(t *testing.T) {
	lost := []chiftest.Rule{{Fault: chiftest.FaultDropAnswer, Op: chiftest.OpRead, Skip: 20, Times: 1}}
	inBubble(t, chif.TransportOptions{}, lost, func(t *testing.T, i *ilo) {
		start := time.Now()
		if _, got, err := i.do(t.Context(), "GET", "/big", nil); err != nil || !bytes.Equal(got, big) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// The row as a whole may last much longer than one packet.
func TestSlowPacketsHaveTheirOwnTime(t *testing.T) {
	slow := []chiftest.Rule{{Fault: chiftest.FaultDelay, Op: chiftest.OpRead, Duration: chiftest.Duration(29 * time.Second)}}
	inBubble(t, chif.TransportOptions{}, slow, func(t *testing.T, i *ilo) {
		start := time.Now()
		if _, got, err := i.do(t.Context(), "POST", "/big", nil); err != nil || !bytes.Equal(got, big) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if took := time.Since(start); took != 27*29*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// A reset of the iLO that shows at the first packet of a new channel counts: it
// is told, and the iLO has the time that a reset takes.
func TestResetAtStatusCounts(t *testing.T) {
	resets := 0
	rules := []chiftest.Rule{{Fault: chiftest.FaultResetBefore, Op: chiftest.OpStatus, Times: 1, Duration: chiftest.Duration(90 * time.Second)}}
	inBubble(t, chif.TransportOptions{OnReset: func() { resets++ }}, rules, func(t *testing.T, i *ilo) {
		if _, _, err := i.do(t.Context(), "POST", "/small", nil); err != nil {
			t.Error(err)
		}
	})
	if resets != 1 {
		t.Errorf("%d resets were told", resets)
	}
}

// Resets at every new channel are one to the caller, and end in busy.
func TestResetsThatLetNothingServeAreOne(t *testing.T) {
	resets := 0
	rules := []chiftest.Rule{{Fault: chiftest.FaultResetBefore, Op: chiftest.OpStatus}}
	inBubble(t, chif.TransportOptions{OnReset: func() { resets++ }}, rules, func(t *testing.T, i *ilo) {
		_, _, err := i.do(t.Context(), "POST", "/small", nil)
		if !errors.Is(err, chif.ErrBusy) {
			t.Error(err)
		}
		checkFate(t, "POST", err, 0)
	})
	if resets != 1 {
		t.Errorf("%d resets were told", resets)
	}
}

// An iLO that does not serve for minutes keeps no blob for that.
func TestBlobsAreDeletedAfterALongSilence(t *testing.T) {
	silent := []chiftest.Rule{
		{Fault: chiftest.FaultDropAnswer, Op: chiftest.OpRead},
		{Fault: chiftest.FaultDropAnswer, Op: chiftest.OpStatus, Skip: 1, For: chiftest.Duration(8 * time.Minute)},
	}
	inBubble(t, chif.TransportOptions{}, silent, func(t *testing.T, i *ilo) {
		if _, _, err := i.do(t.Context(), "POST", "/big", nil); !errors.Is(err, chif.ErrOutcomeUnknown) {
			t.Error(err)
		}
		time.Sleep(9 * time.Minute)
		if n := i.Stats().Blobs; n != 0 {
			t.Errorf("%d blobs are left", n)
		}
	})
}
