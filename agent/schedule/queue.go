package schedule

import "slices"

// job is a request that waits for a slot.
type job struct {
	class Class
	peer  string
	// decided receives nil once the job may run and an error if it never will.
	// Whoever takes the job out of its queue sends, once.
	decided chan error
}

// line is the jobs of one peer in a queue, oldest first.
type line struct {
	peer string
	jobs []*job
}

// queue is the waiting jobs of one class. The line at the front has its turn.
type queue struct {
	lines []*line
	len   int
}

func (q *queue) push(j *job) {
	q.len++
	for _, l := range q.lines {
		if l.peer == j.peer {
			l.jobs = append(l.jobs, j)
			return
		}
	}
	q.lines = append(q.lines, &line{peer: j.peer, jobs: []*job{j}})
}

// next is the line whose turn it is, among those of peers that are not blocked;
// -1 if there is none.
func (q *queue) next(blocked map[string]bool) int {
	return slices.IndexFunc(q.lines, func(l *line) bool { return !blocked[l.peer] })
}

// pop takes the oldest job out of a line, which goes to the end.
func (q *queue) pop(i int) *job {
	l := q.lines[i]
	j := l.jobs[0]
	l.jobs[0] = nil
	l.jobs = l.jobs[1:]
	q.len--
	q.lines = slices.Delete(q.lines, i, i+1)
	if len(l.jobs) > 0 {
		q.lines = append(q.lines, l)
	}
	return j
}

// remove takes a job out and tells whether it was there.
func (q *queue) remove(j *job) bool {
	for i, l := range q.lines {
		if k := slices.Index(l.jobs, j); k >= 0 {
			l.jobs = slices.Delete(l.jobs, k, k+1)
			if q.len--; len(l.jobs) == 0 {
				q.lines = slices.Delete(q.lines, i, i+1)
			}
			return true
		}
	}
	return false
}

// makeRoom takes the newest job of the longest line out, for the sake of a peer
// that would not have the longest one itself. It returns nil if it would.
func (q *queue) makeRoom(peer string) *job {
	var longest *line
	own := 0
	for _, l := range q.lines {
		if l.peer == peer {
			own = len(l.jobs)
		}
		if longest == nil || len(l.jobs) > len(longest.jobs) {
			longest = l
		}
	}
	if longest == nil || own+1 >= len(longest.jobs) {
		return nil
	}
	j := longest.jobs[len(longest.jobs)-1]
	q.remove(j)
	return j
}
