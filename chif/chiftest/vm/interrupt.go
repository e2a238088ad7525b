//go:build linux

package vm

import (
	"bufio"
	"fmt"
	"net"
	"strings"
)

// interruptController is QEMU's name of the I/O APIC of the machine "pc".
const interruptController = "/machine/i440fx/ioapic"

// interruptLine drives an interrupt pin through QEMU's qtest protocol: the
// irqfds of x-pci-proxy-dev do nothing without KVM (PROTOCOL.md §10). No other
// device may use the pin.
type interruptLine struct {
	conn    net.Conn
	replies *bufio.Reader
}

func newInterruptLine(conn net.Conn) *interruptLine {
	return &interruptLine{conn: conn, replies: bufio.NewReader(conn)}
}

// set returns when the guest's interrupt controller has the new level.
func (l *interruptLine) set(pin byte, level bool) error {
	bit := 0
	if level {
		bit = 1
	}
	_, err := fmt.Fprintf(l.conn, "set_irq_in %s unnamed-gpio-in %d %d\n", interruptController, pin, bit)
	if err != nil {
		return fmt.Errorf("interrupt line: %w", err)
	}
	reply, err := l.replies.ReadString('\n')
	if err != nil {
		return fmt.Errorf("interrupt line: %w", err)
	}
	if !strings.HasPrefix(reply, "OK") {
		return fmt.Errorf("interrupt line: qtest answered %q", strings.TrimSpace(reply))
	}
	return nil
}
