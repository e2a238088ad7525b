package clients

// Stats count what a Registry has and did since it was opened.
type Stats struct {
	Sessions   int   `json:"sessions"`   // live, the default ones included
	Defaults   int   `json:"defaults"`   // live
	InUse      int   `json:"inUse"`      // live with requests that run now
	Created    int64 `json:"created"`    // the default ones included
	Expired    int64 `json:"expired"`    // ended by a timeout
	Terminated int64 `json:"terminated"` // ended by somebody, or to make room
	Refused    int64 `json:"refused"`    // not made because of a limit
	Forged     int64 `json:"forged"`     // uses of a handle that is not genuine
	Lookups    int64 `json:"lookups"`    // uses of a genuine handle
}

// Stats returns the counts, without the sessions that have expired. It does not
// wait for a disk.
func (r *Registry) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Now()
	out := r.stats
	out.Forged = r.forged.Load()
	for _, s := range r.live {
		switch {
		case r.expired(s, now): // it goes with the next call
			out.Expired++
			continue
		case s.Default:
			out.Defaults++
		}
		out.Sessions++
		out.InUse += min(s.InUse, 1)
	}
	return out
}
