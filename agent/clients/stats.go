package clients

import "github.com/ilod/ilod/agent/api"

// Stats returns the counts, without the sessions that have expired. It does not
// wait for a disk.
func (r *Registry) Stats() api.ClientStats {
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
