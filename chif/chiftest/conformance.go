package chiftest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/chif"
)

// Conformance runs the same checks of package chif against any kind of channel:
// in process, over a packet socket, or through the real hpilo driver. dev leads
// to a Server with the simulated Redfish service, and control to that Server.
// Each check leaves the Server as it was: its Check must find nothing.
func Conformance(t *testing.T, dev chif.Device, control Client) {
	c := conformance{dev, control}
	for _, check := range []struct {
		name string
		run  func(conformance, *testing.T)
	}{
		{"status", conformance.status},
		{"packets", conformance.packets},
		{"get small", conformance.getSmall},
		{"write and read back", conformance.readBack},
		{"parallel", conformance.parallel},
		{"stale answer", conformance.staleAnswer},
		{"cancelled exchange", conformance.cancelled},
		{"send queue full", conformance.queueFull},
		{"all channels busy", conformance.allBusy},
		{"reset while idle", conformance.resetIdle},
		{"reset before execution", conformance.resetBefore},
		{"reset after execution", conformance.resetAfter},
	} {
		t.Run(check.name, func(t *testing.T) { check.run(c, t) })
		c.setFaults(t)
		if err := c.control.Check(t.Context()); err != nil {
			t.Errorf("%s left behind: %v", check.name, err)
		}
	}
}

type conformance struct {
	dev     chif.Device
	control Client
}

// library tells whether the channels are those of HPE's library.
func (c conformance) library() bool { return strings.HasPrefix(c.dev.String(), "dll:") }

const systemPath = "/redfish/v1/Systems/1/"

// allow lets the host break some of its rules until the next setFaults.
func (c conformance) allow(t *testing.T, allow []HostRule, rules ...Rule) {
	t.Helper()
	if err := c.control.SetFaults(t.Context(), Faults{Rules: rules, Allow: allow}); err != nil {
		t.Fatal(err)
	}
}

// setFaults replaces the Server's faults.
func (c conformance) setFaults(t *testing.T, rules ...Rule) {
	t.Helper()
	if err := c.control.SetFaults(t.Context(), Faults{Rules: rules}); err != nil {
		t.Fatal(err)
	}
}

func (c conformance) reset(t *testing.T, down time.Duration) {
	t.Helper()
	if err := c.control.Reset(t.Context(), down); err != nil {
		t.Fatal(err)
	}
}

// client is a Transport with a session on the simulated Redfish service.
type client struct {
	*chif.Transport
	token, session string
}

// client opens a Transport that is closed at the end of the test.
func (c conformance) client(t *testing.T, o chif.TransportOptions) *client {
	t.Helper()
	tr := NewTransport(t, c.dev, o)
	t.Cleanup(func() { tr.Close() })
	return &client{Transport: tr}
}

// do sends a request in the session and reads its answer.
func (cl *client) do(ctx context.Context, method, path string, body []byte) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "https://ilo"+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if cl.token != "" {
		r.Header.Set("X-Auth-Token", cl.token)
	}
	resp, err := cl.RoundTrip(r)
	if err != nil {
		return nil, nil, err
	}
	got, err := io.ReadAll(resp.Body)
	return resp, got, err
}

// login makes the client's session; logout must follow.
func (cl *client) login(t *testing.T) {
	t.Helper()
	resp, body, err := cl.do(t.Context(), http.MethodPost, "/redfish/v1/SessionService/Sessions/", []byte(`{"UserName": null, "Password": null}`))
	if err != nil {
		t.Fatal(err)
	}
	location := resp.Header.Get("Location")
	if resp.StatusCode != http.StatusCreated || location == "" {
		t.Fatalf("login: %s, Location %q: %s", resp.Status, location, body)
	}
	cl.token = resp.Header.Get("X-Auth-Token")
	cl.session = strings.ReplaceAll(location[strings.Index(location, "/redfish"):], " ", "%20")
}

func (cl *client) logout(t *testing.T) {
	t.Helper()
	resp, body, err := cl.do(t.Context(), http.MethodDelete, cl.session, nil)
	if err != nil {
		t.Error(err)
	} else if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent {
		t.Errorf("logout: %s: %s", resp.Status, body)
	}
	cl.token = ""
}

// root reads the service root, which needs no session.
func (cl *client) root(ctx context.Context) error {
	resp, body, err := cl.do(ctx, http.MethodGet, "/redfish/v1/", nil)
	if err == nil && (resp.StatusCode != http.StatusOK || !json.Valid(body)) {
		err = fmt.Errorf("%s: %.80q", resp.Status, body)
	}
	return err
}

func (c conformance) status(t *testing.T) {
	s, err := c.client(t, chif.TransportOptions{}).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := DefaultStatus(); s.Serial != want.Serial || s.SecurityState != want.SecurityState {
		t.Errorf("status %+v, want %+v", s, want)
	}
}

// packets exchanges packets of many sizes on a bare channel and looks at what a
// channel promises: whole packets, in a buffer of 4096 bytes, with the header's
// size inside what was received.
func (c conformance) packets(t *testing.T) {
	ch, err := c.dev.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c.allow(t, []HostRule{RuleFiller})
	buf := make([]byte, chif.MaxPacket)
	for _, size := range []int{8, 9, 15, 16, 17, 64, 1000, 4088, 4089, 4095, 4096} {
		packet := make([]byte, size)
		for i := range packet {
			packet[i] = byte(i)
		}
		binary.LittleEndian.PutUint16(packet, uint16(size))
		binary.LittleEndian.PutUint16(packet[2:], uint16(size))
		binary.LittleEndian.PutUint16(packet[4:], 0x0FFF)
		packet[6], packet[7] = 0, 0
		if err := ch.Send(ctx, packet); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		n, err := ch.Receive(ctx, buf)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		h, message, err := chif.ParsePacket(buf[:n])
		if err != nil || h.Sequence != uint16(size) {
			t.Errorf("%d bytes: sequence %d, %v", size, h.Sequence, err)
		}
		if !c.library() && (n != (size+7)/8*8 || !bytes.Equal(buf[size:n], bytes.Repeat([]byte{padding}, n-size))) {
			t.Errorf("%d bytes: received %d, behind the size % x; the driver rounds up and the rest is old memory", size, n, buf[size:n])
		}
		if !bytes.Equal(message, packet[8:]) {
			t.Errorf("%d bytes: the echo differs", size)
		}
	}
}

func (c conformance) getSmall(t *testing.T) {
	if err := c.client(t, chif.TransportOptions{}).root(t.Context()); err != nil {
		t.Error(err)
	}
}

// readBack writes property values that make requests and answers of both forms
// and sizes around their limits, and reads each back.
func (c conformance) readBack(t *testing.T) {
	cl := c.client(t, chif.TransportOptions{})
	cl.login(t)
	defer cl.logout(t)
	for _, size := range []int{1, 3000, 3304, 3400, 3868, 4000, 9 << 10, 100 << 10} {
		tag := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		resp, body, err := cl.do(t.Context(), http.MethodPatch, systemPath, []byte(`{"AssetTag":"`+tag+`"}`))
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("PATCH of %d bytes: %v %.200s", size, err, body)
		}
		_, body, err = cl.do(t.Context(), http.MethodGet, systemPath, nil)
		var got struct{ AssetTag string }
		if err == nil {
			err = json.Unmarshal(body, &got)
		}
		if err != nil || got.AssetTag != tag {
			t.Errorf("GET after a PATCH of %d bytes: %d bytes, %v", size, len(got.AssetTag), err)
		}
	}
	if _, body, err := cl.do(t.Context(), http.MethodPatch, systemPath, []byte(`{"AssetTag":""}`)); err != nil {
		t.Errorf("%v %s", err, body)
	}
}

func (c conformance) parallel(t *testing.T) {
	cl := c.client(t, chif.TransportOptions{MaxChannels: 4})
	cl.login(t)
	defer cl.logout(t)
	const readers, reads = 8, 25
	failed := make(chan error, readers)
	for range readers {
		go func() {
			var err error
			for range reads {
				resp, body, e := cl.do(t.Context(), http.MethodGet, systemPath, nil)
				if e == nil && (resp.StatusCode != http.StatusOK || !json.Valid(body)) {
					e = fmt.Errorf("%s: %.80q", resp.Status, body)
				}
				err = errors.Join(err, e)
			}
			failed <- err
		}()
	}
	for range readers {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

func (c conformance) staleAnswer(t *testing.T) {
	cl := c.client(t, chif.TransportOptions{})
	cl.login(t)
	c.setFaults(t, Rule{Fault: FaultStale})
	if err := cl.root(t.Context()); err != nil {
		t.Error(err)
	}
	c.setFaults(t)
	cl.logout(t)
}

// cancelled ends an exchange whose answer comes later: the channel must be given
// back, and nobody may read that answer.
func (c conformance) cancelled(t *testing.T) {
	cl := c.client(t, chif.TransportOptions{MaxChannels: 1})
	c.setFaults(t, Rule{Fault: FaultDelay, Op: OpREST, Duration: Duration(500 * time.Millisecond), Times: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := cl.root(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, chif.ErrTimeout) {
		t.Errorf("error %v", err)
	}
	for range 5 {
		if err := cl.root(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// queueFull sends to an iLO that has stopped taking packets: at least three fit,
// the one that no longer does is not sent, and when the iLO goes on it answers
// those that were, in their order (hpilo.c ilo_write).
func (c conformance) queueFull(t *testing.T) {
	if c.library() {
		t.Skip("a channel of HPE's library takes one packet at a time")
	}
	ch, err := c.dev.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	c.allow(t, []HostRule{RuleOneAtATime}, Rule{Fault: FaultStall})
	ping := make([]byte, 8)
	binary.LittleEndian.PutUint16(ping, 8)
	binary.LittleEndian.PutUint16(ping[4:], 0x0FFF)
	send := func(n uint16, patience time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		binary.LittleEndian.PutUint16(ping[2:], n)
		return ch.Send(ctx, ping)
	}
	sent := uint16(0)
	for err = nil; err == nil && sent < 10000; {
		patience := 30 * time.Second
		if sent >= queueLen {
			patience = 300 * time.Millisecond
		}
		if err = send(sent+1, patience); err == nil {
			sent++
		}
	}
	if !errors.Is(err, chif.ErrNotSent) || !errors.Is(err, chif.ErrTimeout) || sent < queueLen {
		t.Fatalf("after %d packets: %v, want a packet that was not sent after at least %d", sent, err, queueLen)
	}
	c.allow(t, []HostRule{RuleOneAtATime})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	buf := make([]byte, chif.MaxPacket)
	for want := uint16(1); want <= sent; {
		n, err := ch.Receive(ctx, buf)
		h, _, bad := chif.ParsePacket(buf[:n])
		if err == nil && bad == nil && h.Command != 0x8FFF {
			continue // a late answer to an earlier owner of the channel
		}
		if err != nil || bad != nil || h.Sequence != want {
			t.Fatalf("answer %d: sequence %d, %v, %v", want, h.Sequence, err, bad)
		}
		want++
	}
	if err := send(sent+1, 30*time.Second); err != nil {
		t.Errorf("when there is room again: %v", err)
	} else if _, err := ch.Receive(ctx, buf); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
}

func (c conformance) allBusy(t *testing.T) {
	var taken []chif.Channel
	closeAll := func() {
		for _, ch := range taken {
			ch.Close()
		}
		taken = nil
	}
	defer closeAll()
	for {
		ch, err := c.dev.Open(t.Context())
		if errors.Is(err, chif.ErrBusy) {
			break
		}
		if err != nil {
			t.Fatalf("channel %d: %v", len(taken), err)
		}
		taken = append(taken, ch)
		// A packet socket tells only at the first exchange that it has no channel.
		if _, err := chif.NewConn(ch).Status(t.Context()); errors.Is(err, chif.ErrBusy) {
			break
		} else if err != nil {
			t.Fatalf("channel %d: %v", len(taken), err)
		}
		if len(taken) > maxChannels {
			t.Fatal("there is no end of channels")
		}
	}
	cl := c.client(t, chif.TransportOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	// HPE's library tries for seconds by itself.
	if err := cl.root(ctx); !errors.Is(err, chif.ErrBusy) && !(c.library() && errors.Is(err, chif.ErrTimeout)) {
		t.Errorf("with all channels taken: %v", err)
	}
	closeAll()
	if err := cl.root(t.Context()); err != nil {
		t.Errorf("with channels free again: %v", err)
	}
}
