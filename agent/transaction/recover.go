package transaction

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/platform/ownedfile"
)

// readJournals takes over what a former process has left.
func (m *Manager) readJournals() error {
	if m.o.Dir == "" {
		return nil
	}
	if err := ownedfile.MakeAll(m.o.Dir, 0o700); err != nil {
		m.o.Log.WithError(err).Warn("no journals: a commit that a crash interrupts will be left as it is")
		m.o.Dir = ""
		return nil
	}
	files, err := ownedfile.ReadDir(m.o.Dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		switch {
		case strings.HasSuffix(f.Name(), journalSuffix):
			m.takeOver(filepath.Join(m.o.Dir, f.Name()))
		case strings.HasSuffix(f.Name(), openSuffix):
			m.takeOverOpen(filepath.Join(m.o.Dir, f.Name()))
		case strings.HasPrefix(f.Name(), ownedfile.TempPrefix): // a crash has left it
			_ = ownedfile.Remove(filepath.Join(m.o.Dir, f.Name())) // else the next process does it
		}
	}
	return nil
}

// takeOver reads one journal. What cannot be read is set aside: the agent starts
// all the same.
func (m *Manager) takeOver(name string) {
	log := m.o.Log.WithField("file", name)
	b, end, size, err := readJournal(name)
	switch {
	case errors.Is(err, errNotBegun), err == nil && end != nil && m.o.Now().Sub(b.Time) > reportAge:
		if err := ownedfile.Remove(name); err != nil {
			log.WithError(err).Warn("a useless journal could not be removed")
		}
		return
	case err != nil:
		log.WithError(err).Error("the journal of a commit is damaged; the outcome is unknown")
		if err := ownedfile.Rename(name, filepath.Base(name)+damagedSuffix); err != nil {
			log.WithError(err).Warn("a damaged journal could not be set aside")
		}
		return
	case end != nil:
		m.report(b.Session, &report{result: *end, file: name, time: b.Time})
		return
	}
	for _, step := range b.Steps {
		step.Kept = step.Error
	}
	c := &commit{
		m: m, session: b.Session, steps: b.Steps, key: b.Key,
		etags: map[string]string{}, selfChanging: map[string]bool{}, journal: &journal{name: name, size: size},
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if c.release, err = m.locks.take(ended, false, c.keys()...); err != nil { // a journal beside this one has them
		c.release = func() {}
	}
	m.crashed = append(m.crashed, c)
	m.recovering[c.session]++
	log.WithFields(logrus.Fields{"clientSession": b.Session, "writes": len(b.Steps)}).Warn("a commit was interrupted; the agent finishes or undoes it")
}

// Recover finds out how far commits got that a crash interrupted, and puts back
// what is still as they left it, unless all of their writes are applied. Status
// of their client sessions reports the results. The error is that of an iLO that
// does not answer: then Recover should be called again.
func (m *Manager) Recover(ctx context.Context) error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return ErrClosed
	}
	m.wg.Add(1)
	defer m.wg.Done()
	crashed := m.crashed
	m.crashed = nil // nobody else is to begin with them
	m.mu.Unlock()
	var left []*commit
	var errs []error
	for _, c := range crashed {
		if err := c.recover(ctx); err != nil {
			left, errs = append(left, c), append(errs, err)
			continue
		}
		c.release()
	}
	m.mu.Lock()
	m.crashed = append(m.crashed, left...)
	m.mu.Unlock()
	return errors.Join(errs...)
}

// recover finishes one commit. It may be called again after an error.
func (c *commit) recover(ctx context.Context) error {
	if err := c.reopen(); err != nil {
		c.m.o.Log.WithError(err).Warn("the outcome of a recovery cannot be stored")
	}
	defer c.journal.close()
	c.readErr = nil
	for _, s := range c.steps {
		switch s.Outcome {
		case api.OutcomeUnknown:
			s.open = true
			c.settle(ctx, s)
		case api.Accepted:
			s.later = true
			c.verify(ctx, s)
		default:
			continue
		}
		c.note(record{Done: s}) // or it would look as if it had no effect, once it is undone
		if s.open && ctx.Err() != nil {
			return fmt.Errorf("recover a commit of client session %s: the outcome of %s %s is not known yet: %w", c.session, s.Method, s.Path, cmp.Or(c.readErr, context.Cause(ctx)))
		}
	}
	if !good(verdict(c.steps).Result) {
		c.compensate(ctx)
	}
	if c.readErr != nil {
		return fmt.Errorf("recover a commit of client session %s: %w", c.session, c.readErr)
	}
	result := verdict(c.steps)
	result.Recovered = true
	c.log(result)
	c.note(record{End: &result}) // which is the report from now on
	c.m.report(c.session, &report{result: result, file: c.journal.name, time: c.m.o.Now()})
	c.m.mu.Lock()
	c.m.recovering[c.session]--
	c.m.mu.Unlock()
	return nil
}

// reopen makes the journal ready for more records.
func (c *commit) reopen() (err error) {
	if c.journal.file, err = ownedfile.Open(c.journal.name, os.O_RDWR); err == nil {
		err = c.journal.file.Truncate(c.journal.size)
	}
	return err
}
