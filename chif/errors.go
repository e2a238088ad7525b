package chif

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// What a caller may branch on. Every error of this package matches at most one
// of the first group: what went wrong. The second group says, in addition, what
// became of the request; an error matches at most one of that, too.
var (
	// ErrNoDevice: this host offers no CHIF channel. The error is a
	// *NoDeviceError that says why.
	ErrNoDevice = errors.New("no iLO channel on this host")
	// ErrUnsupportedPlatform: this build has no driver for CHIF on this
	// operating system.
	ErrUnsupportedPlatform = errors.New("iLO channels are not supported on this platform")
	// ErrPermission: the channel nodes exist and this user may not open them.
	ErrPermission = errors.New("no permission to open an iLO channel")
	// ErrBusy: every channel is taken, or the iLO is resetting and serves none
	// (hpilo.c ilo_open answers EBUSY to both).
	ErrBusy = errors.New("all iLO channels are busy")
	// ErrReset: the iLO was reset, or the channel's other end went away, while
	// a channel was open.
	ErrReset = errors.New("the iLO was reset")
	// ErrRefused: the iLO answered a command with 0xFFFF, "Bad command"
	// (PROTOCOL.md §1): security state, host authentication, or a command
	// that it does not know.
	ErrRefused = errors.New("the iLO refused the command")
	// ErrCredentialsRequired: the security state or RequireHostAuthentication
	// asks host software for credentials (PROTOCOL.md §7).
	ErrCredentialsRequired = errors.New("the iLO requires credentials from host software")
	// ErrProtocol: an answer broke the rules of CHIF, BlobStore2 or HTTP.
	ErrProtocol = errors.New("protocol violation by the iLO")
	// ErrTimeout: the iLO did not answer in time. The error also matches
	// context.DeadlineExceeded. Where a deadline passes while all channels are
	// busy, the error is ErrBusy and context.DeadlineExceeded.
	ErrTimeout = errors.New("the iLO did not answer in time")
	// ErrTooLarge: a request or an answer exceeds a limit of this package.
	ErrTooLarge = errors.New("too large for the iLO channel")
	// ErrInvalidRequest: the request cannot be put on the channel as it is.
	ErrInvalidRequest = errors.New("invalid request")
	// ErrClosed: the channel, pool or transport was closed by its owner.
	ErrClosed = errors.New("closed")

	// ErrNotSent: the iLO has certainly not acted on the request, so that even a
	// POST may be tried again. On an error of a Channel or Conn it speaks of the
	// one packet, on one of a Transport of the whole HTTP request.
	ErrNotSent = errors.New("nothing was sent")
	// ErrOutcomeUnknown: a POST, PATCH, PUT or DELETE was handed to the iLO, and
	// what became of it is not known. It was not and must not be sent again
	// blindly.
	ErrOutcomeUnknown = errors.New("the outcome of the request is unknown")
)

// OpError is an error of one step on one channel.
type OpError struct {
	Op      string // the step: "open", "STATUS", "REST", "READ", …
	Channel string // the channel's name, empty before one is open
	Err     error
}

func (e *OpError) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Channel != "" {
		b.WriteString(" on " + e.Channel)
	}
	return b.String() + ": " + e.Err.Error()
}

func (e *OpError) Unwrap() error { return e.Err }

// notSent adds to err, of a packet, the promise of ErrNotSent.
func notSent(err error) error { return &unsentError{err} }

type unsentError struct{ err error }

func (e *unsentError) Error() string        { return e.err.Error() }
func (e *unsentError) Unwrap() error        { return e.err }
func (e *unsentError) Is(target error) bool { return target == ErrNotSent }

// contextError turns the end of a context into our own words; the context's
// error stays in the chain.
func contextError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	return err
}

// requestError is the error of an HTTP request. It has no Unwrap: what the
// errors within promise of their packet does not hold for the request, and only
// fate tells.
type requestError struct {
	method, path string
	fate         fate
	err          error
}

func (e *requestError) Error() string {
	s := e.method + " " + e.path + ": "
	if e.fate == unknown && !idempotent(e.method) {
		s += ErrOutcomeUnknown.Error() + ": "
	}
	return s + e.err.Error()
}

// Is reports the request's fate, and anything else that the cause matches.
func (e *requestError) Is(target error) bool {
	switch target {
	case ErrNotSent:
		return e.fate == unsent
	case ErrOutcomeUnknown:
		return e.fate == unknown && !idempotent(e.method)
	}
	return errors.Is(e.err, target)
}

func (e *requestError) As(target any) bool { return errors.As(e.err, target) }

// Timeout makes the error that of a net.Error, as net/http's callers expect.
func (e *requestError) Timeout() bool {
	return errors.Is(e.err, ErrTimeout) || errors.Is(e.err, context.DeadlineExceeded)
}

// Temporary is the rest of net.Error.
func (e *requestError) Temporary() bool { return e.Timeout() }
