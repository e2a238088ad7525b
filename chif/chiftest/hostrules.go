package chiftest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// HostRule names something that a host must do on a channel. An iLO may bear it
// when a host does otherwise; a Server remembers it, and its Check reports it.
type HostRule string

// The rules. HostRules says what each demands and how we know.
const (
	RuleSize       HostRule = "size"
	RuleFiller     HostRule = "filler"
	RuleConstants  HostRule = "constants"
	RuleNames      HostRule = "names"
	RuleLimits     HostRule = "limits"
	RuleCommands   HostRule = "commands"
	RuleOrder      HostRule = "order"
	RuleHTTP       HostRule = "http"
	RuleSequence   HostRule = "sequence"
	RuleOneAtATime HostRule = "one-at-a-time"
	RuleSettle     HostRule = "settle"
	RuleFreshKeys  HostRule = "fresh-keys"
	RuleBlobs      HostRule = "blobs"
)

// Evidence is how we know something about an iLO or its channel.
type Evidence string

// The kinds of evidence, the strongest first.
const (
	Captured Evidence = "captured" // HPE's own client was seen to do it (chif/testdata)
	Kernel   Evidence = "kernel"   // read in Linux' hpilo driver, or measured on it
	Document Evidence = "document" // published by HPE, or by others who used a real iLO
	Assumed  Evidence = "assumed"  // not known; the safe side for a host
)

// HostRules are all rules for hosts.
var HostRules = map[HostRule]struct {
	Evidence Evidence
	Demand   string
}{
	RuleSize:       {Captured, "the size field is what the operation prescribes, and so many bytes are sent (up to 7 more by the driver)"},
	RuleFiller:     {Captured, "bytes without a meaning are zero; HPE's library sends its own memory as the filler of READ, we never"},
	RuleConstants:  {Captured, "CREATE carries the constants of HPE's library"},
	RuleNames:      {Captured, "namespace volatile; keys of 1 to 31 letters and digits, ended by a NUL"},
	RuleLimits:     {Captured, "at most 3304 bytes a WRITE, 3868 a READ, 3567 an immediate REST, and none that is empty"},
	RuleCommands:   {Document, "no commands but status, security state, ping and the operations of the blob store"},
	RuleOrder:      {Captured, "WRITEs in ascending order without gaps, then one FINALIZE, then REST"},
	RuleHTTP:       {Captured, "an empty Host, no chunks, a short Connection, nothing behind the body"},
	RuleSequence:   {Assumed, "no sequence is 0 or one of the channel's last: a late answer would be taken for another's"},
	RuleOneAtATime: {Assumed, "no packet before the answer to the last one has come, whole; a channel whose answer was lost or spoiled is closed"},
	RuleSettle:     {Captured, "the first packet comes as long after the open as Options.Settle says; HPE's library waits 100 ms"},
	RuleFreshKeys:  {Document, "the key of a new blob, or of an answer, is not one that exists: HPE's client had collisions with fixed names"},
	RuleBlobs:      {Document, "no blob is left behind: their space is small, and they stay for about an hour"},
}

// sequencesKept is how many of a channel's last sequences must not come again.
const sequencesKept = 16

// offences are what hosts did against the rules.
type offences map[string]int

// offend remembers that a host broke a rule; the caller does not hold mu.
func (s *Server) offend(rule HostRule, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.allowed(rule) {
		s.offences[fmt.Sprintf("host rule %s: ", rule)+fmt.Sprintf(format, args...)]++
	}
}

// allowed reports a rule that may be broken; the caller holds mu.
func (s *Server) allowed(rule HostRule) bool {
	return slices.Contains(s.options.Allow, rule) || slices.Contains(s.allow, rule)
}

// checkRules returns what hosts did against the rules; the caller holds mu.
func (s *Server) checkRules() (errs []error) {
	for _, text := range slices.Sorted(maps.Keys(s.offences)) {
		errs = append(errs, fmt.Errorf("%s (%d times)", text, s.offences[text]))
	}
	if n := s.blobs.left(); n > 0 && !s.allowed(RuleBlobs) && !s.faults.deaf() {
		errs = append(errs, fmt.Errorf("host rule %s: %d are left", RuleBlobs, n))
	}
	return errs
}

func validRules(rules []HostRule) error {
	var errs []error
	for _, r := range rules {
		if _, ok := HostRules[r]; !ok {
			errs = append(errs, fmt.Errorf("unknown host rule %q", r))
		}
	}
	return errors.Join(errs...)
}

// judge looks at a packet that the host hands over.
func (p *Port) judge(packet []byte) {
	s := p.server
	if d := time.Since(p.opened); !p.used && d < s.options.Settle {
		s.offend(RuleSettle, "a packet on channel %d came %v after its open", p.number, d)
	}
	p.used = true
	if p.unanswered.Add(1) > 1 {
		s.offend(RuleOneAtATime, "a packet on channel %d, and the answer to an earlier one has not come whole", p.number)
	}
	r := parseRequest(packet)
	if r.op == OpInvalid {
		s.offend(RuleSize, "a packet of %d bytes without a header", len(packet))
		return
	}
	const libraryPing = 0xFFEE // HPE's library has one sequence for all its pings
	if r.op == OpPing && r.sequence == libraryPing {
		return
	}
	if r.sequence == 0 || slices.Contains(p.sequences, r.sequence) {
		s.offend(RuleSequence, "%s on channel %d with sequence %#x, which is 0 or was just used", r.op, p.number, r.sequence)
	}
	p.sequences = append(p.sequences[max(0, len(p.sequences)+1-sequencesKept):], r.sequence)
	size := int(le.Uint16(packet))
	if r.badSize || len(packet) < size || len(packet) >= size+8 {
		s.offend(RuleSize, "%s of %d bytes with size field %d", r.op, len(packet), size)
		return
	}
	if r.op == OpUnknown {
		s.offend(RuleCommands, "command %#04x of service %#x", r.command, r.service)
		return
	}
	s.judgeFields(&r, packet[:size])
}

// judgeFields looks at the fields of a packet with a right size.
func (s *Server) judgeFields(r *request, packet []byte) {
	if packet[7] != 0 {
		s.offend(RuleFiller, "%s has version %d", r.op, packet[7])
	}
	for _, z := range fillers(r) {
		if i := bytes.IndexFunc(packet[z[0]:z[1]], func(c rune) bool { return c != 0 }); i >= 0 {
			s.offend(RuleFiller, "%s has %#x at offset %d", r.op, packet[z[0]+i], z[0]+i)
		}
	}
	names := map[Op][]int{
		OpCreate: {12}, OpWrite: {12}, OpInfo: {12}, OpRead: {12}, OpDelete: {12}, OpFinalize: {12}, OpREST: {16},
	}[r.op]
	if r.byBlob {
		names = append(names, restLen)
	}
	for _, at := range names {
		if field := packet[at : at+namespaceLen+keyLen]; !goodName(field) {
			s.offend(RuleNames, "%s names its blob %q", r.op, field)
		}
	}
	switch {
	case r.op == OpCreate && !bytes.Equal(packet[60:createLen], createConstants()):
		s.offend(RuleConstants, "CREATE carries % x", packet[60:createLen])
	case r.op == OpWrite && (r.count == 0 || r.count > 3304), r.op == OpRead && (r.count == 0 || r.count > maxRead),
		r.op == OpREST && !r.byBlob && (len(r.data) == 0 || len(r.data) > 3567):
		s.offend(RuleLimits, "%s of %d bytes", r.op, max(int(r.count), len(r.data)))
	}
	if _, _, code := s.blobs.read(r.blob, 0, 0); code == 0 && (r.op == OpCreate || r.op == OpREST) {
		s.offend(RuleFreshKeys, "%s for the blob %q, which exists", r.op, r.blob.key)
	}
}

// fillers are the bytes of a request that have no meaning, as offsets from and to.
func fillers(r *request) [][2]int {
	switch r.op {
	case OpPing:
		return [][2]int{{headerLen, headerLen + len(r.message)}}
	case OpWrite:
		return [][2]int{{60, 124}, {132, writeLen}}
	case OpRead:
		return [][2]int{{68, readLen + int(r.count)}}
	case OpDelete, OpFinalize:
		return [][2]int{{60, deleteLen}}
	case OpREST:
		if r.byBlob {
			return [][2]int{{64, restLen}}
		}
	}
	return nil
}

// createConstants are the bytes of CREATE from offset 60 on.
func createConstants() []byte {
	b := make([]byte, createLen-60)
	b[0] = 2
	for at, text := range map[int]string{64: "text/plain", 128: "ascii", 160: "12345", 224: "python", 288: "test data"} {
		copy(b[at-60:], text)
	}
	return b
}

// goodName reports a namespace and a key that HPE's client could have sent
// without damage.
func goodName(b []byte) bool {
	n := nameAt(b)
	clean := make([]byte, namespaceLen+keyLen)
	copy(clean, n.namespace)
	copy(clean[namespaceLen:], n.key)
	letters := func(c rune) bool { return (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') }
	return n.namespace == "volatile" && len(n.key) > 0 && len(n.key) < keyLen && bytes.Equal(clean, b) && bytes.IndexFunc([]byte(n.key), letters) < 0
}

// judgeHTTP looks at the HTTP request of a REST packet.
func (s *Server) judgeHTTP(r *request) {
	if r.http == nil {
		return
	}
	head := bytes.Index(r.data, []byte("\r\n\r\n")) + 4
	switch h := r.http.Header; {
	case r.http.Host != "":
		s.offend(RuleHTTP, "%s %s has Host %q", r.http.Method, r.http.RequestURI, r.http.Host)
	case h.Get("Transfer-Encoding") != "":
		s.offend(RuleHTTP, "%s %s has Transfer-Encoding %q", r.http.Method, r.http.RequestURI, h.Get("Transfer-Encoding"))
	case len(h.Get("Connection")) > 15:
		s.offend(RuleHTTP, "%s %s has Connection %q: an iLO 4 has 16 bytes for it", r.http.Method, r.http.RequestURI, h.Get("Connection"))
	case head < 4 || head+int(r.http.ContentLength) != len(r.data):
		s.offend(RuleHTTP, "%s %s: %d bytes, and its head and Content-Length say %d", r.http.Method, r.http.RequestURI, len(r.data), head+int(r.http.ContentLength))
	}
}

// answered reports an answer that ends its request: one that a host may take
// for it and for nothing else.
func (r *request) answered(p []byte) bool {
	if len(p) < headerLen {
		return false
	}
	size, command := int(le.Uint16(p)), le.Uint16(p[4:])
	return size >= headerLen && size <= len(p) && le.Uint16(p[2:]) == r.sequence && (command == r.command|responseBit || command == commandBad)
}
