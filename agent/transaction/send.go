package transaction

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/agent/redfisherror"
)

// send sends a write, and finds out by reading what came of it. It is sent a second
// time only after an answer that says that it was not executed.
func (c *commit) send(ctx context.Context, s *step, w *write) {
	h := w.header.Clone()
	etag := c.etags[ilopath.Canonical(s.Path)]
	if s.Method == http.MethodPost || c.selfChanging[ilopath.Canonical(s.Path)] {
		etag = ""
	}
	if etag != "" {
		h["If-Match"] = []string{etag}
	}
	resp, body, err := c.exchange(ctx, s, h, w.body)
	if etag != "" && resp != nil && resp.StatusCode == http.StatusPreconditionFailed && c.unmoved(ctx, s, etag) {
		// The iLO refuses its own ETag, and would do so for ever.
		h.Del("If-Match")
		s.Unguarded = true
		resp, body, err = c.exchange(ctx, s, h, w.body)
	}
	if resp != nil {
		s.Status = resp.StatusCode
		for _, m := range redfisherror.Parse(body) {
			s.Messages = append(s.Messages, m.ID)
		}
	}
	switch {
	case err != nil && resp == nil && !c.m.o.Unknown(err):
		s.Outcome = api.NotSent
		s.fail(err)
	case err != nil:
		s.open = resp == nil
		s.fail(err)
		c.settle(ctx, s)
	case resp.StatusCode >= 500:
		s.fail(redfisherror.New(resp, body))
		c.settle(ctx, s)
	case resp.StatusCode >= 300:
		s.Outcome = api.Refused
		s.fail(redfisherror.New(resp, body))
	default:
		s.take(resp, body)
		c.verify(ctx, s)
	}
}

// exchange sends a step. What was read before it counts no more.
func (c *commit) exchange(ctx context.Context, s *step, h http.Header, body []byte) (*http.Response, []byte, error) {
	delete(c.etags, ilopath.Canonical(s.Path))
	s.sent = time.Now()
	return c.m.exchange(ctx, s.Method, s.Path, h, body)
}

// unmoved tells whether a resource still shows the ETag that the iLO has refused,
// and the values from before the step.
func (c *commit) unmoved(ctx context.Context, s *step, etag string) bool {
	now, err := c.read(ctx, s.Path)
	if err != nil || now.gone || now.etag != etag {
		return false
	}
	for i := range s.Leaves {
		if l := &s.Leaves[i]; !l.hidden() && !c.key.is(l, at(now.body, l.Pointer), l.Prior) {
			return false
		}
	}
	return true
}

// settle finds out what became of a write whose answer does not tell.
func (c *commit) settle(ctx context.Context, s *step) {
	if s.Outcome = c.decide(ctx, s); s.Outcome == api.Applied {
		c.verify(ctx, s)
	}
}

// take notes what an answer says that promises success.
func (s *step) take(resp *http.Response, body []byte) {
	for _, m := range redfisherror.Parse(body) {
		s.told = either(s.told, resetOf(m))
	}
	s.named = complaints(body)
	if s.later = resp.StatusCode == http.StatusAccepted; s.later {
		s.Task = task(resp, body)
	} else if s.Method == http.MethodPost {
		s.Location = location(resp.Header.Get("Location"), s.Path)
	}
}

// location is the path of a new member of a collection; empty if it is none.
func location(given, collection string) string {
	path := pathOf(given)
	if key := ilopath.Canonical(path); path == "" || key == ilopath.Canonical(collection) || !ilopath.Within(key, ilopath.Canonical(collection)) {
		return ""
	}
	return path
}

// pathOf is the path of the iLO's resource that a link leads to; empty if there is
// none.
func pathOf(link string) string {
	path, _ := ilopath.Location(link)
	u, err := url.Parse(path)
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}

// taskService is where an iLO lists what it works at.
const taskService = "/redfish/v1/taskservice"

// task is the path of the task in which a write is carried out; empty if the answer
// names none.
func task(resp *http.Response, body []byte) string {
	v, _ := decode(body) // an answer without body names it in its header
	id, _ := at(v, "/@odata.id").(string)
	for _, path := range []string{resp.Header.Get("Location"), id} {
		if path = pathOf(path); path != "" && ilopath.Within(ilopath.Canonical(path), taskService) {
			return path
		}
	}
	return ""
}
