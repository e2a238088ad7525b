package clients

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/agent/schedule"
)

// A recursive read is bounded.
const (
	maxResources = 5000
	maxSubtree   = 64 << 20 // bytes of all of them
)

// sessionResources are not followed: they are nobody's but their clients'.
var sessionResources = []string{"/redfish/v1/sessionservice/sessions/", "/redfish/v1/sessions/"}

// resource is one that a recursive read has found.
type resource struct {
	key  string // its path as all spellings have it, with the query
	url  *url.URL
	body []byte
}

// subtree answers a GET with the resource and all below it by path that links
// lead to, as far as it is allowed, breadth first. An answer that is no JSON
// resource is the answer; that of one further below is listed with its error. It
// fails with ErrSubtree.
func (s *Stage) subtree(r *http.Request) (*http.Response, error) {
	first, err := s.Next.RoundTrip(r)
	if err != nil || first.StatusCode != http.StatusOK || !isJSON(first.Header) {
		return first, err
	}
	all := []*resource{{key: pathKey(r.URL), url: r.URL}}
	below := all[0].key + "/"
	seen := map[string]bool{all[0].key: true}
	ctx, size := r.Context(), 0
	if class, _ := schedule.ClassOf(ctx); class == schedule.Interactive {
		ctx = schedule.WithClass(ctx, schedule.Bulk)
	}
	for i, resp := 0, first; i < len(all); i++ {
		at := all[i]
		if i > 0 {
			next := r.WithContext(ctx)
			next.URL = at.url
			if resp, err = s.Next.RoundTrip(next); err != nil {
				return nil, err
			}
		}
		at.body, err = at.read(resp, maxSubtree-size)
		size += len(at.body)
		switch {
		case errors.Is(err, errTooLarge):
			return nil, fmt.Errorf("%w: over %d MiB", ErrSubtree, maxSubtree>>20)
		case err != nil && i == 0:
			return nil, err
		case err != nil:
			continue
		}
		for l := range links(at.body) {
			u, err := url.Parse(unquote(at.body[l.start:l.end]))
			if err != nil || u.Host != "" || u.Opaque != "" || u.RawQuery != "" && !l.next {
				continue
			}
			u.Fragment, u.RawFragment = "", ""
			key := pathKey(u)
			more := l.next && strings.HasPrefix(key, all[0].key+"?") // members of the first
			if seen[key] || !more && !strings.HasPrefix(key, below) || private(key) || !s.allowed(r.Context(), u) {
				continue
			}
			if len(all) == maxResources {
				return nil, fmt.Errorf("%w: over %d resources", ErrSubtree, maxResources)
			}
			seen[key] = true
			all = append(all, &resource{key: key, url: u})
		}
	}
	slices.SortFunc(all, func(a, b *resource) int { return cmp.Compare(a.key, b.key) })

	name, err := json.Marshal(r.URL.Path)
	if err != nil {
		return nil, err
	}
	body := make([]byte, 0, size+len(all)+256)
	body = fmt.Appendf(body, `{"@odata.id":%s,"Resources@odata.count":%d,"Resources":[`, name, len(all))
	for i, at := range all {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, at.body...)
	}
	body = append(body, "]}"...)
	resp := &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}},
	}
	setBody(resp, body)
	return resp, nil
}

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

func private(key string) bool {
	return slices.ContainsFunc(sessionResources, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
}
