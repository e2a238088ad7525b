package chif_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
)

// hanging is a device whose open lasts until its context ends.
type hanging struct{ chif.Device }

func (h hanging) Open(ctx context.Context) (chif.Channel, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Whatever a request waits for, Close ends it, and all else, within a quarter of
// a second.
func TestCloseEndsEverythingWithinAQuarterSecond(t *testing.T) {
	one := func(f chiftest.Fault, op chiftest.Op) chiftest.Rule { return chiftest.Rule{Fault: f, Op: op} }
	for _, c := range []struct {
		name         string
		rule         chiftest.Rule
		method, path string
		after        time.Duration
		executed     bool
	}{
		{name: "free", method: "", after: time.Second},
		{name: "status", rule: one(chiftest.FaultDropAnswer, chiftest.OpStatus), method: "POST", path: "/small", after: time.Second},
		{name: "busy pause", rule: chiftest.Rule{Fault: chiftest.FaultOpenBusy}, method: "POST", path: "/small", after: 10 * time.Second},
		{name: "full queue", rule: one(chiftest.FaultSubmitBusy, chiftest.OpREST), method: "POST", path: "/small", after: time.Second},
		{name: "REST", rule: one(chiftest.FaultDropAnswer, chiftest.OpREST), method: "POST", path: "/small", after: time.Second, executed: true},
		{name: "retry pause", rule: one(chiftest.FaultHTTPEmpty, chiftest.OpREST), method: "GET", path: "/small", after: 2 * time.Second, executed: true},
		{name: "INFO pause", rule: chiftest.Rule{Fault: chiftest.FaultCode, Op: chiftest.OpInfo, Code: chif.CodeBadParameter}, method: "POST", path: "/big", after: 10 * time.Second, executed: true},
		{name: "READ", rule: one(chiftest.FaultDropAnswer, chiftest.OpRead), method: "POST", path: "/big", after: time.Second, executed: true},
		{name: "DELETE", rule: one(chiftest.FaultDropAnswer, chiftest.OpDelete), method: "GET", path: "/big", after: time.Second},
		{name: "cleaning up", rule: one(chiftest.FaultDropAnswer, chiftest.OpDelete), method: "GET", path: "/big", after: 6 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, chif.TransportOptions{}, slices.DeleteFunc([]chiftest.Rule{c.rule}, func(r chiftest.Rule) bool { return r.Fault == "" }), func(t *testing.T, i *ilo) {
				result := make(chan error, 1)
				if c.method != "" {
					go func() { _, _, err := i.do(t.Context(), c.method, c.path, nil); result <- err }()
				}
				time.Sleep(c.after)
				closeSoon(t, i.Transport)
				if c.method == "" {
					return
				}
				err := <-result
				if c.name != "DELETE" && c.name != "cleaning up" && !errors.Is(err, chif.ErrClosed) { // those had their answer
					t.Errorf("the request: %v", err)
				}
				if errors.Is(err, chif.ErrNotSent) == c.executed && err != nil {
					t.Errorf("executed %v: %v", c.executed, err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		tr := chiftest.NewTransport(t, hanging{}, chif.TransportOptions{})
		result := make(chan error, 1)
		go func() { result <- tr.Connect(t.Context()) }()
		time.Sleep(time.Second)
		closeSoon(t, tr)
		if err := <-result; !errors.Is(err, chif.ErrClosed) {
			t.Errorf("opening: %v", err)
		}
	})
}

func closeSoon(t *testing.T, tr *chif.Transport) {
	t.Helper()
	start := time.Now()
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 250*time.Millisecond {
		t.Errorf("Close took %v", took)
	}
	if err := tr.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	if err := tr.Connect(t.Context()); !errors.Is(err, chif.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// What Close ends leaves no blob in an iLO that serves.
func TestCloseDeletesTheBlobsOfWhatItEnds(t *testing.T) {
	for _, rule := range []chiftest.Rule{
		{Fault: chiftest.FaultDropAnswer, Op: chiftest.OpRead},
		{Fault: chiftest.FaultDropAnswer, Op: chiftest.OpWrite, Skip: 1},
		{Fault: chiftest.FaultDropAnswer, Op: chiftest.OpREST},
	} {
		inBubble(t, chif.TransportOptions{}, []chiftest.Rule{rule}, func(t *testing.T, i *ilo) {
			result := make(chan error, 1)
			go func() { _, _, err := i.do(t.Context(), "PATCH", "/big", large); result <- err }()
			time.Sleep(time.Second)
			closeSoon(t, i.Transport)
			checkFate(t, "PATCH", <-result, i.web.writes.Load())
			if n := i.Stats().Blobs; n != 0 {
				t.Errorf("%s: %d blobs are left", rule.Op, n)
			}
		})
	}
}

// stubborn is a device whose Open does not look at its context.
type stubborn struct {
	chif.Device
	wait time.Duration
}

func (s stubborn) Open(context.Context) (chif.Channel, error) {
	time.Sleep(s.wait)
	return s.Device.Open(context.Background())
}

// A channel that opens while the Transport closes is given back.
func TestChannelOpenedDuringCloseIsClosed(t *testing.T) {
	inBubble(t, chif.TransportOptions{}, nil, func(t *testing.T, i *ilo) {
		tr := chiftest.NewTransport(t, stubborn{i.Device(), time.Minute}, chif.TransportOptions{})
		result := make(chan error, 1)
		go func() { result <- tr.Connect(t.Context()) }()
		time.Sleep(time.Second)
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
		if err := <-result; !errors.Is(err, chif.ErrClosed) {
			t.Error(err)
		}
		synctest.Wait()
		if n := i.Stats().ChannelsOpen; n != 0 {
			t.Errorf("%d channels are open", n)
		}
	})
}

// While all channels are busy, that is what is told when the deadline passes,
// whenever it does, and of requests that wait for one that finds them busy, too.
func TestBusyIsTheCauseWhenTheDeadlinePasses(t *testing.T) {
	busy := []chiftest.Rule{{Fault: chiftest.FaultOpenBusy}}
	for limit := 10 * time.Millisecond; limit < 20*time.Second; limit = limit * 5 / 4 {
		inBubble(t, chif.TransportOptions{MaxChannels: 1}, busy, func(t *testing.T, i *ilo) {
			results := make(chan error)
			for range 3 {
				go func() {
					ctx, cancel := context.WithTimeout(t.Context(), limit)
					defer cancel()
					_, _, err := i.do(ctx, "POST", "/small", nil)
					results <- err
				}()
			}
			for range 3 {
				err := <-results
				if !errors.Is(err, chif.ErrBusy) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, chif.ErrTimeout) {
					t.Errorf("after %v: %v", limit, err)
				}
				checkFate(t, "POST", err, 0)
			}
		})
	}
}

// A deadline that passes while the only channel serves another request is the
// cause itself.
func TestWaitForAChannelInUseIsATimeout(t *testing.T) {
	slow := []chiftest.Rule{{Fault: chiftest.FaultDelay, Op: chiftest.OpREST, Duration: chiftest.Duration(time.Minute)}}
	inBubble(t, chif.TransportOptions{MaxChannels: 1}, slow, func(t *testing.T, i *ilo) {
		first := make(chan error)
		go func() { _, _, err := i.do(t.Context(), "GET", "/small", nil); first <- err }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := i.do(ctx, "POST", "/small", nil)
		if !errors.Is(err, chif.ErrTimeout) || !errors.Is(err, chif.ErrNotSent) || errors.Is(err, chif.ErrBusy) {
			t.Error(err)
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

// lingering is a device whose channels take a while to close.
type lingering struct {
	chif.Device
	open atomic.Int64
}

type lingeringChannel struct {
	chif.Channel
	device *lingering
	once   sync.Once
}

func (d *lingering) Open(ctx context.Context) (chif.Channel, error) {
	ch, err := d.Device.Open(ctx)
	if err != nil {
		return nil, err
	}
	d.open.Add(1)
	return &lingeringChannel{Channel: ch, device: d}, nil
}

func (c *lingeringChannel) Close() error {
	defer c.once.Do(func() { c.device.open.Add(-1) })
	time.Sleep(time.Second)
	return c.Channel.Close()
}

// When Close returns, no channel is open, also if somebody else had begun to close it.
func TestCloseWaitsForTheChannelsThatOthersClose(t *testing.T) {
	for name, end := range map[string]func(tr *chif.Transport){
		"idle for too long": func(*chif.Transport) { time.Sleep(time.Minute) },
		"idle closed":       func(tr *chif.Transport) { go tr.CloseIdleConnections() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, chif.TransportOptions{}, nil, func(t *testing.T, i *ilo) {
				d := &lingering{Device: i.Device()}
				tr := chiftest.NewTransport(t, d, chif.TransportOptions{IdleTimeout: time.Minute})
				if err := tr.Connect(t.Context()); err != nil {
					t.Fatal(err)
				}
				end(tr)
				synctest.Wait() // the channel is being closed
				if err := tr.Close(); err != nil {
					t.Error(err)
				}
				if n := d.open.Load(); n != 0 {
					t.Errorf("%d channels are open", n)
				}
				time.Sleep(time.Hour)
			})
		})
	}
}
