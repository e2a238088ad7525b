package clients

// remembered is how many terminated sessions are told from expired ones.
const remembered = 4096

// ring remembers the last ids that were added. The zero value is empty.
type ring struct {
	ids  []string // oldest at next once it is full
	next int
	set  map[string]struct{}
}

func (r *ring) add(id string) {
	switch {
	case r.has(id):
		return
	case r.set == nil:
		r.set = map[string]struct{}{}
	}
	if len(r.ids) < remembered {
		r.ids = append(r.ids, id)
	} else {
		delete(r.set, r.ids[r.next])
		r.ids[r.next] = id
		r.next = (r.next + 1) % remembered
	}
	r.set[id] = struct{}{}
}

func (r *ring) has(id string) bool {
	_, ok := r.set[id]
	return ok
}

// all are the ids, oldest first.
func (r *ring) all() []string {
	return append(append(make([]string, 0, len(r.ids)), r.ids[r.next:]...), r.ids[:r.next]...)
}
