package chiftest

import (
	"context"
	"sync"
	"time"

	"github.com/ilod/ilod/chif"
)

const (
	// volatileLife is how long an iLO keeps a blob outside namespace "perm"
	// (PROTOCOL.md §2: about an hour, an experiment of uefisettings).
	volatileLife = time.Hour
	persistent   = "perm"
)

type blob struct {
	data      []byte
	finalized bool
	excused   bool // the host may leave it: a fault refused its deletion
	tainted   bool // a fault forged a code for it: the host cannot know what it holds
	touched   time.Time
}

// blobStore holds the blobs of one iLO, with the rules of PROTOCOL.md §9.
type blobStore struct {
	limit int // bytes of all blobs together

	mu    sync.Mutex
	blobs map[blobName]*blob
	total int
}

func newBlobStore(limit int) *blobStore {
	return &blobStore{limit: limit, blobs: map[blobName]*blob{}}
}

// get purges what is too old and looks up one blob; the caller holds mu.
func (s *blobStore) get(n blobName) *blob {
	for name, b := range s.blobs {
		if name.namespace != persistent && time.Since(b.touched) > volatileLife {
			s.drop(name)
		}
	}
	return s.blobs[n]
}

func (s *blobStore) drop(n blobName) {
	if b := s.blobs[n]; b != nil {
		s.total -= len(b.data)
		delete(s.blobs, n)
	}
}

// create makes an empty blob; existing is the code for a name that is taken. An iLO
// whose boot has ended while it was at work stores nothing any more.
func (s *blobStore) create(boot context.Context, n blobName, existing chif.Code) chif.Code {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.get(n) != nil {
		return existing
	}
	if boot.Err() != nil {
		return chif.CodeNotFound
	}
	s.blobs[n] = &blob{touched: time.Now()}
	return chif.CodeSuccess
}

func (s *blobStore) write(n blobName, offset uint32, data []byte) chif.Code {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.get(n)
	switch {
	case b == nil:
		return chif.CodeNotFound
	case b.finalized:
		return chif.CodeReadOnly
	case uint64(offset) != uint64(len(b.data)):
		return chif.CodeBadParameter
	case s.total+len(data) > s.limit:
		return chif.CodeTooLarge
	}
	b.data = append(b.data, data...)
	b.touched = time.Now()
	s.total += len(data)
	return chif.CodeSuccess
}

func (s *blobStore) finalize(n blobName) chif.Code {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.get(n)
	if b == nil {
		return chif.CodeNotFound
	}
	b.finalized = true
	return chif.CodeSuccess
}

// read returns at most count bytes from offset on and the blob's whole size in
// bytes; nothing past the end. The bytes are shared and must not be changed.
func (s *blobStore) read(n blobName, offset, count uint32) (data []byte, size int, code chif.Code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.get(n)
	if b == nil {
		return nil, 0, chif.CodeNotFound
	}
	end := uint64(len(b.data))
	from := min(uint64(offset), end)
	return b.data[from:min(from+uint64(count), end)], len(b.data), chif.CodeSuccess
}

// request returns a finalized blob: the HTTP request of a REST by blob.
func (s *blobStore) request(n blobName) ([]byte, chif.Code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.get(n); b != nil && b.finalized {
		return b.data, chif.CodeSuccess
	}
	return nil, chif.CodeNotFound
}

// put stores a finished blob in place of one that has the name.
func (s *blobStore) put(boot context.Context, n blobName, data []byte) chif.Code {
	s.mu.Lock()
	defer s.mu.Unlock()
	if boot.Err() != nil {
		return chif.CodeNotFound
	}
	s.get(n)
	s.drop(n)
	if s.total+len(data) > s.limit {
		return chif.CodeTooLarge
	}
	s.blobs[n] = &blob{data: data, finalized: true, touched: time.Now()}
	s.total += len(data)
	return chif.CodeSuccess
}

// delete removes a blob; missing is the code for one that is not there.
func (s *blobStore) delete(n blobName, missing chif.Code) chif.Code {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.get(n) == nil {
		return missing
	}
	s.drop(n)
	return chif.CodeSuccess
}

// reset drops what an iLO reset loses: every blob outside namespace "perm".
func (s *blobStore) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.blobs {
		if n.namespace != persistent {
			s.drop(n)
		}
	}
}

// excuse says that the host may leave a blob.
func (s *blobStore) excuse(n blobName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.blobs[n]; b != nil {
		b.excused = true
	}
}

// taint says that the host cannot know what a blob holds.
func (s *blobStore) taint(n blobName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.blobs[n]; b != nil {
		b.tainted = true
	}
}

func (s *blobStore) isTainted(n blobName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.blobs[n]
	return b != nil && b.tainted
}

// left counts the blobs that the host should have deleted.
func (s *blobStore) left() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.get(blobName{})
	for name, b := range s.blobs {
		if name.namespace != persistent && !b.excused {
			n++
		}
	}
	return n
}

func (s *blobStore) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.get(blobName{})
	return len(s.blobs)
}
