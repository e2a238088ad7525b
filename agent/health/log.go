package health

import (
	"fmt"
	"slices"
	"time"
)

const (
	// LogEntries is how many entries of the log a report has at most.
	LogEntries = 5
	// maxEntries bounds the entries that are read one by one, on an iLO whose log
	// does not contain them.
	maxEntries = 20
)

type entry struct {
	ID                         string `json:"@odata.id"`
	Created, Message, Severity string
	Oem                        oem[entryExt]
}

type entryExt struct {
	Updated, Severity string
	Count             int
}

func (e *entry) critical() bool {
	return e.Severity == "Critical" || e.Severity == "" && e.Oem.get().Severity == "Critical"
}

// log reads the last critical entries of the Integrated Management Log.
func (r *reader) log(services ref) {
	for _, link := range r.members("log", services) {
		var s struct {
			ID      string `json:"Id"`
			Name    string
			Entries ref
		}
		if r.read("log", link, &s) && (s.ID == "IML" || s.Name == "Integrated Management Log") && s.Entries.ID != "" {
			r.criticals(s.Entries.ID)
			return
		}
	}
}

type entries struct {
	Members []entry
	Total   int                                   `json:"Members@odata.count"`
	Next    string                                `json:"Members@odata.nextLink"`
	Links   struct{ NextPage struct{ Page int } } // of an iLO 4
}

// criticals reads the entries of a log, in which the newest are the last. All of
// them are read only if the cache has them. Else the iLO is asked for the
// critical ones; a firmware that cannot choose gives all.
func (r *reader) criticals(link string) {
	var log entries
	cached, stale := "only-if-cached", ""
	if r.staleLog > 0 {
		stale = fmt.Sprintf("max-stale=%d", r.staleLog/time.Second)
		cached += ", " + stale
	}
	if r.get(link, cached, &log) != nil {
		log = entries{}
		if !r.readAs("log", link+"?$filter=Severity%20eq%20'Critical'", stale, &log) {
			return
		}
	}
	all := log.Members
	if n := len(all); log.Links.NextPage.Page > 1 && n > 0 {
		pages := (log.Total + n - 1) / n
		log = entries{}
		if !r.read("log", fmt.Sprintf("%s?page=%d", link, pages), &log) {
			return
		}
		all = log.Members
	}
	for range maxPages {
		if log.Next == "" {
			break
		}
		next := log.Next
		log = entries{}
		if !r.read("log", next, &log) {
			break
		}
		all = append(all, log.Members...)
	}
	if log.Next != "" {
		r.fail("log", log.Next, ErrTooMany)
	}
	single := maxEntries
	var found []LogEntry
	for _, e := range slices.Backward(all) {
		if e.Message == "" { // only a link
			if single--; single < 0 || !r.read("log", e.ID, &e) {
				break
			}
		}
		if e.critical() {
			found = append(found, LogEntry{e.when(), e.Message, e.Oem.get().Count})
		}
	}
	slices.SortStableFunc(found, func(a, b LogEntry) int { return b.Time.Compare(a.Time) })
	r.report.Log = found[:min(len(found), LogEntries)]
}

// when is the time of an entry; zero if it has none.
func (e *entry) when() (t time.Time) {
	for _, text := range []string{e.Created, e.Oem.get().Updated} {
		if u, err := time.Parse(time.RFC3339, text); err == nil && u.After(t) {
			t = u
		}
	}
	return t
}
