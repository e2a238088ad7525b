package chiftest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// Fault names one way in which a simulated iLO misbehaves. The comment of each
// says which fields of its Rule it reads.
type Fault string

// Faults at the opening and at the handing over of a packet.
const (
	FaultOpenBusy   Fault = "open-busy"   // an open is refused with EBUSY; Channels: only channels below it are taken
	FaultSubmitBusy Fault = "submit-busy" // the packet is refused with EBUSY, as if the send queue were full
)

// Faults before, in place of and after the execution of a request.
const (
	FaultStall       Fault = "stall"        // the iLO takes no more packets while the rule lives
	FaultResetBefore Fault = "reset-before" // the iLO is reset, Duration long
	FaultDropRequest Fault = "drop-request" // not executed, no answer
	FaultCode        Fault = "code"         // not executed, answered with Code
	FaultCodeAfter   Fault = "code-after"   // executed, answered with Code and nothing else
	FaultRefuse      Fault = "refuse"       // not executed, answered with 0xFFFF "Bad command"
	FaultHTTPStatus  Fault = "http-status"  // REST: the handler is not asked, the answer has HTTP status Status
	FaultRedirect    Fault = "redirect"     // REST: the handler is not asked, 308 to Location
)

// Faults of the blob store.
const (
	FaultExisting  Fault = "existing"   // CREATE of an existing blob answers Code instead of 20
	FaultMissing   Fault = "missing"    // DELETE of a missing blob answers Code instead of 20
	FaultInfoSize  Fault = "info-size"  // INFO's size is off by Bytes, modulo 2³²
	FaultVanish    Fault = "vanish"     // the blob disappears after a successful INFO
	FaultReadShort Fault = "read-short" // READ returns at most Bytes bytes
	FaultReadMore  Fault = "read-more"  // READ returns Bytes bytes beyond what was asked, as far as the packet goes
)

// Faults of the HTTP message in a REST answer.
const (
	FaultHTTPEmpty     Fault = "http-empty"     // no bytes at all
	FaultHTTPGarbage   Fault = "http-garbage"   // bytes that are no HTTP
	FaultContinue      Fault = "continue"       // a 100 Continue comes first
	FaultNoLength      Fault = "no-length"      // neither Content-Length nor chunks
	FaultChunked       Fault = "chunked"        // chunks even where the handler sets Content-Length
	FaultLength        Fault = "length"         // Content-Length in place of chunks
	FaultWrongLength   Fault = "wrong-length"   // Content-Length is off by Bytes
	FaultGzipTruncated Fault = "gzip-truncated" // the body is compressed and its last Bytes bytes are missing
	FaultGzipPlain     Fault = "gzip-plain"     // the body is plain and flagged gzip
	FaultAsBlob        Fault = "as-blob"        // answered by blob however short it is
)

// Faults of the answer packet. The request was executed.
const (
	FaultSetCode       Fault = "set-code"       // the return code is Code, the rest stays
	FaultMode2         Fault = "mode-2"         // REST: receive mode 2
	FaultInlineLength  Fault = "inline-length"  // REST: the inline length is off by Bytes, modulo 2³²
	FaultWrongSequence Fault = "wrong-sequence" // the sequence is another
	FaultWrongCommand  Fault = "wrong-command"  // the command is another, not 0xFFFF
	FaultWrongSize     Fault = "wrong-size"     // the header's size is off by Bytes, modulo 2¹⁶
	FaultTruncate      Fault = "truncate"       // only the first Bytes bytes come, not padded
	FaultGarbage       Fault = "garbage"        // all but the first Bytes bytes are 0xA5
	FaultPadding       Fault = "padding"        // Bytes more bytes come behind the packet
	FaultStale         Fault = "stale"          // the same packet with another sequence comes first
	FaultDuplicate     Fault = "duplicate"      // the packet comes twice
	FaultDelay         Fault = "delay"          // the answer comes Duration later
	FaultDropAnswer    Fault = "drop-answer"    // no answer comes
	FaultResetAfter    Fault = "reset-after"    // the iLO is reset instead of answering, Duration long
)

// scope says for which operations a fault makes sense.
var scope = map[Fault][]Op{
	FaultOpenBusy:      {OpOpen},
	FaultSubmitBusy:    packetOps,
	FaultResetBefore:   packetOps,
	FaultDropRequest:   packetOps,
	FaultStall:         packetOps,
	FaultCode:          packetOps,
	FaultCodeAfter:     packetOps,
	FaultRefuse:        packetOps,
	FaultHTTPStatus:    {OpREST},
	FaultRedirect:      {OpREST},
	FaultExisting:      {OpCreate},
	FaultMissing:       {OpDelete},
	FaultInfoSize:      {OpInfo},
	FaultVanish:        {OpInfo},
	FaultReadShort:     {OpRead},
	FaultReadMore:      {OpRead},
	FaultHTTPEmpty:     {OpREST},
	FaultHTTPGarbage:   {OpREST},
	FaultContinue:      {OpREST},
	FaultNoLength:      {OpREST},
	FaultChunked:       {OpREST},
	FaultLength:        {OpREST},
	FaultWrongLength:   {OpREST},
	FaultGzipTruncated: {OpREST},
	FaultGzipPlain:     {OpREST},
	FaultAsBlob:        {OpREST},
	FaultSetCode:       packetOps,
	FaultMode2:         {OpREST},
	FaultInlineLength:  {OpREST},
	FaultWrongSequence: packetOps,
	FaultWrongCommand:  packetOps,
	FaultWrongSize:     packetOps,
	FaultTruncate:      packetOps,
	FaultGarbage:       packetOps,
	FaultPadding:       packetOps,
	FaultStale:         packetOps,
	FaultDuplicate:     packetOps,
	FaultDelay:         packetOps,
	FaultDropAnswer:    packetOps,
	FaultResetAfter:    packetOps,
}

var packetOps = []Op{
	OpStatus, OpSecurity, OpPing, OpCreate, OpWrite, OpInfo, OpRead, OpDelete, OpFinalize, OpREST, OpUnknown,
}

// Rule lets one fault hit the packets that it matches. Several rules may hit the
// same packet.
type Rule struct {
	Fault Fault `json:"fault"`

	// Op is the operation to hit; empty: every one that the fault is made for.
	Op Op `json:"op,omitempty"`
	// Method and Path narrow a rule to REST requests of this HTTP method and with
	// a request target of this prefix.
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	// Skip lets so many matching packets pass first.
	Skip int `json:"skip,omitempty"`
	// Times is how many packets to hit; 0: all.
	Times int `json:"times,omitempty"`
	// For is how long the rule lives; 0: until it is replaced.
	For Duration `json:"for,omitempty"`

	Bytes    int       `json:"bytes,omitempty"`
	Code     chif.Code `json:"code,omitempty"`
	Status   int       `json:"status,omitempty"`
	Duration Duration  `json:"duration,omitempty"`
	Location string    `json:"location,omitempty"`
	Channels int       `json:"channels,omitempty"`
}

// Duration is a time.Duration that is written like "250ms" in JSON.
type Duration = redfish.Duration

// validate names the first field of a rule that cannot be meant.
func (x Rule) validate() error {
	ops, ok := scope[x.Fault]
	switch {
	case !ok:
		return fmt.Errorf("unknown fault %q", x.Fault)
	case x.Op != "" && !slices.Contains(ops, x.Op):
		return fmt.Errorf("fault %s is for %v, not for op %q", x.Fault, ops, x.Op)
	case (x.Method != "" || x.Path != "") && (!slices.Contains(ops, OpREST) || x.Op != "" && x.Op != OpREST):
		return fmt.Errorf("fault %s: method and path are for REST only", x.Fault)
	case x.Skip < 0 || x.Times < 0 || x.For < 0 || x.Duration < 0 || x.Channels < 0:
		return fmt.Errorf("fault %s: a count or time is negative", x.Fault)
	case x.Fault == FaultTruncate && (x.Bytes < 1 || x.Bytes >= chif.MaxPacket):
		return fmt.Errorf("fault %s: bytes is 1 to %d, not %d", x.Fault, chif.MaxPacket-1, x.Bytes)
	case x.Fault == FaultStall && (x.Skip > 0 || x.Times > 0 || x.Method != "" || x.Path != ""):
		return fmt.Errorf("fault %s: it has no skip, times, method or path", x.Fault)
	case slices.Contains([]Fault{FaultReadShort, FaultReadMore, FaultGzipTruncated, FaultGarbage, FaultPadding}, x.Fault) && x.Bytes < 0:
		return fmt.Errorf("fault %s: bytes is negative", x.Fault)
	case x.Fault == FaultHTTPStatus && (x.Status < 200 || x.Status > 599):
		return fmt.Errorf("fault %s: status is 200 to 599, not %d", x.Fault, x.Status)
	case x.Fault == FaultRedirect && (x.Location == "" || strings.ContainsAny(x.Location, "\r\n")):
		return fmt.Errorf("fault %s: location is missing or has a line end", x.Fault)
	}
	return nil
}

// matches reports a rule made for the operation of a packet and, if it is
// narrowed, for its HTTP request.
func (x Rule) matches(r *request) bool {
	if !slices.Contains(scope[x.Fault], r.op) || x.Op != "" && x.Op != r.op {
		return false
	}
	if x.Method == "" && x.Path == "" {
		return true
	}
	return r.http != nil && (x.Method == "" || x.Method == r.http.Method) && strings.HasPrefix(r.http.RequestURI, x.Path)
}

// faultTable holds the rules in force.
type faultTable struct {
	mu    sync.Mutex
	rules []*liveRule
}

// liveRule is a rule whose Skip and Times count down.
type liveRule struct {
	Rule
	end time.Time // of its For; zero: none
}

// newRules makes rules ready for use; their lives begin.
func newRules(rules []Rule) ([]*liveRule, error) {
	var errs []error
	live := make([]*liveRule, len(rules))
	for i, r := range rules {
		if err := r.validate(); err != nil {
			errs = append(errs, fmt.Errorf("rule %d: %w", i, err))
		}
		live[i] = &liveRule{Rule: r}
		if r.For > 0 {
			live[i].end = time.Now().Add(time.Duration(r.For))
		}
	}
	return live, errors.Join(errs...)
}

// set replaces all rules.
func (t *faultTable) set(rules []*liveRule) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rules = rules
}

// list returns the rules still in force, with what is left of their Skip and Times.
func (t *faultTable) list() []Rule {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	rules := make([]Rule, len(t.rules))
	for i, r := range t.rules {
		rules[i] = r.Rule
	}
	return rules
}

func (t *faultTable) expire() {
	t.rules = slices.DeleteFunc(t.rules, func(r *liveRule) bool {
		return !r.end.IsZero() && time.Now().After(r.end)
	})
}

// use returns the rules that hit one event and counts them down.
func (t *faultTable) use(hits func(Rule) bool) (f faults) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	t.rules = slices.DeleteFunc(t.rules, func(r *liveRule) bool {
		if !hits(r.Rule) {
			return false
		}
		if r.Skip > 0 {
			r.Skip--
			return false
		}
		f = append(f, r.Rule)
		if r.Times == 0 {
			return false
		}
		r.Times--
		return r.Times == 0
	})
	return f
}

// take returns what is to hit a packet while it is executed and answered.
func (t *faultTable) take(r *request) faults {
	return t.use(func(x Rule) bool { return x.Fault != FaultSubmitBusy && x.Fault != FaultStall && x.matches(r) })
}

// stalled reports an iLO that takes no packets of an operation.
func (t *faultTable) stalled(op Op) bool {
	return slices.ContainsFunc(t.list(), func(x Rule) bool { return x.Fault == FaultStall && (x.Op == "" || x.Op == op) })
}

// deafening are the faults with which a host cannot do anything, if they hit every
// packet.
var deafening = []Fault{
	FaultOpenBusy, FaultSubmitBusy, FaultStall, FaultCode, FaultRefuse, FaultDropRequest, FaultDropAnswer,
	FaultWrongSequence, FaultWrongCommand, FaultWrongSize, FaultTruncate, FaultGarbage,
}

// deaf reports an iLO in which a host cannot delete anything.
func (t *faultTable) deaf() bool {
	return slices.ContainsFunc(t.list(), func(x Rule) bool {
		return slices.Contains(deafening, x.Fault) && x.Op == "" && x.Method == "" && x.Path == "" && x.Skip == 0 && x.Times == 0 && x.Channels == 0
	})
}

// submit reports whether the handing over of packet is to fail. The method and
// path of a REST by blob are not known yet: rules with one of them spare it.
func (t *faultTable) submit(packet []byte) bool {
	return len(t.use(func(x Rule) bool {
		if x.Fault != FaultSubmitBusy {
			return false
		}
		r := parseRequest(packet)
		if r.op == OpREST && !r.byBlob {
			r.http, _ = parseHTTP(context.Background(), r.data)
		}
		return x.matches(&r)
	})) > 0
}

// open returns how many of the lowest channels are taken by somebody else.
func (t *faultTable) open() (taken int) {
	for _, r := range t.use(func(x Rule) bool { return x.Fault == FaultOpenBusy }) {
		if r.Channels == 0 {
			return maxChannels
		}
		taken = max(taken, r.Channels)
	}
	return taken
}

// faults are the rules that hit one packet.
type faults []Rule

func (f faults) find(x Fault) (Rule, bool) {
	i := slices.IndexFunc(f, func(r Rule) bool { return r.Fault == x })
	if i < 0 {
		return Rule{}, false
	}
	return f[i], true
}

func (f faults) has(x Fault) bool {
	_, ok := f.find(x)
	return ok
}

// code is the code that rule x asks for, or the usual one.
func (f faults) code(x Fault, usual chif.Code) chif.Code {
	if r, ok := f.find(x); ok {
		return r.Code
	}
	return usual
}

func (f faults) delay() time.Duration {
	r, _ := f.find(FaultDelay)
	return time.Duration(r.Duration)
}
