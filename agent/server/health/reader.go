package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ilod/ilod/agent/guard"
	"github.com/ilod/ilod/agent/redfisherror"
)

const (
	maxBody    = 8 << 20 // bytes of one answer
	maxMembers = 256     // of one collection
	maxPages   = 8       // of one collection
)

// ErrTooMany: the tree has more resources than may be read.
var ErrTooMany = errors.New("the limit of requests is reached")

// ref is a link.
type ref struct {
	ID string `json:"@odata.id"`
}

// oem is HPE's section of a resource. Up to iLO 4 its name was Hp.
type oem[T any] struct{ Hpe, Hp *T }

func (o oem[T]) get() (v T) {
	for _, p := range []*T{o.Hpe, o.Hp} {
		if p != nil {
			return *p
		}
	}
	return v
}

// reader reads resources and collects what a report is made of. Parts and
// problems may be added concurrently.
type reader struct {
	ctx    context.Context
	rt     http.RoundTripper
	header http.Header // of each request

	staleLog time.Duration

	mu     sync.Mutex
	left   int // requests
	report Report
	parts  map[string]*Part
	// summaries are what the iLO says of whole parts.
	summaries []summary
}

type summary struct {
	part string
	Component
}

// get reads the resource behind a link into v. directives are for the cache, in
// addition to those of all requests. It ignores a property of another type than v
// expects; this does not hide the others.
func (r *reader) get(link, directives string, v any) error {
	r.mu.Lock()
	r.left--
	over := r.left < 0
	r.mu.Unlock()
	if over {
		return ErrTooMany
	}
	link, _, _ = strings.Cut(link, "#")
	u, err := url.Parse(strings.ReplaceAll(link, " ", "%20"))
	if err != nil || !strings.HasPrefix(u.Path, "/") {
		return fmt.Errorf("%q is not a link", link)
	}
	u.Scheme, u.Host = "http", "ilo"
	req, err := http.NewRequestWithContext(r.ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	req.Header = r.header.Clone()
	if directives != "" {
		req.Header.Add("Cache-Control", directives)
	}
	req.Header.Set("OData-Version", "4.0") // an iLO 4 answers in its older form without
	resp, err := r.rt.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", u.RequestURI(), err)
	case resp.StatusCode != http.StatusOK:
		return redfisherror.New(resp, body)
	case len(body) > maxBody:
		return fmt.Errorf("%s: over %d MiB", u.RequestURI(), maxBody>>20)
	}
	if age, err := strconv.Atoi(resp.Header.Get("Age")); err == nil {
		r.mu.Lock()
		if age > r.report.Age {
			r.report.Age, r.report.Oldest = age, u.Path
		}
		r.mu.Unlock()
	}
	if err := json.Unmarshal(body, v); err != nil {
		if _, other := errors.AsType[*json.UnmarshalTypeError](err); !other {
			return fmt.Errorf("%s: %w", u.RequestURI(), err)
		}
	}
	return nil
}

// read is get for a resource of a part. It reports success. A failure is a problem of
// the report, and makes the part Unknown.
func (r *reader) read(part, link string, v any) bool { return r.readAs(part, link, "", v) }

// readAs is read with directives for the cache.
func (r *reader) readAs(part, link, directives string, v any) bool {
	err := r.get(link, directives, v)
	if err != nil {
		r.fail(part, link, err)
	}
	return err == nil
}

// fail notes a problem.
func (r *reader) fail(part, link string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Problems = append(r.report.Problems, Problem{part, link, err.Error(), err})
	r.unknown(part)
}

// side reads what is behind a link, in a goroutine. A panic there is a problem of the
// part, and does not end the process.
func (r *reader) side(wg *sync.WaitGroup, part string, from ref, read func()) {
	wg.Go(func() {
		err := guard.Panics(func() error { read(); return nil })
		if p, panicked := errors.AsType[*guard.PanicError](err); panicked {
			r.fail(part, from.ID, fmt.Errorf("panic: %v", p.Value))
		}
	})
}

// unknown notes that a part is not known in full; mu is held.
func (r *reader) unknown(part string) {
	if p := r.parts[part]; p != nil {
		p.State = worse(p.State, Unknown)
	}
}

// members are the links to the members of a collection, which need not exist.
func (r *reader) members(part string, collection ref) (links []string) {
	next := collection.ID
	for range maxPages {
		var c struct {
			Members []ref
			Next    string `json:"Members@odata.nextLink"`
		}
		if next == "" || !r.read(part, next, &c) {
			return links
		}
		for _, m := range c.Members {
			if m.ID != "" {
				links = append(links, m.ID)
			}
		}
		next = c.Next
		if len(links) > maxMembers {
			break
		}
	}
	if next != "" || len(links) > maxMembers {
		r.fail(part, collection.ID, ErrTooMany)
	}
	return links[:min(len(links), maxMembers)]
}

// add counts a component.
func (r *reader) add(part string, c Component) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts[part].Count++
	r.judge(part, c)
}

// summarise notes what the iLO says of a part as a whole.
func (r *reader) summarise(part string, c Component) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summaries = append(r.summaries, summary{part, c})
}

// judge makes a part at least as bad as one of its components; mu is held.
func (r *reader) judge(part string, c Component) {
	p := r.parts[part]
	p.State = worse(p.State, c.State)
	if !c.State.healthy() {
		p.Unhealthy = append(p.Unhealthy, c)
	}
}

// last is the last segment of a path, which is the id of its resource.
func last(path string) string {
	path = strings.TrimRight(path, "/")
	return path[strings.LastIndexByte(path, '/')+1:]
}

// first is the first word that is not blank, without blanks around it.
func first(words ...string) string {
	i := slices.IndexFunc(words, func(w string) bool { return strings.TrimSpace(w) != "" })
	if i < 0 {
		return ""
	}
	return strings.TrimSpace(words[i])
}

// names makes names unique, because labels of metrics must be.
type names map[string]bool

func (n names) unique(name string) string {
	for i, base := 2, name; n[name]; i++ {
		name = fmt.Sprintf("%s (%d)", base, i)
	}
	n[name] = true
	return name
}
