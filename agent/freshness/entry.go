package freshness

import (
	"container/list"
	"encoding/binary"
	"net/http"
	"strings"
	"sync"
	"time"
	"weak"
)

// entry is what the index knows about one answer that is kept; its document is
// in the store, and as long as it is used in memory too.
type entry struct {
	key, path string
	class     Class
	status    int
	etag      string
	epoch     uint64
	wall      int64     // when it was read, Unix time in nanoseconds
	fetched   time.Time // the same by the monotonic clock of this process
	validated time.Time // the same, or when the last sweep that renewed it was sent
	unsettled bool      // something that was asked for may not have happened yet
	outline

	listed    bool // the directory listed its resource when it was asked last
	renewable bool // and a sweep would have renewed the entry

	doc   *document     // nil: only in the store
	place *list.Element // in Cache.hot, or in Cache.refused for refusals, which are in memory alone

	fetching sync.Mutex             // held while the document is read from the store
	given    weak.Pointer[document] // what was read then, as long as somebody has it
}

// outline is what sweeps and writes have to know of a body.
type outline struct {
	collection bool
	members    []uint64 // hashes of the paths of a collection's members, sorted
	twin       uint64   // hash of the path of @Redfish.Settings' SettingsObject; 0: none
}

func (e *entry) negative() bool { return e.status != http.StatusOK }

func (e *entry) query() bool { return strings.IndexByte(e.key, '?') >= 0 }

// What is stored: version and flags, a byte each; status, u16; epoch, time of
// reading and hash of the settings twin, u64 each, little endian; hashes of the
// members and header fields, each with a uvarint count, strings with a uvarint
// length; the rest is the body.
const envelopeVersion = 1

const (
	flagGzip       = 1 << iota // the body is gzip as the iLO sent it
	flagDeflated               // the body was made gzip here
	flagCollection             // the resource is a collection
	flagUnsettled              // entry.unsettled
)

// packed is a body as it is stored.
type packed struct {
	body  []byte
	flags byte
}

// pack deflates a body if that makes it smaller: inflating gives back the same
// bytes.
func pack(d *document) packed {
	if d.gzip {
		return packed{d.body, flagGzip}
	}
	if z := deflate(d.body); len(z) < len(d.body) {
		return packed{z, flagDeflated}
	}
	return packed{d.body, 0}
}

// encode makes the stored form of an entry and its document.
func encode(e *entry, d *document, p packed) []byte {
	body, flags := p.body, p.flags
	if e.collection {
		flags |= flagCollection
	}
	if e.unsettled {
		flags |= flagUnsettled
	}
	b := make([]byte, 0, len(body)+512+8*len(e.members))
	b = append(b, envelopeVersion, flags)
	b = binary.LittleEndian.AppendUint16(b, uint16(d.status))
	b = binary.LittleEndian.AppendUint64(b, e.epoch)
	b = binary.LittleEndian.AppendUint64(b, uint64(e.wall))
	b = binary.LittleEndian.AppendUint64(b, e.twin)
	b = binary.AppendUvarint(b, uint64(len(e.members)))
	for _, m := range e.members {
		b = binary.LittleEndian.AppendUint64(b, m)
	}
	b = binary.AppendUvarint(b, uint64(len(d.header)))
	for name, values := range d.header {
		b = appendString(b, name)
		b = binary.AppendUvarint(b, uint64(len(values)))
		for _, v := range values {
			b = appendString(b, v)
		}
	}
	return append(b, body...)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decode reads the stored form of the entry at key. The document has no time of
// reading; its body and the header but for the ETag are set only on demand, and the
// body may be a part of b.
func decode(key string, b []byte, withBody bool) (*entry, *document, error) {
	r := reader{b: b}
	version, flags := r.byte(), r.byte()
	e := &entry{key: key, path: pathOf(key), status: int(r.uint(2))}
	e.epoch, e.wall, e.twin = r.uint(8), int64(r.uint(8)), r.uint(8)
	e.collection, e.unsettled = flags&flagCollection != 0, flags&flagUnsettled != 0
	for range r.count(8) {
		e.members = append(e.members, r.uint(8))
	}
	d := &document{status: e.status, header: http.Header{}, gzip: flags&flagGzip != 0}
	for range r.count(2) {
		name := r.take(r.count(1))
		for range r.count(1) {
			value := r.take(r.count(1))
			if withBody || string(name) == "Etag" { // a start reads them all
				d.header[string(name)] = append(d.header[string(name)], string(value))
			}
		}
	}
	if r.bad || version != envelopeVersion || e.status != http.StatusOK {
		return nil, nil, errEnvelope
	}
	e.etag = d.header.Get("ETag")
	d.etag = e.etag
	e.class, _ = classify(e.path)
	if !withBody {
		return e, d, nil
	}
	d.body = r.b
	if flags&flagDeflated != 0 {
		var err error
		if d.body, err = inflate(r.b); err != nil {
			return nil, nil, err
		}
	}
	d.tag = validator(d.etag, d.body)
	return e, d, nil
}

// reader takes fields off the front of a value; bad is set once it is too short.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return make([]byte, max(0, min(n, 8)))
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte { return r.take(1)[0] }

func (r *reader) uint(n int) (v uint64) {
	for i, c := range r.take(n) {
		v |= uint64(c) << (8 * i)
	}
	return v
}

// count is the number of items that follow, each at least size bytes long.
func (r *reader) count(size int) int {
	n, k := binary.Uvarint(r.b)
	if k <= 0 || n > uint64(len(r.b)/size) {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[k:]
	return int(n)
}
