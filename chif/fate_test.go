package chif_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
)

// checkFate holds an error of a request against what the iLO did.
func checkFate(t *testing.T, method string, err error, executed int32) {
	t.Helper()
	read := method == http.MethodGet || method == http.MethodHead
	notSent, unknown := errors.Is(err, chif.ErrNotSent), errors.Is(err, chif.ErrOutcomeUnknown)
	switch {
	case executed > 1:
		t.Errorf("executed %d times, and the error is %v", executed, err)
	case executed == 1 && notSent:
		t.Errorf("executed, and said to be not sent: %v", err)
	case err == nil:
	case read && unknown, !read && notSent == unknown:
		t.Errorf("%s: not sent is %v, outcome unknown is %v: %v", method, notSent, unknown, err)
	}
	causes := 0
	for _, cause := range []error{
		chif.ErrNoDevice, chif.ErrUnsupportedPlatform, chif.ErrPermission, chif.ErrBusy, chif.ErrReset, chif.ErrRefused,
		chif.ErrCredentialsRequired, chif.ErrProtocol, chif.ErrTimeout, chif.ErrTooLarge, chif.ErrInvalidRequest, chif.ErrClosed,
	} {
		if errors.Is(err, cause) {
			causes++
		}
	}
	if causes > 1 {
		t.Errorf("%d causes in one error: %v", causes, err)
	}
}

// everyFault are the faults of one packet: each way in which it may fail to be
// executed, or its answer to come, and each return code both before and after.
func everyFault() (rules []chiftest.Rule) {
	second := chiftest.Duration(time.Second)
	rules = []chiftest.Rule{
		{Fault: chiftest.FaultSubmitBusy}, {Fault: chiftest.FaultRefuse}, {Fault: chiftest.FaultStale},
		{Fault: chiftest.FaultDropRequest}, {Fault: chiftest.FaultDropAnswer}, {Fault: chiftest.FaultDelay, Duration: second},
		{Fault: chiftest.FaultResetBefore, Duration: second}, {Fault: chiftest.FaultResetAfter, Duration: second},
		{Fault: chiftest.FaultWrongSequence}, {Fault: chiftest.FaultWrongCommand}, {Fault: chiftest.FaultWrongSize, Bytes: 100},
		{Fault: chiftest.FaultTruncate, Bytes: 7}, {Fault: chiftest.FaultTruncate, Bytes: 11}, {Fault: chiftest.FaultGarbage, Bytes: 8},
	}
	codes := []chif.Code{chif.CodeUnknown, 99}
	for code := range chif.CodePreconditionFailed + 1 {
		codes = append(codes, code)
	}
	for _, code := range codes {
		rules = append(rules, chiftest.Rule{Fault: chiftest.FaultCode, Code: code}, chiftest.Rule{Fault: chiftest.FaultSetCode, Code: code})
	}
	return rules
}

// writes are POSTs of all forms, with the number of packets that each takes, the
// status request of the new channel included.
var writes = []struct {
	name    string
	path    string
	body    []byte
	packets int
}{
	{"inline both ways", "/small", nil, 2},
	{"answer by blob", "/medium", nil, 7},
	{"request by blob", "/small", large, 8},
	{"both by blob", "/medium", large, 13},
}

// Whatever happens to whichever packet: a write is executed at most once, and
// one that was executed is never said to be not sent.
func TestExecutedWriteIsNeverCalledNotSent(t *testing.T) {
	for _, w := range writes {
		t.Run(w.name, func(t *testing.T) {
			inBubble(t, chif.TransportOptions{}, nil, func(t *testing.T, i *ilo) {
				_, _, err := i.do(t.Context(), "POST", w.path, w.body)
				var n int64
				for _, packets := range i.Stats().Packets {
					n += packets
				}
				if err != nil || n != int64(w.packets) {
					t.Errorf("%d packets, want %d; %v", n, w.packets, err)
				}
			})
			for at := range w.packets {
				for _, rule := range everyFault() {
					for _, times := range []int{1, 0} { // this packet, or all from here on
						rule.Skip, rule.Times = at, times
						inBubble(t, chif.TransportOptions{}, []chiftest.Rule{rule}, func(t *testing.T, i *ilo) {
							_, _, err := i.do(t.Context(), "POST", w.path, w.body)
							if checkFate(t, "POST", err, i.web.writes.Load()); t.Failed() {
								t.Fatalf("at packet %d: %+v", at, rule)
							}
							if err := i.SetFaults(chiftest.Faults{}); err != nil {
								t.Fatal(err)
							}
							time.Sleep(time.Minute)
							code := rule.Code
							lie := rule.Fault == chiftest.FaultCode && (code == chif.CodeSuccess || code == chif.CodeNotModified || code == chif.CodeNotFound)
							if n := i.Stats().Blobs; lie { // a DELETE that was not executed
								i.Server.Reset(0)
							} else if n != 0 {
								t.Fatalf("at packet %d: %+v: %d blobs are left", at, rule, n)
							}
						})
					}
				}
			}
		})
	}
}

// The same for callers who leave while a packet is under way, before or after
// the iLO has executed it.
func TestAbandonedWriteIsNeverCalledNotSent(t *testing.T) {
	for _, w := range writes {
		for at := range w.packets {
			for _, fault := range []chiftest.Fault{chiftest.FaultDropRequest, chiftest.FaultDropAnswer, chiftest.FaultDelay, chiftest.FaultSubmitBusy} {
				for _, overdue := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%d/%s/%v", w.name, at, fault, overdue), func(t *testing.T) {
						rules := []chiftest.Rule{{Fault: fault, Skip: at, Times: 1, Duration: chiftest.Duration(2 * time.Second)}}
						inBubble(t, chif.TransportOptions{}, rules, func(t *testing.T, i *ilo) {
							ctx, cancel := context.WithCancel(t.Context())
							if overdue {
								ctx, cancel = context.WithTimeout(t.Context(), time.Second)
							} else {
								time.AfterFunc(time.Second, cancel)
							}
							defer cancel()
							start := time.Now()
							_, _, err := i.do(ctx, "POST", w.path, w.body)
							checkFate(t, "POST", err, i.web.writes.Load())
							if took := time.Since(start); err != nil && (took != time.Second || !errors.Is(err, ctx.Err())) {
								t.Errorf("after %v: %v", took, err)
							}
							synctest.Wait()
							i.recovers(t, 0)
						})
					})
				}
			}
		}
	}
}
