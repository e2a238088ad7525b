package cache

import "container/list"

// entryOverhead is about what an entry takes beyond its key and value.
const entryOverhead = 256

// entry is what is stored under a key. Another value is another entry.
type entry struct {
	key    string
	value  []byte // nil: on disk only
	length int64  // of the value
}

func (e *entry) size() int64 { return int64(len(e.key)) + e.length + entryOverhead }

// index knows all entries and how long ago each was used.
type index struct {
	byKey      map[string]*list.Element
	order      *list.List // of *entry, the least recently used first
	bytes, max int64
}

func (x *index) reset(limit int64) {
	*x = index{byKey: map[string]*list.Element{}, order: list.New(), max: limit}
}

// find returns the entry of key or nil.
func (x *index) find(key string) *entry {
	element := x.byKey[key]
	if element == nil {
		return nil
	}
	return element.Value.(*entry)
}

// use makes e, which must be there, the most recently used.
func (x *index) use(e *entry) { x.order.MoveToBack(x.byKey[e.key]) }

// add adds e, whose key must not be there.
func (x *index) add(e *entry) {
	x.byKey[e.key] = x.order.PushBack(e)
	x.bytes += e.size()
}

// remove removes e, which must be there.
func (x *index) remove(e *entry) {
	x.order.Remove(x.byKey[e.key])
	delete(x.byKey, e.key)
	x.bytes -= e.size()
}

func (x *index) oldest() *entry { return x.order.Front().Value.(*entry) }

// all are the entries, the least recently used first.
func (x *index) all() []*entry {
	entries := make([]*entry, 0, len(x.byKey))
	for element := x.order.Front(); element != nil; element = element.Next() {
		entries = append(entries, element.Value.(*entry))
	}
	return entries
}
