package chiftest

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// restRaw is a REST packet with a whole HTTP request of these header lines.
func restRaw(key string, lines ...string) []byte {
	return restPacket(key, "POST /1 HTTP/1.1\r\n"+strings.Join(lines, "\r\n")+"\r\n\r\n")
}

// breaks says for each rule how a host breaks it: each entry is a dialogue with
// packets of which the last breaks the rule, and only that.
var breaks = map[HostRule]map[string]func(h *host){
	RuleSize: {
		"no header":      func(h *host) { h.send(header(commandStatus, 8)[:7]) },
		"too short":      func(h *host) { h.exchange(readPacket("k", 0, 4)[:readLen]) },
		"too long":       func(h *host) { h.exchange(append(infoPacket("k"), make([]byte, 8)...)) },
		"another field":  func(h *host) { p := infoPacket("k"); p[0]--; h.exchange(p) },
		"old DELETE":     func(h *host) { h.exchange(append(deletePacket("k"), make([]byte, 60)...)) },
		"length of REST": func(h *host) { p := restPacket("k", get("/1")); p[64]--; h.exchange(p) },
	},
	RuleFiller: {
		"version":       func(h *host) { p := header(commandStatus, 8); p[7] = 1; h.exchange(p) },
		"PING":          func(h *host) { p := header(commandPing, 16); p[8] = 1; h.exchange(p) },
		"READ, fields":  func(h *host) { p := readPacket("k", 0, 4); p[68] = 1; h.exchange(p) },
		"READ, filler":  func(h *host) { p := readPacket("k", 0, 4); p[len(p)-1] = 1; h.exchange(p) },
		"WRITE, first":  func(h *host) { p := writePacket("k", 0, []byte("x")); p[60] = 1; h.exchange(p) },
		"WRITE, second": func(h *host) { p := writePacket("k", 0, []byte("x")); p[195] = 1; h.exchange(p) },
		"DELETE":        func(h *host) { p := deletePacket("k"); p[63] = 1; h.exchange(p) },
		"FINALIZE":      func(h *host) { p := finalizePacket("k"); p[60] = 1; h.exchange(p) },
		"REST by blob": func(h *host) {
			h.store("q", get("/1"))
			p := restBlobPacket("q", "r")
			p[64] = 1
			h.exchange(p)
			h.exchange(deletePacket("q"))
		},
		"not after data": func(h *host) { p := readPacket("k", 0, 3868); p[readLen] = 1; h.exchange(p) },
	},
	RuleConstants: {
		"number": func(h *host) { p := createPacket("k"); p[60] = 3; h.exchange(p); h.exchange(deletePacket("k")) },
		"text":   func(h *host) { p := createPacket("k"); p[64] = 'T'; h.exchange(p); h.exchange(deletePacket("k")) },
		"end": func(h *host) {
			p := createPacket("k")
			p[createLen-1] = 1
			h.exchange(p)
			h.exchange(deletePacket("k"))
		},
	},
	RuleNames: {
		"namespace":        func(h *host) { p := infoPacket("k"); copy(p[12:28], "perm\x00\x00\x00\x00"); h.exchange(p) },
		"no key":           func(h *host) { h.exchange(infoPacket("")) },
		"no NUL":           func(h *host) { h.exchange(deletePacket(strings.Repeat("k", 32))) },
		"old bytes behind": func(h *host) { h.exchange(infoPacket("k\x00left")) },
		"not a letter":     func(h *host) { h.exchange(infoPacket("k_")) },
		"of the answer":    func(h *host) { h.exchange(restPacket("r/", get("/1"))) },
		"of the request":   func(h *host) { p := restBlobPacket("q/", "r"); h.allow(RuleOrder); h.exchange(p) },
	},
	RuleLimits: {
		"WRITE": func(h *host) {
			h.exchange(createPacket("k"))
			h.exchange(writePacket("k", 0, make([]byte, 3305)))
			h.exchange(deletePacket("k"))
		},
		"WRITE, nothing": func(h *host) {
			h.exchange(createPacket("k"))
			h.exchange(writePacket("k", 0, nil))
			h.exchange(deletePacket("k"))
		},
		"READ":          func(h *host) { h.exchange(readPacket("k", 0, 3869)) },
		"READ, nothing": func(h *host) { h.exchange(readPacket("k", 0, 0)) },
		"REST": func(h *host) {
			h.exchange(restRaw("r", "Host: ", "X: "+strings.Repeat("x", 3568-len("POST /1 HTTP/1.1\r\nHost: \r\nX: \r\n\r\n"))))
		},
		"REST, an answer": func(h *host) { h.exchange(restPacket("r", "")) },
	},
	RuleCommands: {
		"LIST":            func(h *host) { h.exchange(header(0x0108, 41)) },
		"negotiation":     func(h *host) { h.exchange(header(0x0140, 10)) },
		"EEPROM":          func(h *host) { h.exchange(header(0x0070, 8)) },
		"another service": func(h *host) { p := header(1, 97); p[6] = 0x12; h.exchange(p) },
		"operation 8":     func(h *host) { h.exchange(blobPacket(8, "k", 64)) },
	},
	RuleOrder: {
		"gap": func(h *host) {
			h.exchange(createPacket("k"))
			h.exchange(writePacket("k", 1, []byte("x")))
			h.exchange(deletePacket("k"))
		},
		"after FINALIZE": func(h *host) {
			h.store("k", "x")
			h.exchange(writePacket("k", 1, []byte("x")))
			h.exchange(deletePacket("k"))
		},
		"no FINALIZE": func(h *host) {
			h.exchange(createPacket("q"))
			h.exchange(writePacket("q", 0, []byte(get("/1"))))
			h.exchange(restBlobPacket("q", "r"))
			h.exchange(deletePacket("q"))
		},
	},
	RuleHTTP: {
		"Host":       func(h *host) { h.exchange(restRaw("r", "Host: ilo")) },
		"chunks":     func(h *host) { h.exchange(restRaw("r", "Host: ", "Transfer-Encoding: chunked")) },
		"Connection": func(h *host) { h.exchange(restRaw("r", "Host: ", "Connection: Keep-Alive, more")) },
		"NUL behind": func(h *host) { h.exchange(restPacket("r", get("/1")+"\x00")) },
		"by blob": func(h *host) {
			h.store("q", get("/1")+"x")
			h.exchange(restBlobPacket("q", "r"))
			h.exchange(deletePacket("q"))
		},
	},
	RuleSequence: {
		"zero": func(h *host) { h.seq = 0xFFFF; h.exchange(header(commandStatus, 8)) },
		"same": func(h *host) { h.exchange(header(commandStatus, 8)); h.seq--; h.exchange(header(commandStatus, 8)) },
		"one of 16": func(h *host) {
			for range sequencesKept {
				h.exchange(header(commandStatus, 8))
			}
			h.seq -= sequencesKept
			h.exchange(header(commandStatus, 8))
		},
	},
	RuleOneAtATime: {
		"not waited": func(h *host) {
			h.faults(Rule{Fault: FaultStall})
			h.send(header(commandStatus, 8))
			h.send(header(commandStatus, 8))
			h.faults()
			h.receive()
			h.receive()
		},
		"lost":           func(h *host) { h.spoiled(FaultDropAnswer, 0) },
		"wrong sequence": func(h *host) { h.spoiled(FaultWrongSequence, 0) },
		"wrong command":  func(h *host) { h.spoiled(FaultWrongCommand, 0) },
		"no header":      func(h *host) { h.spoiled(FaultTruncate, 7) },
		"size too large": func(h *host) { h.spoiled(FaultWrongSize, 100) },
		"size too small": func(h *host) { h.spoiled(FaultWrongSize, -93) },
	},
	RuleSettle: {"at once": func(h *host) { time.Sleep(99 * time.Millisecond); h.exchange(header(commandStatus, 8)) }},
	RuleFreshKeys: {
		"CREATE": func(h *host) {
			h.exchange(createPacket("k"))
			h.exchange(createPacket("k"))
			h.exchange(deletePacket("k"))
		},
		"REST": func(h *host) {
			h.exchange(createPacket("k"))
			h.exchange(restPacket("k", get("/1")))
			h.exchange(deletePacket("k"))
		},
	},
	RuleBlobs: {
		"request": func(h *host) { h.store("k", "x") },
		"answer":  func(h *host) { h.exchange(restPacket("r", get("/5000"))) },
		"deletion never tried": func(h *host) {
			h.store("k", "x")
			h.faults(Rule{Fault: FaultDropRequest, Op: OpDelete})
			h.send(deletePacket("k"))
		},
	},
}

// store leaves a finalized blob.
func (h *host) store(key, data string) {
	h.Helper()
	h.exchange(createPacket(key))
	h.exchange(writePacket(key, 0, []byte(data)))
	h.exchange(finalizePacket(key))
}

// faults replaces the server's faults; no rule may be broken.
func (h *host) faults(rules ...Rule) { setRules(h, h.port.server, rules...) }

func (h *host) allow(rules ...HostRule) {
	h.Helper()
	if err := h.port.server.SetFaults(Faults{Allow: rules}); err != nil {
		h.Fatal(err)
	}
}

// spoiled goes on using a channel after the fault.
func (h *host) spoiled(f Fault, n int) {
	h.Helper()
	h.faults(Rule{Fault: f, Bytes: n, Times: 1})
	h.send(header(commandStatus, 8))
	if f != FaultDropAnswer {
		h.receive()
	}
	h.exchange(header(commandStatus, 8))
}

// TestHostRules: each rule has hosts that break it, and Check names that rule and
// no other. While it is allowed, Check finds nothing.
func TestHostRules(t *testing.T) {
	if diff := cmp.Diff(slices.Sorted(maps.Keys(HostRules)), slices.Sorted(maps.Keys(breaks))); diff != "" {
		t.Errorf("rules, and those that are broken here:\n%s", diff)
	}
	for rule, r := range HostRules {
		if !slices.Contains([]Evidence{Captured, Kernel, Document, Assumed}, r.Evidence) || r.Demand == "" {
			t.Errorf("%s: evidence %q, demand %q", rule, r.Evidence, r.Demand)
		}
		for name, broken := range breaks[rule] {
			t.Run(string(rule)+"/"+name, func(t *testing.T) {
				for _, allowed := range []bool{false, true} {
					synctest.Test(t, func(t *testing.T) {
						o := Options{Handler: echo, Settle: 100 * time.Millisecond}
						if allowed {
							o.Allow = []HostRule{rule}
						}
						s, err := NewServer(o)
						if err != nil {
							t.Fatal(err)
						}
						h := newHost(t, s)
						if rule != RuleSettle {
							time.Sleep(o.Settle)
						}
						broken(h)
						synctest.Wait()
						h.port.Close()
						err = s.Check()
						s.Close()
						switch {
						case allowed && err != nil:
							t.Errorf("allowed, and Check says %v", err)
						case !allowed && (err == nil || !strings.HasPrefix(err.Error(), "host rule "+string(rule)+": ") || strings.Contains(err.Error(), "\n")):
							t.Errorf("Check says %v", err)
						}
					})
				}
			})
		}
	}
}

// TestGoodHostBreaksNoRule: the packets of this package's tests, as they should
// be sent, and the pings of HPE's library.
func TestGoodHostBreaksNoRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(t, Options{Handler: echo, Settle: 100 * time.Millisecond})
		h := newHost(t, s)
		time.Sleep(100 * time.Millisecond)
		for range 2 {
			h.seq = 0xFFED
			h.exchange(header(commandPing, 16))
		}
		h.seq = 1
		h.exchange(header(commandStatus, 8))
		h.exchange(header(commandState, 8))
		h.exchange(append(infoPacket("k"), "1234567"...)) // as the driver rounds up
		h.store("q", get("/5000"))
		h.exchange(restBlobPacket("q", "r"))
		h.fetch("r")
		h.exchange(deletePacket("q"))
		h.exchange(restRaw("r", "Host: ", "X: "+strings.Repeat("x", 3567-len("POST /1 HTTP/1.1\r\nHost: \r\nX: \r\n\r\n"))))
		for _, f := range []Fault{FaultStale, FaultDuplicate, FaultPadding} {
			h.faults(Rule{Fault: f, Times: 1, Bytes: 16})
			h.send(header(commandStatus, 8))
			h.receive()
			if f != FaultPadding {
				h.receive()
			}
		}
	})
}

func TestUnknownHostRule(t *testing.T) {
	if _, err := NewServer(Options{Allow: []HostRule{"x"}}); err == nil {
		t.Error("an unknown rule is taken by NewServer")
	}
	s := New(t, Options{})
	if err := s.SetFaults(Faults{Allow: []HostRule{"x"}}); err == nil {
		t.Error("an unknown rule is taken by SetFaults")
	}
}
