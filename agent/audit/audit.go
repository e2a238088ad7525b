// Package audit tells what happens to sessions: a line of the log for each event, and
// the last of them from memory.
package audit

import (
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/silent"
)

const (
	// Kept is how many events are remembered.
	Kept = 100
	// again is for how long the same event counts as one, if a client can cause it as
	// often as it likes.
	again = time.Minute
	// maxLines bounds the lines of a minute; the events beyond are counted in the next
	// line.
	maxLines = 10_000
)

// Log has the events. Nil is one that forgets all.
type Log struct {
	log logrus.FieldLogger

	mu      sync.Mutex
	events  [Kept]api.SessionEvent
	written [Kept]time.Time // when the line of the event was written
	total   int             // of all events, the ones that are forgotten too
	minute  time.Time
	lines   int // since then
	skipped int // without a line
}

// New makes a Log that writes to another; nil: to none.
func New(log logrus.FieldLogger) *Log { return &Log{log: silent.Unless(log)} }

// Add tells about an event. An event without a time is one of now.
func (l *Log) Add(e api.SessionEvent) {
	if l == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Time = e.Time.UTC()
	before, write := l.keep(e)
	if !write {
		return
	}
	log := l.log.WithFields(fields(e))
	if before > 0 {
		log = log.WithField("moreBefore", before)
	}
	log.Info(e.String())
}

// keep remembers an event, and decides whether to write a line, and how many events
// before it have none.
func (l *Log) keep(e api.SessionEvent) (before int, write bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.same(e); i >= 0 {
		l.events[i].Time, l.events[i].From = e.Time, e.From
		l.events[i].Times = max(l.events[i].Times, 1) + 1
		l.skipped++
		return 0, false
	}
	i := l.total % Kept
	l.events[i], l.written[i] = e, e.Time
	l.total++
	if d := e.Time.Sub(l.minute); d < 0 || d >= time.Minute {
		l.minute, l.lines = e.Time, 0
	}
	if l.lines >= maxLines {
		l.skipped++
		return 0, false
	}
	l.lines++
	before, l.skipped = l.skipped, 0
	return before, true
}

// same is the index of a remembered event that this one repeats, -1 if there is none.
func (l *Log) same(e api.SessionEvent) int {
	if e.Event != api.SessionRefused && e.Event != api.SessionUsedLate {
		return -1
	}
	for n := range min(l.total, Kept) {
		i := (l.total - 1 - n) % Kept
		old := l.events[i]
		old.Time, old.Times, old.From = e.Time, e.Times, e.From // each command is a process of its own
		if d := e.Time.Sub(l.written[i]); old == e && d >= 0 && d < again {
			return i
		}
	}
	return -1
}

// fields are those of the line.
func fields(e api.SessionEvent) logrus.Fields {
	f := logrus.Fields{"event": string(e.Event)}
	for name, value := range map[string]string{
		"session": e.Session, "owner": e.Owner, "user": e.User, "by": e.By, "from": e.From, "why": e.Why,
		"limit": e.Limit, "old": e.Old, "new": e.New,
	} {
		if value != "" {
			f[name] = value
		}
	}
	if e.ILO {
		f["ilo"] = true
	}
	if e.Sessions > 0 {
		f["sessions"] = e.Sessions
	}
	return f
}

// Events are the last ones, oldest first.
func (l *Log) Events() []api.SessionEvent {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]api.SessionEvent, 0, Kept)
	for i := max(l.total-Kept, 0); i < l.total; i++ {
		all = append(all, l.events[i%Kept])
	}
	return all
}
