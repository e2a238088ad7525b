package chiftest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// maxChannels is the hardware's limit (PROTOCOL.md §5).
const maxChannels = 32

// Options configures a Server. The zero value is an iLO 5 in Production with
// 16 channels and the built-in tree.
type Options struct {
	// Handler is the Redfish service; nil: redfish.New with the generated tree.
	// With one of those, or a handler that embeds one, a reset of either resets
	// both, and Stats, Check and Control cover its sessions. Each request carries
	// RemoteAddr InBand.
	Handler http.Handler
	// MaxChannels is the number of channels: 16 when 0, at most 32.
	MaxChannels int
	// Latency passes before each REST answer, after the request was executed.
	// Each port waits for itself.
	Latency time.Duration
	// Status is the answer to SMIF 0x0002 and 0x0139; nil: DefaultStatus.
	Status *chif.Status
	// StatusLen is the size in bytes of the answer to SMIF 0x0002: 12 to 100; 100
	// when 0. HPE's library takes answers of 12 and 72 bytes as well.
	StatusLen int
	// BlobLimit bounds all blobs together in bytes; 4 MiB when 0. What a real iLO
	// has is not known.
	BlobLimit int
	// Serial executes the REST requests of all channels one after the other. Which
	// an iLO does is not known; a host must bear both.
	Serial bool
	// Settle is how long a host must leave a channel alone after its open; not
	// checked when 0.
	Settle time.Duration
	// Allow are rules for hosts that may be broken. See also Faults.
	Allow []HostRule
	// ResetDelay passes between the answer to a Manager.Reset action and the
	// reset; 100 ms when 0.
	ResetDelay time.Duration
	// ResetDown is how long channels cannot be opened after a Manager.Reset
	// action; 1 s when 0.
	ResetDown time.Duration
}

// Server is a simulated iLO.
type Server struct {
	options Options
	redfish service // the handler, if it is one; else nil
	blobs   *blobStore
	faults  faultTable

	life      context.Context // ends with Close
	cancel    context.CancelFunc
	wg        sync.WaitGroup
	resetting atomic.Bool   // a Manager.Reset action was answered
	turn      chan struct{} // holds a token while a REST request is executed

	mu         sync.Mutex
	boot       context.Context // ends with the next reset
	bootCancel context.CancelFunc
	ports      map[int]*Port
	downUntil  time.Time
	onReset    map[int]func()
	nextNotify int
	closers    []func() error // of the listeners
	leaked     []string       // the channels that were open when Close was called
	closed     bool
	packets    map[Op]int64
	maxOpen    int
	refused    int
	late       map[int][][]byte // answers to hosts that left, for the next owners of their channels
	allow      []HostRule       // of the faults in force
	offences   offences
}

// service is a *redfish.Service or a handler that embeds one.
type service interface {
	Reset()
	OnReset(func())
	Check() error
	Now() time.Time
	SetClock(time.Time)
	Sessions() []redfish.Session
	Stats() redfish.Stats
	Faults() redfish.Faults
	SetFaults(redfish.Faults) error
}

// NewServer starts a simulated iLO; the caller must Close it.
func NewServer(o Options) (*Server, error) {
	if o.Handler == nil {
		svc, err := redfish.New(redfish.Options{})
		if err != nil {
			return nil, err
		}
		o.Handler = svc
	}
	if o.MaxChannels == 0 {
		o.MaxChannels = 16
	}
	if o.MaxChannels < 1 || o.MaxChannels > maxChannels {
		return nil, fmt.Errorf("an iLO has 1 to %d channels, not %d", maxChannels, o.MaxChannels)
	}
	if o.Status == nil {
		s := DefaultStatus()
		o.Status = &s
	}
	if o.BlobLimit == 0 {
		o.BlobLimit = 4 << 20
	}
	if o.StatusLen == 0 {
		o.StatusLen = statusLen
	}
	if o.StatusLen < 12 || o.StatusLen > statusLen {
		return nil, fmt.Errorf("a status answer has 12 to %d bytes, not %d", statusLen, o.StatusLen)
	}
	if err := validRules(o.Allow); err != nil {
		return nil, err
	}
	if o.ResetDelay == 0 {
		o.ResetDelay = 100 * time.Millisecond
	}
	if o.ResetDown == 0 {
		o.ResetDown = time.Second
	}
	s := &Server{
		options: o,
		blobs:   newBlobStore(o.BlobLimit),
		ports:   map[int]*Port{},
		onReset: map[int]func(){},
		packets: map[Op]int64{},

		turn:     make(chan struct{}, 1),
		late:     map[int][][]byte{},
		offences: offences{},
	}
	s.life, s.cancel = context.WithCancel(context.Background())
	s.boot, s.bootCancel = context.WithCancel(s.life)
	if svc, ok := o.Handler.(service); ok {
		s.redfish = svc
		svc.OnReset(func() { s.resetting.Store(true) })
	}
	return s, nil
}

// New is NewServer for a test: at its end the server is closed and its Check
// must find nothing.
func New(tb testing.TB, o Options) *Server {
	tb.Helper()
	s, err := NewServer(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close the simulated iLO: %v", err)
		}
		if err := s.Check(); err != nil {
			tb.Errorf("left behind on the simulated iLO: %v", err)
		}
	})
	return s
}

// OpenPort opens channel n, or any free one when n is negative. It returns
// syscall.EBUSY when the channel is taken, none is free or the iLO is resetting
// (PROTOCOL.md §5), syscall.ENXIO when there is no such channel, and
// syscall.ENODEV after Close.
func (s *Server) OpenPort(n int) (*Port, error) { return s.openPort(n, nil) }

func (s *Server) openPort(n int, l line) (*Port, error) {
	if n >= s.options.MaxChannels {
		return nil, syscall.ENXIO
	}
	taken := s.faults.open()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, syscall.ENODEV
	}
	free := func(n int) bool { return n >= taken && s.ports[n] == nil }
	if n < 0 {
		for n = 0; n < s.options.MaxChannels && !free(n); n++ {
		}
	}
	if time.Now().Before(s.downUntil) || n == s.options.MaxChannels || !free(n) {
		s.refused++
		return nil, syscall.EBUSY
	}
	p := &Port{
		server: s,
		number: n,
		in:     make(chan []byte, queueLen),
		out:    make(chan []byte, queueLen),
		boot:   s.boot,
		reset:  make(chan struct{}),
		line:   l,
		opened: time.Now(),
	}
	for _, answer := range s.late[n] {
		p.out <- answer
	}
	delete(s.late, n)
	p.life, p.cancel = context.WithCancel(s.boot)
	s.ports[n] = p
	s.maxOpen = max(s.maxOpen, len(s.ports))
	s.wg.Go(p.run)
	return p, nil
}

// Reset is an iLO reset: every port ends, blobs and sessions are gone, and for
// the time down every open is refused.
func (s *Server) Reset(down time.Duration) {
	s.mu.Lock()
	s.downUntil = time.Now().Add(down)
	s.endPorts()
	s.boot, s.bootCancel = context.WithCancel(s.life)
	s.blobs.reset()
	clear(s.late)
	if s.redfish != nil {
		s.redfish.Reset()
	}
	notify := slices.Collect(maps.Values(s.onReset))
	s.mu.Unlock()
	for _, f := range notify {
		f()
	}
}

// endPorts ends what this boot of the iLO runs; the caller holds mu.
func (s *Server) endPorts() {
	for _, p := range s.ports {
		select {
		case <-p.reset:
		default:
			close(p.reset)
		}
		if p.line != nil {
			p.line.hangUp()
		}
	}
	s.bootCancel()
}

// NotifyReset has f called after each reset, until cancel.
func (s *Server) NotifyReset(f func()) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.nextNotify
	s.nextNotify++
	s.onReset[n] = f
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.onReset, n)
	}
}

// Close ends listeners, connections and ports and waits for all of them. What
// the host had not closed by then is remembered for Check.
func (s *Server) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		s.leaked = s.open()
		s.endPorts()
	}
	closers := s.closers
	s.closers = nil
	s.mu.Unlock()
	s.cancel()
	var errs []error
	for _, c := range closers {
		errs = append(errs, c())
	}
	s.wg.Wait()
	return errors.Join(errs...)
}

// open names the channels that the host holds; the caller holds mu.
func (s *Server) open() (names []string) {
	for _, n := range slices.Sorted(maps.Keys(s.ports)) {
		if p := s.ports[n]; p.line == nil || !p.line.hungUp() {
			names = append(names, fmt.Sprintf("channel %d is open", n))
		}
	}
	return names
}
