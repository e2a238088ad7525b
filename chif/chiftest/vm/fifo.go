//go:build linux

package vm

import "fmt"

// A FIFO entry (PROTOCOL.md §10, hpilo.h ENTRY_*).
const (
	entryLength    = 0x3ff // length in 8-byte words
	entryConsumed  = 1 << 22
	entryOccupied  = 1 << 23
	descriptorRoom = 512 // 8-byte words of a descriptor
	descriptorSize = descriptorRoom * 8
)

func entryDescriptor(entry uint64) uint64 { return entry >> 10 & 0xfff }

// fifo is one direction of a channel as the device sees it: a ring of entries
// in guest memory that the driver occupies and the device consumes in order.
type fifo struct {
	memory      *memory
	entries     uint64 // guest physical address of entry 0
	descriptors uint64 // guest physical address of the descriptor area
	mask, next  uint64
}

// newFIFO reads one half of a channel control block: address of the entries,
// address of the descriptors, control word.
func newFIFO(m *memory, entries, descriptors, control uint64) (fifo, error) {
	if size := control & 0xf; size != 12 {
		return fifo{}, fmt.Errorf("the driver asks for descriptors of 1<<%d bytes", size)
	}
	return fifo{memory: m, entries: entries, descriptors: descriptors, mask: control >> 4 & 0x3fff}, nil
}

// peek returns the next occupied entry and its descriptor, or ok false.
func (q *fifo) peek() (entry uint64, descriptor []byte, ok bool, err error) {
	word, err := q.memory.word(q.entries + (q.next&q.mask)*8)
	if err != nil {
		return 0, nil, false, err
	}
	entry = word.Load()
	if entry&entryOccupied == 0 || entry&entryConsumed != 0 {
		return 0, nil, false, nil
	}
	descriptor, err = q.memory.at(q.descriptors+entryDescriptor(entry)*descriptorSize, descriptorSize)
	return entry, descriptor, err == nil, err
}

// consume gives the peeked entry back to the driver with a length in 8-byte
// words; O, descriptor and generation count stay.
func (q *fifo) consume(entry uint64, words int) error {
	word, err := q.memory.word(q.entries + (q.next&q.mask)*8)
	if err != nil {
		return err
	}
	word.Store(entry&^entryLength | uint64(words) | entryConsumed)
	q.next++
	return nil
}

// take moves packets from the driver to accept until the queue is empty or
// accept refuses one, which then stays in the queue; it reports whether the
// queue was emptied. An entry goes back with the room of its descriptor as
// its length: the driver limits the next write to it (hpilo.c ilo_write).
func (q *fifo) take(accept func(packet []byte) bool) (empty bool, err error) {
	for {
		entry, descriptor, ok, err := q.peek()
		if err != nil || !ok {
			return err == nil, err
		}
		n := int(entry&entryLength) * 8
		if n > descriptorSize {
			return false, fmt.Errorf("the driver queued a packet of %d bytes", n)
		}
		// Length 0 is the driver's offer of a descriptor at open.
		if n > 0 && !accept(append([]byte(nil), descriptor[:n]...)) {
			return false, nil
		}
		if err := q.consume(entry, descriptorRoom); err != nil {
			return false, err
		}
	}
}

// put hands a packet to the driver; false: the driver offers no room now.
func (q *fifo) put(packet []byte) (bool, error) {
	if len(packet) > descriptorSize {
		return false, fmt.Errorf("an answer of %d bytes does not fit a descriptor", len(packet))
	}
	entry, descriptor, ok, err := q.peek()
	if err != nil || !ok {
		return false, err
	}
	words := (len(packet) + 7) / 8
	clear(descriptor[copy(descriptor, packet) : words*8])
	return true, q.consume(entry, words)
}
