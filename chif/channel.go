package chif

import "context"

// MaxPacket is the largest CHIF packet in bytes, header included
// (hpilo.h ILOHW_DESC_SZ; PROTOCOL.md §1).
const MaxPacket = 4096

// Channel moves whole packets to and from one open CHIF channel. It is the
// lowest seam of the package: a device node, a packet socket and a simulated
// iLO all look like this.
//
// A Channel belongs to one goroutine at a time; only Close may be called
// concurrently with the other methods.
type Channel interface {
	// Send hands one packet of 8 to MaxPacket bytes to the iLO. When the queue
	// to the iLO is full it waits, at most until ctx ends. An error that wraps
	// ErrNotSent promises that the iLO never saw the packet.
	Send(ctx context.Context, packet []byte) error

	// Receive waits for one packet, stores it in buf, which must hold at least
	// MaxPacket bytes, and returns the number of bytes stored. That number may
	// exceed the packet's own size field: the Linux driver rounds it up to a
	// multiple of 8 (hpilo.c ilo_read).
	Receive(ctx context.Context, buf []byte) (int, error)

	// Close gives the channel back to the host.
	Close() error

	// String names the channel in errors, such as "/dev/hpilo/d0ccb7".
	String() string
}

// Device is a source of channels: the host's CHIF driver, a socket or a
// simulated iLO.
type Device interface {
	// Open makes one attempt to open a channel, trying every free one once. It
	// fails with ErrBusy when none can be had now, and with ErrNoDevice,
	// ErrPermission or ErrUnsupportedPlatform when waiting would not help.
	Open(ctx context.Context) (Channel, error)

	// String is the address, as given to ParseDevice.
	String() string
}
