package gateway

import (
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// logEvery is the least time between two lines of a kind that any client can have
// written as often as it likes.
const logEvery = time.Minute

// logRate counts what it does not write. The zero value is ready.
type logRate struct {
	mu    sync.Mutex
	next  time.Time
	quiet int
}

// warn writes a line unless there was one lately, and says how many it has not
// written.
func (r *logRate) warn(log logrus.FieldLogger, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Before(r.next) {
		r.quiet++
		return
	}
	r.next = now.Add(logEvery)
	if r.quiet > 0 {
		log = log.WithField("moreBefore", r.quiet)
	}
	r.quiet = 0
	log.Warn(text)
}
