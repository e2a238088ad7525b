package clients

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ilod/ilod/agent/budget"
	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/agent/schedule"
)

// A recursive read is bounded.
const (
	maxResources = 5000
	maxSubtree   = 64 << 20 // bytes of all of them
)

// sessionCollections have members that are not followed: they are nobody's but
// their clients'.
var sessionCollections = []string{"/redfish/v1/sessionservice/sessions", "/redfish/v1/sessions"}

// resource is one that a recursive read has found.
type resource struct {
	key  string // its path as all spellings have it, with the query
	url  *url.URL
	body packed
}

// overhead is what a resource takes beside its body, in bytes.
const overhead = 512

// gathering is a recursive read under way.
type gathering struct {
	*Stage
	form  func(string) string // of links; nil: as they are
	purse *budget.Purse
	first *url.URL
	all   []*resource
	seen  map[string]bool
	size  int // bytes of all bodies, unpacked
}

// subtree answers a GET with the resource and all below it by path that links
// lead to, as far as it is allowed, breadth first. An answer that is no JSON
// resource is the answer; that of one further below is listed with its error. It
// fails with ErrSubtree and budget.ErrFull.
//
// What it has found is packed, and unpacked piece by piece as the client takes it.
func (s *Stage) subtree(r *http.Request) (*http.Response, error) {
	first, err := s.Next.RoundTrip(r)
	if err != nil || first.StatusCode != http.StatusOK || !isJSON(first.Header) {
		return first, err
	}
	ctx := r.Context()
	if class, _ := schedule.ClassOf(ctx); class == schedule.Interactive {
		ctx = schedule.WithClass(ctx, schedule.Bulk)
	}
	g := &gathering{Stage: s, purse: budget.Of(ctx), first: r.URL, seen: map[string]bool{}}
	g.form, _ = ctx.Value(formKey{}).(func(string) string)
	g.all = []*resource{{key: pathKey(r.URL), url: r.URL}}
	g.seen[g.all[0].key] = true
	for i, resp := 0, first; i < len(g.all); i++ {
		if i > 0 {
			next := r.WithContext(ctx)
			next.URL = g.all[i].url
			if resp, err = s.Next.RoundTrip(next); err != nil {
				return nil, err
			}
		}
		switch err := g.take(ctx, g.all[i], resp); {
		case errors.Is(err, errTooLarge):
			return nil, fmt.Errorf("%w: over %d MiB", ErrSubtree, maxSubtree>>20)
		case errors.Is(err, ErrSubtree), errors.Is(err, budget.ErrFull), err != nil && i == 0:
			return nil, err
		}
	}
	slices.SortFunc(g.all, func(a, b *resource) int { return cmp.Compare(a.key, b.key) })
	return g.answer(r)
}

// take adds what an answer has to what was found: the resource, or else its
// error, which it returns too, and what the resource leads to.
func (g *gathering) take(ctx context.Context, at *resource, resp *http.Response) error {
	working := resp.ContentLength + overhead
	if err := g.purse.Take(working); err != nil {
		_ = resp.Body.Close()
		return err
	}
	defer g.purse.Give(working)
	body, err := at.read(resp, maxSubtree-g.size)
	if errors.Is(err, errTooLarge) {
		return err
	}
	g.size += len(body)
	if err == nil {
		if err := g.follow(ctx, body); err != nil {
			return err
		}
	}
	if g.form != nil {
		body = rewriteLinks(body, g.form)
	}
	at.body = pack(body)
	if err := g.purse.Take(int64(len(at.body.bytes) + overhead)); err != nil {
		return err
	}
	return err
}

// follow adds the resources that a body leads to.
func (g *gathering) follow(ctx context.Context, body []byte) error {
	start := g.all[0].key
	for l := range links(body) {
		u, err := url.Parse(unquote(body[l.start:l.end]))
		if err != nil || u.Host != "" || u.Opaque != "" || u.RawQuery != "" && !l.next {
			continue
		}
		u.Fragment, u.RawFragment = "", ""
		key := pathKey(u)
		more := l.next && strings.HasPrefix(key, start+"?") // members of the first
		if g.seen[key] || !more && !strings.HasPrefix(key, start+"/") || private(key) || !g.allowed(ctx, u) {
			continue
		}
		if len(g.all) == maxResources {
			return fmt.Errorf("%w: over %d resources", ErrSubtree, maxResources)
		}
		g.seen[key] = true
		g.all = append(g.all, &resource{key: key, url: u})
	}
	return nil
}

// answer is all that was found.
func (g *gathering) answer(r *http.Request) (*http.Response, error) {
	path := g.first.Path
	if g.form != nil {
		path = g.form(path)
	}
	name, err := json.Marshal(path)
	if err != nil {
		return nil, err
	}
	head := fmt.Appendf(nil, `{"@odata.id":%s,"Resources@odata.count":%d,"Resources":[`, name, len(g.all))
	out := &unpacking{parts: []packed{{bytes: head, size: len(head)}}}
	for i, at := range g.all {
		if i > 0 {
			out.parts = append(out.parts, comma)
		}
		out.parts = append(out.parts, at.body)
	}
	out.parts = append(out.parts, tail)
	resp := &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}},
	}
	setBody(resp, nil)
	resp.Body, resp.ContentLength = out, int64(out.length())
	resp.Header.Set("Content-Length", strconv.Itoa(out.length()))
	return resp, nil
}

var (
	comma = packed{bytes: []byte(","), size: 1}
	tail  = packed{bytes: []byte("]}"), size: 2}
)

// formKey is the key of the form of links, a func(string) string, in the context
// of a recursive read.
type formKey struct{}

// read takes the resource from its answer, or makes it one of the answer's
// error, which it returns too.
func (at *resource) read(resp *http.Response, limit int) ([]byte, error) {
	body, err := content(resp, limit)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, err
	case err == nil && resp.StatusCode != http.StatusOK:
		err = fmt.Errorf("status %d", resp.StatusCode)
	case err == nil && (!isJSON(resp.Header) || !json.Valid(body)):
		err = errors.New("the answer is not JSON")
	case err == nil:
		return body, nil
	}
	var answer struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Error == nil {
		answer.Error, _ = json.Marshal(map[string]string{"code": "Base.1.18.GeneralError", "message": err.Error()})
	}
	listed, _ := json.Marshal(map[string]any{"@odata.id": at.url.Path, "error": answer.Error})
	return listed, err
}

// pathKey is the same for all spellings of a path, with the query.
func pathKey(u *url.URL) string {
	key, _ := ilopath.Of(u)
	if u.RawQuery != "" {
		key += "?" + u.RawQuery
	}
	return key
}

// private reports a session, or what is below one. An iLO 5 also leads to sessions
// at paths without the slash, such as …/SessionService/Sessions0000000062583c87.
func private(key string) bool {
	path, _, _ := strings.Cut(key, "?")
	return strings.HasPrefix(path, sessionCollections[0]) && path != sessionCollections[0] || strings.HasPrefix(path, sessionCollections[1]+"/")
}
