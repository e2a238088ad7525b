package clients

import (
	"bytes"
	"compress/flate"
	"io"
	"slices"
	"sync"
)

// packed is a part of an answer, compressed if that makes it smaller.
type packed struct {
	bytes []byte
	size  int // without compression
}

// packers are kept because each is most of a megabyte.
var packers = sync.Pool{New: func() any {
	z, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is valid
	return z
}}

func pack(body []byte) packed {
	var out bytes.Buffer
	z := packers.Get().(*flate.Writer)
	defer packers.Put(z)
	z.Reset(&out)
	_, _ = z.Write(body) // a bytes.Buffer takes everything
	_ = z.Close()
	if out.Len() < len(body) {
		return packed{slices.Clone(out.Bytes()), len(body)}
	}
	return packed{body, len(body)}
}

// unpacking is the body of an answer that is made as it is read.
type unpacking struct {
	parts []packed // that are still to come
	plain bytes.Reader
	left  int       // bytes of the part in hand
	in    io.Reader // of that
	z     io.Reader // nil before the first part that is compressed
}

func (u *unpacking) length() (n int) {
	for _, p := range u.parts {
		n += p.size
	}
	return n
}

// Read unpacks no more than is asked for.
func (u *unpacking) Read(b []byte) (int, error) {
	for u.left == 0 {
		if len(u.parts) == 0 {
			return 0, io.EOF
		}
		u.start(u.parts[0])
		u.parts[0] = packed{}
		u.parts = u.parts[1:]
	}
	n, err := u.in.Read(b[:min(len(b), u.left)])
	if u.left -= n; err == io.EOF && u.left > 0 {
		return n, io.ErrUnexpectedEOF
	} else if err == io.EOF {
		err = nil
	}
	return n, err
}

func (u *unpacking) start(p packed) {
	u.left = p.size
	u.plain.Reset(p.bytes)
	switch reset, _ := u.z.(flate.Resetter); {
	case len(p.bytes) == p.size:
		u.in = &u.plain
		return
	case reset == nil:
		u.z = flate.NewReader(&u.plain)
	default:
		_ = reset.Reset(&u.plain, nil) // which cannot fail
	}
	u.in = u.z
}

// Close ends it.
func (u *unpacking) Close() error {
	u.parts, u.left = nil, 0
	return nil
}

// Document tells that the answer counts its memory by itself.
func (u *unpacking) Document() any { return nil }
