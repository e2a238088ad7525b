package ilosession

import (
	"net/http"
	"sync"

	queue "github.com/ilod/ilod/agent/schedule"
)

// turns is a scheduler with few places, mostly one, in which all requests to a
// Keeper and all of its own work must get on: whoever waits for another while in a
// turn would wait for ever.
type turns struct {
	places int
	once   sync.Once
	k      *Keeper
	s      *queue.Scheduler
	set    chan struct{}
}

func (o *turns) start(k *Keeper) {
	o.k = k
	o.s = queue.New(queue.Options{Next: k, Slots: o.places})
	close(o.ready())
}

func (o *turns) ready() chan struct{} {
	o.once.Do(func() { o.set = make(chan struct{}) })
	return o.set
}

func (o *turns) RoundTrip(req *http.Request) (*http.Response, error) {
	<-o.ready()
	return o.s.RoundTrip(req)
}
