package clients

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/platform/ownedfile"
)

// The files of Options.Dir, which only their owner can read.
const (
	keyFile     = "key"
	limitsFile  = "limits.json" // of SetLimits
	journalFile = "sessions.journal"
	badSuffix   = ".bad" // of what was set aside
)

const (
	maxRecord = 1 << 20 // bytes of a line of the journal
	// The journal is rewritten when this many bytes were appended, and more than
	// it had.
	rewriteAfter = 1 << 20
	// retryAfter is how long nothing is written after a write that failed.
	retryAfter = time.Minute
)

// record is a line of the journal: a change of what survives. Exactly one field
// is set.
type record struct {
	Session    *stored  `json:",omitempty"` // made or changed
	Expired    string   `json:",omitempty"` // an id
	Terminated []string `json:",omitempty"` // ids
	Version    uint64   `json:",omitempty"`
}

// stored is a session in the journal.
type stored struct {
	api.Session
	Compatible bool `json:",omitempty"`
}

// journal is the file of records, guarded by Registry.disk. A line is lost if the machine loses its power,
// not if the agent is killed.
type journal struct {
	dir      string
	out      *os.File // nil: rewrite first
	size     int      // bytes after the last rewrite
	appended int      // bytes since
	retry    time.Time
	before   func(base string) // called before a file is replaced; tests let it wait
}

func (j *journal) file(name string) string { return filepath.Join(j.dir, name) }

// encode makes a line of a record: its checksum and its JSON.
func (rec *record) encode(out []byte) []byte {
	b, err := json.Marshal(rec)
	if err != nil {
		panic(err) // it has nothing that cannot be encoded
	}
	return fmt.Appendf(out, "%08x %s\n", crc32.ChecksumIEEE(b), b)
}

// decode is the reverse of encode. ok is false for what encode did not make.
func (rec *record) decode(line []byte) (ok bool) {
	sum, text, found := bytes.Cut(line, []byte(" "))
	text = bytes.TrimSuffix(text, []byte("\n"))
	return found && len(line) <= maxRecord &&
		string(sum) == fmt.Sprintf("%08x", crc32.ChecksumIEEE(text)) && json.Unmarshal(text, rec) == nil
}

func encoded(all []record) (b []byte) {
	for i := range all {
		b = all[i].encode(b)
	}
	return b
}

func (j *journal) append(all []record) error {
	if j.out == nil {
		return fs.ErrClosed
	}
	n, err := j.out.Write(encoded(all))
	j.appended += n
	return err
}

// rewrite replaces the journal by one of the records.
func (j *journal) rewrite(all []record) error {
	b := encoded(all)
	if err := errors.Join(j.close(), j.replace(journalFile, b, false)); err != nil {
		return err
	}
	out, err := ownedfile.Open(j.file(journalFile), os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return err
	}
	j.out, j.size, j.appended = out, len(b), 0
	return nil
}

func (j *journal) close() error {
	if j.out == nil {
		return nil
	}
	out := j.out
	j.out = nil
	return out.Close()
}

// replace gives a file new content.
func (j *journal) replace(base string, content []byte, durable bool) error {
	if j.before != nil {
		j.before(base)
	}
	return ownedfile.Replace(j.file(base), content, 0o600, durable)
}

// write notes a record of what has just changed for the journal.
func (r *Registry) write(rec record) {
	if r.journal != nil {
		r.unwritten = append(r.unwritten, rec)
	}
}

// flush writes what is noted, and returns when that is done, by whomever. What
// cannot be written now is written by a later rewrite. It is called without mu.
func (r *Registry) flush() {
	r.disk.Lock()
	defer r.disk.Unlock()
	r.mu.Lock()
	j, all := r.journal, r.unwritten
	r.unwritten = nil
	r.mu.Unlock()
	if j == nil || len(all) == 0 || r.o.Now().Before(j.retry) {
		return
	}
	err := j.append(all)
	if err == nil && j.appended <= max(rewriteAfter, j.size) {
		return
	}
	if err := j.rewrite(r.state()); err != nil {
		r.o.Log.WithError(err).Warn("the journal of the client sessions cannot be written")
		j.retry = r.o.Now().Add(retryAfter)
	}
}

func (r *Registry) stored(s *session) *stored { return &stored{r.snapshot(s), s.compatible} }

// state returns the records of all that survives, and counts them as written.
func (r *Registry) state() []record {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := []record{{Version: r.version}}
	if ids := r.terminated.all(); len(ids) > 0 {
		all = append(all, record{Terminated: ids})
	}
	for s := range sessions(&r.byAge) {
		s.saved = s.Used
		all = append(all, record{Session: r.stored(s)})
	}
	r.unwritten = nil
	return all
}

// restore takes over what is in the directory, and writes it anew. It returns
// the key, which is secret if there was none. It fails if the directory cannot
// be written.
func (r *Registry) restore(secret []byte) ([]byte, error) {
	j := &journal{dir: r.o.Dir}
	if err := ownedfile.MakePrivate(j.dir, 0o700); err != nil {
		return nil, err
	}
	switch key := r.read(j.file(keyFile)); {
	case len(key) == keySize:
		secret = key
	default:
		if key != nil {
			r.setAside(j.file(keyFile), "it is not a key")
		}
		if err := j.replace(keyFile, secret, true); err != nil {
			return nil, err
		}
	}
	if b := r.read(j.file(limitsFile)); b != nil {
		if err := r.restoreLimits(b); err != nil {
			r.setAside(j.file(limitsFile), err.Error())
		}
	}
	if damaged := r.replay(r.read(j.file(journalFile))); damaged > 0 {
		r.setAside(j.file(journalFile), fmt.Sprintf("%d lines cannot be read", damaged))
	}
	if err := j.rewrite(r.state()); err != nil {
		return nil, err
	}
	r.journal = j
	return secret, nil
}

// read is the content of a file, nil if there is none.
func (r *Registry) read(name string) []byte {
	b, err := ownedfile.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.setAside(name, err.Error())
		return nil
	}
	return b
}

// setAside gives a file that cannot be read another name.
func (r *Registry) setAside(name, why string) {
	err := ownedfile.Rename(name, filepath.Base(name)+badSuffix)
	log := r.o.Log.WithFields(logrus.Fields{"file": name, "why": why})
	if err != nil {
		log = log.WithError(err)
	}
	log.Warn("a file of the client sessions is set aside")
}

// replay makes the sessions of a journal live and returns how many lines of it
// it cannot read.
func (r *Registry) replay(content []byte) (damaged int) {
	all := map[string]*session{}
	for line := range bytes.Lines(content) {
		if !bytes.ContainsFunc(line, unicode.IsControl) {
			break // a kill has cut it short: nobody was told that it was done
		}
		var rec record
		if !rec.decode(line) {
			damaged++
			continue
		}
		r.version = max(r.version, rec.Version)
		delete(all, rec.Expired)
		for _, id := range rec.Terminated {
			delete(all, id)
			r.terminated.add(id)
		}
		if rec.Session == nil {
			continue
		}
		switch s := rec.Session.restore(r.o.Now()); {
		case s != nil && strings.HasPrefix(s.Owner, accountPrefix):
			// It has expired: the login of an account is a new one at each start, and
			// somebody else may have had the port in between.
		case s != nil && !r.terminated.has(s.ID):
			r.version = max(r.version, s.Version)
			all[s.ID] = s
		default:
			damaged++
		}
	}
	found := slices.SortedFunc(maps.Values(all), func(a, b *session) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	for _, s := range found {
		r.add(s)
	}
	slices.SortStableFunc(found, func(a, b *session) int { return a.Used.Compare(b.Used) })
	for _, s := range found {
		r.byUse.MoveToBack(s.use)
	}
	return damaged
}

// restore makes a session of a stored one, nil if it cannot be one. A time in
// the future, by a clock that was wrong, becomes the present.
func (s *stored) restore(now time.Time) *session {
	if !validID(s.ID) || s.Owner == "" || checkVariables(&s.Variables) != nil {
		return nil
	}
	s.Holds, s.InUse = "", 0
	if s.Used.After(now) {
		s.Used = now
	}
	if s.Created.After(s.Used) {
		s.Created = s.Used
	}
	return &session{Session: s.Session, compatible: s.Compatible, saved: s.Used}
}
