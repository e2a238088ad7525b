package health

import (
	"fmt"
	"slices"
	"time"
)

const (
	// LogEntries is how many entries of the log a report has at most.
	LogEntries = 5
	// maxEntries limits the entries that are read one by one, if the log has only links to
	// them.
	maxEntries = 20
)

type entry struct {
	ID                         string `json:"@odata.id"`
	Created, Message, Severity string
	Oem                        oem[entryExt]
}

type entryExt struct {
	Updated, Severity string
	Count             number
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
	Total   number                                   `json:"Members@odata.count"`
	Next    string                                   `json:"Members@odata.nextLink"`
	Links   struct{ NextPage struct{ Page number } } // of an iLO 4
}

// criticals reads the entries of a log; the newest are the last. It reads all of them
// only if the cache has them. Else it asks the iLO for the critical ones; a firmware
// that cannot filter returns all.
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
	all, whole := log.Members, true
	if n := int64(len(all)); log.Links.NextPage.Page.whole() > 1 && n > 0 {
		pages := max(log.Links.NextPage.Page.whole(), (log.Total.whole()+n-1)/n)
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
			whole = false
			break
		}
		all = append(all, log.Members...)
	}
	if log.Next != "" {
		r.fail("log", log.Next, ErrTooMany)
		whole = false
	}
	single := maxEntries
	var found []LogEntry // the newest first
	for _, e := range slices.Backward(all) {
		if e.Message == "" { // only a link
			if single--; single < 0 {
				break
			}
			if !r.read("log", e.ID, &e) {
				whole = false
				continue
			}
		}
		if e.critical() {
			found = append(found, LogEntry{e.when(), e.Message, int(e.Oem.get().Count.whole())})
		}
	}
	if found = newest(found); found == nil && whole {
		found = []LogEntry{}
	}
	r.report.Log = found
}

// newest returns the newest of some entries, given from the end of the log. It sorts
// them by time, since an entry gets a new time when its event happens again. An entry
// without a time counts as newer than those before it in the log.
func newest(found []LogEntry) []LogEntry {
	type dated struct {
		LogEntry
		after time.Time
	}
	all := make([]dated, len(found))
	var before time.Time
	for i, e := range slices.Backward(found) {
		if all[i] = (dated{e, e.Time}); e.Time.IsZero() {
			all[i].after = before
		} else if e.Time.After(before) {
			before = e.Time
		}
	}
	slices.SortStableFunc(all, func(a, b dated) int { return b.after.Compare(a.after) })
	found = nil
	for _, e := range all[:min(len(all), LogEntries)] {
		found = append(found, e.LogEntry)
	}
	return found
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
