package transaction

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/platform/ownedfile"
)

// A journal has one record a line. The last line may be torn: what it was about
// to say had not happened yet.
type record struct {
	Begin   *beginning  `json:",omitempty"`
	Sending int         `json:",omitempty"` // number of the step
	At      time.Time   `json:",omitzero"`  // when it is sent
	Done    *step       `json:",omitempty"`
	End     *api.Result `json:",omitempty"` // of a recovery
}

// beginning is the first record.
type beginning struct {
	Session string
	Time    time.Time
	Key     []byte // of the HMACs
	Steps   []*step
}

// Names of files in the directory.
const (
	journalSuffix = ".journal"
	damagedSuffix = ".damaged"
)

// journal is the file of one commit; nil keeps none.
type journal struct {
	name string
	file *os.File
	size int64
}

func (m *Manager) createJournal() (*journal, error) {
	if m.o.Dir == "" {
		return nil, nil
	}
	name := filepath.Join(m.o.Dir, rand.Text()+journalSuffix)
	f, err := ownedfile.Create(name, 0o600)
	if err != nil {
		return nil, err
	}
	return &journal{name: name, file: f}, nil
}

// append returns when the record is on the disk. What is written of one that
// fails is overwritten by the next.
func (j *journal) append(r record) error {
	if j == nil {
		return nil
	}
	if r.Done != nil { // the iLO's complaint may quote the value
		quiet := *r.Done
		quiet.Error = quiet.Kept
		r.Done = &quiet
	}
	if r.End != nil {
		quiet := *r.End
		quiet.Writes = slices.Clone(quiet.Writes)
		for i := range quiet.Writes {
			quiet.Writes[i].Error = quiet.Writes[i].Kept
		}
		r.End = &quiet
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if _, err := j.file.WriteAt(line, j.size); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return err
	}
	if j.size == 0 {
		_ = ownedfile.Sync(filepath.Dir(j.name)) // the record is there all the same
	}
	j.size += int64(len(line))
	return nil
}

// close keeps the file.
func (j *journal) close() {
	if j != nil {
		_ = j.file.Close() // everything is synced
	}
}

// remove is for a commit whose result is known to its client, or which has not
// begun.
func (j *journal) remove() error {
	if j == nil {
		return nil
	}
	j.close()
	return ownedfile.Remove(j.name)
}

// errNotBegun: the commit was cut off before it sent anything.
var errNotBegun = errors.New("the commit had not begun")

// readJournal reads what a journal tells in its first size bytes; end is the
// result of a recovery, if there was one already.
func readJournal(name string) (b *beginning, end *api.Result, size int64, err error) {
	data, err := ownedfile.ReadFile(name)
	if err != nil {
		return nil, nil, 0, err
	}
	for {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		if !whole && b == nil {
			return nil, nil, 0, errNotBegun
		}
		var r record
		err := json.Unmarshal(line, &r)
		switch {
		case b == nil && (err != nil || !r.Begin.valid()):
			return nil, nil, 0, fmt.Errorf("%s: its first record makes no sense", name)
		case !whole || err != nil:
			return b, end, size, nil
		case b == nil:
			b = r.Begin
		case r.Sending > 0 && r.Sending <= len(b.Steps):
			b.Steps[r.Sending-1].Outcome = api.OutcomeUnknown
			if r.At.Before(time.Now()) { // else a clock was set
				b.Steps[r.Sending-1].sent = r.At
			}
		case r.Done != nil && r.Done.Number > 0 && r.Done.Number <= len(b.Steps):
			r.Done.sent = b.Steps[r.Done.Number-1].sent
			b.Steps[r.Done.Number-1] = r.Done
		case r.End != nil:
			end = r.End
		}
		data = rest
		size += int64(len(line)) + 1
	}
}

func (b *beginning) valid() bool {
	if b == nil {
		return false
	}
	for i, s := range b.Steps {
		if s == nil || s.Number != i+1 {
			return false
		}
	}
	return true
}
