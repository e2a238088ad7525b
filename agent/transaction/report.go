package transaction

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/platform/ownedfile"
)

const (
	// reportAge is how long a report waits for its client session.
	reportAge = 7 * 24 * time.Hour
	// maxReports is how many wait for one client session.
	maxReports = 16
)

// report is a Result that its client session was not told yet.
type report struct {
	result api.Result
	file   string // the journal that keeps it, if one does
	time   time.Time
}

// report keeps a Result for Status.
func (m *Manager) report(session string, r *report) {
	if r.file != "" {
		r.result.ID = strings.TrimSuffix(filepath.Base(r.file), journalSuffix)
	} else {
		r.result.ID = rand.Text()
	}
	m.mu.Lock()
	all := append(m.reports[session], r)
	var gone []*report
	if n := len(all) - maxReports; n > 0 {
		gone, all = all[:n:n], all[n:]
	}
	m.reports[session] = all
	m.mu.Unlock()
	m.forget(session, "there are too many", gone)
}

// due is the oldest report of a client session that waits; the caller holds mu.
func (m *Manager) due(session string) *api.Result {
	for _, r := range m.reports[session] {
		if m.o.Now().Sub(r.time) <= reportAge {
			result := r.result
			return &result
		}
	}
	return nil
}

// forget lets go of reports that nobody was told.
func (m *Manager) forget(session, why string, gone []*report) {
	for _, r := range gone {
		m.o.Log.WithFields(logrus.Fields{"clientSession": session, "result": r.result.Result, "reason": why}).
			Warn("the result of a commit is discarded; no client has read it")
		r.remove(m.o.Log)
	}
}

func (r *report) remove(log logrus.FieldLogger) {
	if r.file == "" {
		return
	}
	if err := ownedfile.Remove(r.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.WithError(err).Warn("the report of a commit could not be removed")
	}
}

// Acknowledge ends the report of an ID: its client session was told. It fails with
// ErrNoReport.
func (m *Manager) Acknowledge(session, id string) error {
	m.mu.Lock()
	all := m.reports[session]
	i := slices.IndexFunc(all, func(r *report) bool { return r.result.ID == id })
	if i < 0 {
		m.mu.Unlock()
		return ErrNoReport
	}
	told := all[i]
	if all = slices.Delete(slices.Clone(all), i, i+1); len(all) == 0 {
		delete(m.reports, session)
	} else {
		m.reports[session] = all
	}
	m.mu.Unlock()
	told.remove(m.o.Log)
	return nil
}

// dropAged lets go of the reports that nobody has asked for in time.
func (m *Manager) dropAged() {
	gone := map[string][]*report{}
	m.mu.Lock()
	for session, all := range m.reports {
		old := func(r *report) bool { return m.o.Now().Sub(r.time) > reportAge }
		for _, r := range all {
			if old(r) {
				gone[session] = append(gone[session], r)
			}
		}
		if all = slices.DeleteFunc(slices.Clone(all), old); len(all) == 0 {
			delete(m.reports, session)
		} else {
			m.reports[session] = all
		}
	}
	m.mu.Unlock()
	for session, all := range gone {
		m.forget(session, "it is too old", all)
	}
}
