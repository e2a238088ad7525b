package chif_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
)

// web is the HTTP service behind the simulated iLO in the tests of the
// transport: /small is answered inline, /medium and /big by blob, and everything that is
// not a GET is counted.
type web struct{ writes atomic.Int32 }

var (
	small  = []byte(`{"Name":"small"}`)
	medium = []byte(`{"Name":"` + strings.Repeat("0123456789abcdef", 10<<10/16) + `"}`)
	big    = []byte(`{"Name":"` + strings.Repeat("0123456789abcdef", 100<<10/16) + `"}`)
)

func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.writes.Add(1)
	}
	rw.Header().Set("Content-Type", "application/json")
	if strings.HasPrefix(r.URL.Path, "/big") {
		rw.Write(big)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/medium") {
		rw.Write(medium)
		return
	}
	rw.Write(small)
}

// ilo is a simulated iLO in a test's time bubble, and a Transport to it.
type ilo struct {
	*chiftest.Server
	*chif.Transport
	web *web
}

// inBubble runs f with faked time against a fresh iLO. Nothing may be left
// open at its end, whatever f met.
func inBubble(t *testing.T, o chif.TransportOptions, rules []chiftest.Rule, f func(*testing.T, *ilo)) {
	synctest.Test(t, func(t *testing.T) {
		i := &ilo{web: &web{}}
		i.Server = chiftest.New(t, chiftest.Options{Handler: i.web})
		faults := chiftest.Faults{Rules: rules}
		for _, r := range rules {
			if r.Fault == chiftest.FaultCode && (r.Code == chif.CodeSuccess || r.Code == chif.CodeNotModified) {
				faults.Allow = []chiftest.HostRule{chiftest.RuleOrder} // a WRITE was not executed and is called a success
			}
		}
		if err := i.SetFaults(faults); err != nil {
			t.Fatal(err)
		}
		i.Transport = chiftest.NewTransport(t, i.Device(), o)
		f(t, i)
		if err := i.Transport.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := i.Stats().ChannelsOpen; n != 0 {
			t.Errorf("%d channels are open after Close", n)
		}
	})
}

// do sends one request and returns its status and body.
func (i *ilo) do(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "https://ilo"+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	resp, err := i.Transport.RoundTrip(r)
	if err != nil {
		return 0, nil, err
	}
	got, err := io.ReadAll(resp.Body)
	return resp.StatusCode, got, err
}

// large is a body that goes by blob.
var large = bytes.Repeat([]byte("x"), 9016)

// TestFailures walks through the table of PROTOCOL.md §8. Rows 1, 2, 12, 13,
// 14 and 28 concern file descriptors and stand in channel_test.go.
func TestFailures(t *testing.T) {
	const ok = http.StatusOK
	always := func(r chiftest.Rule) []chiftest.Rule { return []chiftest.Rule{r} }
	once := func(r chiftest.Rule) []chiftest.Rule { r.Times = 1; return []chiftest.Rule{r} }
	rest := func(f chiftest.Fault) chiftest.Rule { return chiftest.Rule{Fault: f, Op: chiftest.OpREST} }
	cases := []struct {
		name   string // begins with the row's number
		rules  []chiftest.Rule
		method string // GET if empty; others have a body that goes by blob where large is set
		path   string // /small if empty
		large  bool
		err    error // nil: the answer must be whole
		status int   // 200 if 0
		writes int32 // how often a write was executed
		leaves int   // blobs that the faults keep in the iLO
		down   bool  // the iLO stays down
		took   time.Duration
		chance bool  // took is the least; the pauses hold up to as much again
		opens  int64 // channels opened for this request, its cleaning-up and another request; 1 if 0
		count  map[chiftest.Op]int64
	}{
		{name: "3 channels busy for a while", rules: always(chiftest.Rule{Fault: chiftest.FaultOpenBusy, For: chiftest.Duration(20 * time.Second)}), took: 21500 * time.Millisecond},
		{name: "3 channels busy for a while, write", rules: always(chiftest.Rule{Fault: chiftest.FaultOpenBusy, For: chiftest.Duration(20 * time.Second)}), method: "POST", writes: 1, took: 21500 * time.Millisecond},
		{name: "3 all channels busy", rules: always(chiftest.Rule{Fault: chiftest.FaultOpenBusy}), err: chif.ErrBusy, took: 29500 * time.Millisecond},
		{name: "4 reset longer than channels may be busy", rules: once(chiftest.Rule{Fault: chiftest.FaultResetBefore, Op: chiftest.OpREST, Duration: chiftest.Duration(90 * time.Second)}), took: 91 * time.Second, opens: 2},
		{name: "4 reset for ever", down: true, rules: once(chiftest.Rule{Fault: chiftest.FaultResetBefore, Op: chiftest.OpREST, Duration: chiftest.Duration(time.Hour)}), err: chif.ErrBusy, took: 119 * time.Second},
		{name: "5 stale answer first", rules: always(rest(chiftest.FaultStale))},
		{name: "5 stale answer first, write", rules: always(rest(chiftest.FaultStale)), method: "POST", writes: 1},
		{name: "5 only stale answers", rules: once(rest(chiftest.FaultWrongSequence)), count: map[chiftest.Op]int64{chiftest.OpREST: 2}, took: 181 * time.Second, opens: 2},
		{name: "5 only stale answers, write", rules: once(rest(chiftest.FaultWrongSequence)), method: "POST", err: chif.ErrOutcomeUnknown, writes: 1, took: 3 * time.Minute, opens: 2},
		{name: "5 silence", rules: always(rest(chiftest.FaultDropAnswer)), err: chif.ErrTimeout, count: map[chiftest.Op]int64{chiftest.OpREST: 4}, took: 727 * time.Second, opens: 8},
		{name: "5 silence, write", rules: always(rest(chiftest.FaultDropAnswer)), method: "PATCH", err: chif.ErrOutcomeUnknown, writes: 1, took: 3 * time.Minute, opens: 2},
		{name: "5 silence before anything was sent", rules: once(chiftest.Rule{Fault: chiftest.FaultDropRequest, Op: chiftest.OpWrite}), method: "PATCH", large: true, writes: 1, took: 31 * time.Second, opens: 2},
		{name: "5 silence from the start", rules: always(chiftest.Rule{Fault: chiftest.FaultDropAnswer, Op: chiftest.OpStatus}), method: "PATCH", err: chif.ErrTimeout, took: 47 * time.Second, opens: 5},
		{name: "6 wrong command", rules: always(rest(chiftest.FaultWrongCommand)), err: chif.ErrProtocol, count: map[chiftest.Op]int64{chiftest.OpREST: 1}, opens: 2},
		{name: "6 wrong command, write", rules: always(rest(chiftest.FaultWrongCommand)), method: "DELETE", err: chif.ErrOutcomeUnknown, writes: 1, opens: 2},
		{name: "7 refused", rules: always(rest(chiftest.FaultRefuse)), err: chif.ErrRefused, count: map[chiftest.Op]int64{chiftest.OpREST: 1}},
		{name: "7 refused, write", rules: always(rest(chiftest.FaultRefuse)), method: "POST", err: chif.ErrRefused, count: map[chiftest.Op]int64{chiftest.OpREST: 1}},
		{name: "7 status refused, REST not", rules: always(chiftest.Rule{Fault: chiftest.FaultRefuse, Op: chiftest.OpStatus})},
		{name: "8 packet without header", rules: always(chiftest.Rule{Fault: chiftest.FaultTruncate, Op: chiftest.OpREST, Bytes: 7}), err: chif.ErrProtocol, opens: 2},
		{name: "8 packet without return code", rules: always(chiftest.Rule{Fault: chiftest.FaultTruncate, Op: chiftest.OpREST, Bytes: 11}), err: chif.ErrProtocol, opens: 2},
		{name: "8 size beyond the packet", rules: always(chiftest.Rule{Fault: chiftest.FaultWrongSize, Op: chiftest.OpREST, Bytes: 100}), err: chif.ErrProtocol, opens: 2},
		{name: "8 size above 4096", rules: always(chiftest.Rule{Fault: chiftest.FaultWrongSize, Op: chiftest.OpREST, Bytes: 5000}), err: chif.ErrProtocol, opens: 2},
		{name: "8 garbage behind the header", rules: always(chiftest.Rule{Fault: chiftest.FaultGarbage, Op: chiftest.OpREST, Bytes: 8}), err: chif.Code(0xA5A5A5A5)},
		{name: "8 status of a code only", rules: always(chiftest.Rule{Fault: chiftest.FaultTruncate, Op: chiftest.OpStatus, Bytes: 11}), method: "POST", err: chif.ErrProtocol, opens: 2},
		{name: "8 unknown receive mode", rules: always(rest(chiftest.FaultMode2)), err: chif.ErrProtocol, opens: 2},
		{name: "8 inline length beyond the packet", rules: always(chiftest.Rule{Fault: chiftest.FaultInlineLength, Op: chiftest.OpREST, Bytes: 4096}), err: chif.ErrProtocol, opens: 2},
		{name: "9 padding behind the size", path: "/small"},
		{name: "10 reset before execution", rules: once(rest(chiftest.FaultResetBefore)), count: map[chiftest.Op]int64{chiftest.OpREST: 2}, opens: 2},
		{name: "10 reset after execution, write", rules: once(rest(chiftest.FaultResetAfter)), method: "PATCH", large: true, err: chif.ErrOutcomeUnknown, writes: 1, opens: 2},
		{name: "10 reset between the pieces of a write", rules: once(chiftest.Rule{Fault: chiftest.FaultResetBefore, Op: chiftest.OpWrite, Skip: 1}), method: "PATCH", large: true, writes: 1, opens: 2},
		{name: "10 reset while reading the answer", rules: once(chiftest.Rule{Fault: chiftest.FaultResetBefore, Op: chiftest.OpRead, Skip: 3}), path: "/big", opens: 2},
		{name: "10 reset while reading the answer to a write", rules: once(chiftest.Rule{Fault: chiftest.FaultResetBefore, Op: chiftest.OpRead, Skip: 3}), method: "POST", path: "/big", err: chif.ErrOutcomeUnknown, writes: 1, opens: 2},
		{name: "11 queue full for a while", rules: []chiftest.Rule{{Fault: chiftest.FaultSubmitBusy, Op: chiftest.OpREST, Times: 5}}, method: "POST", writes: 1, took: 250 * time.Millisecond},
		{name: "11 queue full for ever, write", rules: always(chiftest.Rule{Fault: chiftest.FaultSubmitBusy, Op: chiftest.OpREST}), method: "POST", err: chif.ErrTimeout, took: 727 * time.Second, opens: 5},
		{name: "15 blob exists", rules: once(chiftest.Rule{Fault: chiftest.FaultSetCode, Op: chiftest.OpCreate, Code: chif.CodeNotModified}), method: "PATCH", large: true, writes: 1, count: map[chiftest.Op]int64{chiftest.OpCreate: 2}},
		{name: "15 code 20 for every new blob", rules: always(chiftest.Rule{Fault: chiftest.FaultSetCode, Op: chiftest.OpCreate, Code: chif.CodeNotModified}), method: "PATCH", large: true, writes: 1},
		{name: "15 name refused once", rules: once(chiftest.Rule{Fault: chiftest.FaultCode, Op: chiftest.OpCreate, Code: chif.CodeBadName}), method: "PATCH", large: true, writes: 1},
		{name: "15 name refused", rules: always(chiftest.Rule{Fault: chiftest.FaultCode, Op: chiftest.OpCreate, Code: chif.CodeBadName}), method: "PATCH", large: true, err: chif.CodeBadName},
		{name: "16 answer's blob busy", rules: []chiftest.Rule{{Fault: chiftest.FaultCode, Op: chiftest.OpInfo, Code: chif.CodeBadParameter, Times: 15}}, path: "/big", count: map[chiftest.Op]int64{chiftest.OpInfo: 16, chiftest.OpREST: 1}, chance: true, took: 15 * time.Second},
		{name: "16 answer's blob busy for ever", rules: always(chiftest.Rule{Fault: chiftest.FaultCode, Op: chiftest.OpInfo, Code: chif.CodeBadParameter}), path: "/big", err: chif.CodeBadParameter, count: map[chiftest.Op]int64{chiftest.OpREST: 1}, chance: true, took: time.Minute},
		{name: "17 absurd size", rules: always(chiftest.Rule{Fault: chiftest.FaultInfoSize, Op: chiftest.OpInfo, Bytes: 1 << 30}), path: "/big", err: chif.ErrTooLarge, count: map[chiftest.Op]int64{chiftest.OpRead: 0, chiftest.OpDelete: 1}},
		{name: "18 READ returns nothing, once", rules: once(chiftest.Rule{Fault: chiftest.FaultReadShort, Op: chiftest.OpRead, Skip: 2}), path: "/big", count: map[chiftest.Op]int64{chiftest.OpREST: 1}, took: 100 * time.Millisecond},
		{name: "18 READ returns nothing", rules: always(chiftest.Rule{Fault: chiftest.FaultReadShort, Op: chiftest.OpRead}), path: "/big", err: chif.ErrProtocol, count: map[chiftest.Op]int64{chiftest.OpRead: 11, chiftest.OpREST: 1}, took: time.Second},
		{name: "18 READ code, once", rules: once(chiftest.Rule{Fault: chiftest.FaultCode, Op: chiftest.OpRead, Code: chif.CodeUnavailable}), path: "/big", took: 100 * time.Millisecond},
		{name: "18 READ code, write", rules: always(chiftest.Rule{Fault: chiftest.FaultCode, Op: chiftest.OpRead, Code: chif.CodeError}), path: "/big", method: "POST", err: chif.ErrOutcomeUnknown, writes: 1, took: time.Second},
		{name: "19 READ returns more than asked", rules: always(chiftest.Rule{Fault: chiftest.FaultReadMore, Op: chiftest.OpRead, Bytes: 8}), path: "/big", err: chif.ErrProtocol, opens: 5},
		{name: "20 READ returns less than asked", rules: always(chiftest.Rule{Fault: chiftest.FaultReadShort, Op: chiftest.OpRead, Bytes: 1000}), path: "/big", count: map[chiftest.Op]int64{chiftest.OpREST: 1}},
		{name: "21 INFO too small, once", rules: once(chiftest.Rule{Fault: chiftest.FaultInfoSize, Op: chiftest.OpInfo, Bytes: -5000}), path: "/big", count: map[chiftest.Op]int64{chiftest.OpREST: 1, chiftest.OpInfo: 2}},
		{name: "21 INFO too small", rules: always(chiftest.Rule{Fault: chiftest.FaultInfoSize, Op: chiftest.OpInfo, Bytes: -5000}), path: "/big", err: chif.ErrProtocol, took: time.Second},
		{name: "21 INFO too large", rules: always(chiftest.Rule{Fault: chiftest.FaultInfoSize, Op: chiftest.OpInfo, Bytes: 500}), path: "/big", err: chif.ErrProtocol, took: time.Second},
		{name: "22 answer's blob vanishes", rules: once(chiftest.Rule{Fault: chiftest.FaultVanish, Op: chiftest.OpInfo}), path: "/big", count: map[chiftest.Op]int64{chiftest.OpREST: 2}, took: time.Second},
		{name: "22 answer's blob vanishes, write", rules: once(chiftest.Rule{Fault: chiftest.FaultVanish, Op: chiftest.OpInfo}), path: "/big", method: "POST", err: chif.ErrOutcomeUnknown, writes: 1},
		{name: "23 DELETE of the answer: not found", leaves: 1, rules: always(chiftest.Rule{Fault: chiftest.FaultCode, Op: chiftest.OpDelete, Code: chif.CodeNotFound}), path: "/big"},
		{name: "23 DELETE of the answer: busy", rules: always(chiftest.Rule{Fault: chiftest.FaultCode, Op: chiftest.OpDelete, Code: chif.CodeBadParameter}), path: "/big", count: map[chiftest.Op]int64{chiftest.OpREST: 1}},
		{name: "23 DELETE unanswered", rules: always(chiftest.Rule{Fault: chiftest.FaultDropAnswer, Op: chiftest.OpDelete}), path: "/big", method: "PUT", writes: 1, took: 5 * time.Second, opens: 2},
		{name: "24 truncated gzip, once", rules: once(rest(chiftest.FaultGzipTruncated)), count: map[chiftest.Op]int64{chiftest.OpREST: 2}, took: time.Second},
		{name: "24 truncated gzip", rules: always(rest(chiftest.FaultGzipTruncated)), path: "/big", err: chif.ErrProtocol, count: map[chiftest.Op]int64{chiftest.OpREST: 2}, took: time.Second},
		{name: "24 gzip that is none", rules: always(rest(chiftest.FaultGzipPlain)), err: chif.ErrProtocol, took: time.Second},
		{name: "24 Content-Length too large", rules: always(chiftest.Rule{Fault: chiftest.FaultWrongLength, Op: chiftest.OpREST, Bytes: 10}), err: chif.ErrProtocol, took: time.Second},
		{name: "24 Content-Length too large, write", rules: always(chiftest.Rule{Fault: chiftest.FaultWrongLength, Op: chiftest.OpREST, Bytes: 10}), method: "POST", err: chif.ErrOutcomeUnknown, writes: 1},
		{name: "25 no HTTP", rules: always(rest(chiftest.FaultHTTPGarbage)), err: chif.ErrProtocol, count: map[chiftest.Op]int64{chiftest.OpREST: 1}},
		{name: "25 empty answer", rules: always(rest(chiftest.FaultHTTPEmpty)), err: chif.ErrProtocol, count: map[chiftest.Op]int64{chiftest.OpREST: 4}, took: 7 * time.Second},
		{name: "25 empty answer, once", rules: once(rest(chiftest.FaultHTTPEmpty)), took: time.Second},
		{name: "26 401", rules: always(chiftest.Rule{Fault: chiftest.FaultHTTPStatus, Op: chiftest.OpREST, Status: 401}), status: 401},

		{name: "4.3 100 Continue first", rules: always(rest(chiftest.FaultContinue))},
		{name: "4.3 chunked", rules: always(rest(chiftest.FaultChunked)), path: "/big"},
		{name: "4.3 neither length nor chunks", rules: always(rest(chiftest.FaultNoLength)), path: "/big"},
		{name: "4.3 small answer by blob", rules: always(rest(chiftest.FaultAsBlob))},
		{name: "4.3 HEAD", method: "HEAD"},
		{name: "4.3 HEAD by blob", method: "HEAD", rules: always(rest(chiftest.FaultAsBlob))},
		{name: "4.3 redirection", rules: once(chiftest.Rule{Fault: chiftest.FaultRedirect, Op: chiftest.OpREST, Location: "https:///small/"}), count: map[chiftest.Op]int64{chiftest.OpREST: 2}},
		{name: "4.3 redirection of a write", rules: once(chiftest.Rule{Fault: chiftest.FaultRedirect, Op: chiftest.OpREST, Location: "https://ilo/small/"}), method: "PATCH", large: true, writes: 1},
		{name: "4.3 redirected for ever", rules: always(chiftest.Rule{Fault: chiftest.FaultRedirect, Op: chiftest.OpREST, Location: "/small"}), err: chif.ErrProtocol, count: map[chiftest.Op]int64{chiftest.OpREST: 6}},
		{name: "3.10 REST: try later", rules: once(chiftest.Rule{Fault: chiftest.FaultCode, Op: chiftest.OpREST, Code: chif.CodeRetry}), count: map[chiftest.Op]int64{chiftest.OpREST: 2}, took: time.Second},
		{name: "3.10 REST: try later, write", rules: once(chiftest.Rule{Fault: chiftest.FaultCode, Op: chiftest.OpREST, Code: chif.CodeRetry}), method: "POST", err: chif.ErrOutcomeUnknown, count: map[chiftest.Op]int64{chiftest.OpREST: 1}},
		{name: "3.10 REST: internal timeout, write", rules: always(chiftest.Rule{Fault: chiftest.FaultSetCode, Op: chiftest.OpREST, Code: chif.CodeTimeout}), method: "POST", err: chif.ErrOutcomeUnknown, writes: 1},
		{name: "3.10 REST: not modified", rules: always(chiftest.Rule{Fault: chiftest.FaultSetCode, Op: chiftest.OpREST, Code: chif.CodeNotModified}), method: "POST", writes: 1},
		{name: "3.10 REST: unsupported", rules: always(chiftest.Rule{Fault: chiftest.FaultCode, Op: chiftest.OpREST, Code: chif.CodeUnsupported}), method: "POST", err: chif.CodeUnsupported, count: map[chiftest.Op]int64{chiftest.OpREST: 1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, chif.TransportOptions{}, c.rules, func(t *testing.T, i *ilo) {
				method, path := "GET", "/small"
				if c.method != "" {
					method = c.method
				}
				if c.path != "" {
					path = c.path
				}
				var body []byte
				if c.large {
					body = large
				}
				start := time.Now()
				status, got, err := i.do(t.Context(), method, path, body)
				want, wantStatus := map[string][]byte{"/small": small, "/big": big}[path], ok
				if c.status != 0 {
					wantStatus, want = c.status, got
				}
				if method == "HEAD" {
					want = nil
				}
				switch {
				case !errors.Is(err, c.err):
					t.Errorf("error %v, want %v", err, c.err)
				case err == nil && status != wantStatus:
					t.Errorf("status %d, want %d", status, wantStatus)
				case err == nil && !bytes.Equal(got, want):
					t.Errorf("body of %d bytes, want %d", len(got), len(want))
				}
				checkFate(t, method, err, i.web.writes.Load())
				if n := i.web.writes.Load(); n != c.writes {
					t.Errorf("the write was executed %d times, want %d", n, c.writes)
				}
				for op, n := range c.count {
					if have := i.Stats().Packets[op]; have != n {
						t.Errorf("%d packets %s, want %d", have, op, n)
					}
				}
				took := time.Since(start)
				if took != c.took && !(c.chance && took > c.took && took < 2*c.took) {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if c.down {
					return
				}
				i.recovers(t, c.leaves)
				if n := i.Stats().Packets[chiftest.OpStatus]; n != max(c.opens, 1) {
					t.Errorf("%d channels were opened, want %d", n, max(c.opens, 1))
				}
			})
		})
	}
}

// recovers checks that nothing of a failure stays: with the faults gone, the next
// request works at once, and a minute later no blob is left.
func (i *ilo) recovers(t *testing.T, leaves int) {
	t.Helper()
	synctest.Wait()
	if err := i.SetFaults(chiftest.Faults{}); err != nil {
		t.Fatal(err)
	}
	if _, got, err := i.do(t.Context(), "GET", "/small", nil); err != nil || !bytes.Equal(got, small) {
		t.Errorf("the next request: %q, %v", got, err)
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	if n := i.Stats().Blobs; n != leaves {
		t.Errorf("%d blobs are left in the iLO, want %d", n, leaves)
	}
}

// Row 27: what a killed process left does not disturb the next one.
func TestLeftoversOfAnotherProcess(t *testing.T) {
	inBubble(t, chif.TransportOptions{}, nil, func(t *testing.T, i *ilo) {
		ch, err := i.Device().Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		killed := chif.NewConn(ch)
		defer killed.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := killed.Status(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if _, got, err := i.do(t.Context(), "GET", "/big", nil); err != nil || !bytes.Equal(got, big) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

// Row 29: a cancelled exchange closes its channel, and the next request does
// not read its late answer.
func TestCancelledExchangeClosesItsChannel(t *testing.T) {
	late := []chiftest.Rule{{Fault: chiftest.FaultDelay, Op: chiftest.OpREST, Duration: chiftest.Duration(time.Minute), Times: 1}}
	inBubble(t, chif.TransportOptions{MaxChannels: 1}, late, func(t *testing.T, i *ilo) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if _, _, err := i.do(ctx, "POST", "/small", nil); !errors.Is(err, chif.ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		synctest.Wait()
		if n := i.Stats().ChannelsOpen; n > 1 { // one may be deleting the answer's blob
			t.Errorf("%d channels open after the cancellation", n)
		}
		if _, got, err := i.do(t.Context(), "GET", "/small", nil); err != nil || !bytes.Equal(got, small) {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestBlobsAreDeleted(t *testing.T) {
	rules := []chiftest.Rule{
		{Fault: chiftest.FaultDropAnswer, Op: chiftest.OpRead, Skip: 2, Times: 1},
		{Fault: chiftest.FaultDropAnswer, Op: chiftest.OpWrite, Skip: 1, Times: 1},
	}
	inBubble(t, chif.TransportOptions{}, rules, func(t *testing.T, i *ilo) {
		if _, got, err := i.do(t.Context(), "PATCH", "/big", large); err != nil || !bytes.Equal(got, big) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := i.SetFaults(chiftest.Faults{Rules: []chiftest.Rule{{Fault: chiftest.FaultDropAnswer, Op: chiftest.OpRead, Skip: 5}}}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := i.do(ctx, "GET", "/big", nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := i.Transport.Close(); err != nil {
			t.Error(err)
		}
		if n := i.Stats().Blobs; n != 0 {
			t.Errorf("%d blobs are left in the iLO", n)
		}
	})
}

func TestResetIsToldOnce(t *testing.T) {
	resets := 0
	inBubble(t, chif.TransportOptions{OnReset: func() { resets++ }}, nil, func(t *testing.T, i *ilo) {
		for range 2 {
			both := make(chan error, 2)
			for range 2 { // two channels open
				go func() { _, _, err := i.do(t.Context(), "GET", "/big", nil); both <- err }()
			}
			if err := errors.Join(<-both, <-both); err != nil {
				t.Error(err)
			}
			i.Server.Reset(time.Second)
		}
		if _, _, err := i.do(t.Context(), "GET", "/big", nil); err != nil {
			t.Error(err)
		}
	})
	if resets != 2 {
		t.Errorf("OnReset was called %d times for 2 resets", resets)
	}
}

func TestStatusAfterAReset(t *testing.T) {
	inBubble(t, chif.TransportOptions{}, nil, func(t *testing.T, i *ilo) {
		for range 2 {
			s, err := i.Status(t.Context())
			if want := chiftest.DefaultStatus(); err != nil || s != want {
				t.Errorf("%+v, %v, want %+v", s, err, want)
			}
			i.Server.Reset(time.Second)
		}
	})
}

func TestSecurityStates(t *testing.T) {
	for state, want := range map[chif.SecurityState]error{
		chif.SecurityProduction: nil, chif.SecurityHigh: nil,
		chif.SecurityFIPS: chif.ErrCredentialsRequired, chif.SecurityCNSA: chif.ErrCredentialsRequired,
	} {
		synctest.Test(t, func(t *testing.T) {
			status := chiftest.DefaultStatus()
			status.SecurityState = state
			s := chiftest.New(t, chiftest.Options{Handler: &web{}, Status: &status})
			for ignore, want := range map[bool]error{false: want, true: nil} {
				tr := chiftest.NewTransport(t, s.Device(), chif.TransportOptions{IgnoreSecurityState: ignore})
				i := &ilo{Server: s, Transport: tr}
				if _, _, err := i.do(t.Context(), "GET", "/small", nil); !errors.Is(err, want) {
					t.Errorf("state %s: %v, want %v", state, err, want)
				}
				tr.Close()
			}
			if err := s.SetFaults(chiftest.Faults{Rules: []chiftest.Rule{{Fault: chiftest.FaultRefuse, Op: chiftest.OpREST}}}); err != nil {
				t.Fatal(err)
			}
			tr := chiftest.NewTransport(t, s.Device(), chif.TransportOptions{})
			defer tr.Close()
			_, _, err := (&ilo{Server: s, Transport: tr}).do(t.Context(), "GET", "/small", nil)
			if credentials := errors.Is(err, chif.ErrCredentialsRequired); credentials != (state >= chif.SecurityHigh) {
				t.Errorf("state %s: refused with %v", state, err)
			}
		})
	}
}
