package schedule

import "slices"

// job is a request that waits for a slot.
type job struct {
	class Class
	// peers are whose it is: that of the request and those who joined it. It
	// waits in the line of each, and runs in the turn of the first that comes.
	peers  []Peer
	queued bool
	turn   Peer // in which it runs
	// decided receives nil once the job may run and an error if it never will.
	// Whoever takes the job out of its queue sends, once.
	decided chan error
}

// line is the jobs of one peer in a queue, oldest first.
type line struct {
	peer Peer
	jobs []*job
}

// party is the lines of one user. The one at the front has its turn.
type party struct {
	user  string
	lines []*line
}

// queue is the waiting jobs of one class. The party at the front has its turn.
type queue struct {
	parties []*party
	len     int
}

func (q *queue) push(j *job) {
	q.len++
	j.queued = true
	for _, p := range j.peers {
		q.put(j, p)
	}
}

// put adds a job to the line of a peer.
func (q *queue) put(j *job, peer Peer) {
	i := slices.IndexFunc(q.parties, func(p *party) bool { return p.user == peer.User })
	if i < 0 {
		i = len(q.parties)
		q.parties = append(q.parties, &party{user: peer.User})
	}
	p := q.parties[i]
	k := slices.IndexFunc(p.lines, func(l *line) bool { return l.peer == peer })
	if k < 0 {
		k = len(p.lines)
		p.lines = append(p.lines, &line{peer: peer})
	}
	if !slices.Contains(p.lines[k].jobs, j) {
		p.lines[k].jobs = append(p.lines[k].jobs, j)
	}
}

// next is the line whose turn it is, among those of peers that are not blocked;
// nil if there is none.
func (q *queue) next(blocked func(Peer) bool) *line {
	for _, p := range q.parties {
		for _, l := range p.lines {
			if !blocked(l.peer) {
				return l
			}
		}
	}
	return nil
}

// pop takes the oldest job out of a line. The line goes to the end of its party,
// and that to the end of all.
func (q *queue) pop(l *line) *job {
	j := l.jobs[0]
	j.turn = l.peer
	i := slices.IndexFunc(q.parties, func(p *party) bool { return p.user == l.peer.User })
	p := q.parties[i]
	q.parties = append(slices.Delete(q.parties, i, i+1), p)
	k := slices.Index(p.lines, l)
	p.lines = append(slices.Delete(p.lines, k, k+1), l)
	q.remove(j)
	return j
}

// remove takes a job out and tells whether it was there.
func (q *queue) remove(j *job) bool {
	if !j.queued {
		return false
	}
	j.queued = false
	q.len--
	for _, p := range q.parties {
		for _, l := range p.lines {
			if k := slices.Index(l.jobs, j); k >= 0 {
				l.jobs = slices.Delete(l.jobs, k, k+1)
			}
		}
		p.lines = slices.DeleteFunc(p.lines, func(l *line) bool { return len(l.jobs) == 0 })
	}
	q.parties = slices.DeleteFunc(q.parties, func(p *party) bool { return len(p.lines) == 0 })
	return true
}

func (p *party) len() (n int) {
	for _, l := range p.lines {
		n += len(l.jobs)
	}
	return n
}

// makeRoom takes the newest job of the user with most of them out, for the sake of
// a peer whose user would not have most itself; else that of the longest line of
// the peer's own user, unless the peer's would be that. What others have joined
// stays. It returns nil if nothing may go.
func (q *queue) makeRoom(peer Peer) *job {
	var most, own *party
	mine := 0
	for _, p := range q.parties {
		if p.user == peer.User {
			own, mine = p, p.len()
		}
		if most == nil || p.len() > most.len() {
			most = p
		}
	}
	if most != nil && mine+1 < most.len() {
		if j := q.evict(most, 0); j != nil {
			return j
		}
	}
	if own == nil {
		return nil
	}
	mine = 0
	for _, l := range own.lines {
		if l.peer == peer {
			mine = len(l.jobs)
		}
	}
	return q.evict(own, mine+2)
}

// evict takes the newest job out of the longest line of a user that has at least
// so many, and that is nobody else's.
func (q *queue) evict(p *party, least int) *job {
	longest := slices.MaxFunc(p.lines, func(a, b *line) int { return len(a.jobs) - len(b.jobs) })
	if len(longest.jobs) < least {
		return nil
	}
	for _, j := range slices.Backward(longest.jobs) {
		if !slices.ContainsFunc(j.peers, func(other Peer) bool { return other != longest.peer }) {
			q.remove(j)
			return j
		}
	}
	return nil
}
