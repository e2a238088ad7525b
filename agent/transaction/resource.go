package transaction

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/freshness"
	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/agent/secret"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

// maxETag is the longest If-Match that an iLO takes, in bytes (ILO.md §6).
const maxETag = 63

// resource is a resource as it was read.
type resource struct {
	gone bool // the answer was 404
	etag string
	body map[string]any
	// allow are the methods that it takes, nil if it does not tell.
	allow []string
}

// errGarbage: whatever sent this, its status says nothing either.
var errGarbage = errors.New("the answer is not JSON")

// exchange sends a request of our own and reads the whole answer. With an error
// there may be a response all the same, which proves that it was sent.
func (m *Manager) exchange(ctx context.Context, method, uri string, header http.Header, body []byte) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "https://ilo"+uri, nil)
	if err != nil {
		return nil, nil, err
	}
	r.Header = header
	if body != nil {
		setBody(r, body)
	}
	resp, err := m.o.Next.RoundTrip(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
	case len(answer) > maxAnswer:
		err = fmt.Errorf("the answer is over %d MiB", maxAnswer>>20)
	case len(answer) > 0 && !json.Valid(answer):
		err = errGarbage
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", method, uri, err)
	}
	return resp, answer, err
}

// get asks the iLO, not a cache, for a resource.
func (m *Manager) get(ctx context.Context, uri string) (*http.Response, []byte, error) {
	uri, _, _ = strings.Cut(uri, "?")
	return m.exchange(ctx, http.MethodGet, uri, http.Header{
		"Accept": {"application/json"}, "Cache-Control": {"no-cache"}, "Odata-Version": {"4.0"},
	}, nil)
}

// read is get for an answer that says what the resource is. The error of any
// other answer is a *redfisherror.Error.
func (m *Manager) read(ctx context.Context, uri string) (*resource, error) {
	resp, body, err := m.get(ctx, uri)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return parse(uri, resp, body)
	case http.StatusNotFound, http.StatusGone:
		return &resource{gone: true}, nil
	}
	return nil, redfisherror.New(resp, body)
}

// parse reads the answer to a successful GET.
func parse(uri string, resp *http.Response, body []byte) (*resource, error) {
	v, _ := decode(body)                                                // nil if it is empty
	r := &resource{etag: freshness.ServerTags(resp.Header.Get("ETag"))} // bodies are compared apart
	var ok bool
	if r.body, ok = v.(map[string]any); !ok {
		return nil, fmt.Errorf("GET %s: the answer is not a resource", uri)
	}
	if r.etag == "" {
		r.etag, _ = r.body["@odata.etag"].(string)
	}
	for _, v := range resp.Header["Allow"] {
		for method := range strings.SplitSeq(v, ",") {
			r.allow = append(r.allow, strings.ToUpper(strings.TrimSpace(method)))
		}
	}
	return r, nil
}

func (r *resource) allows(method string) bool { return slices.Contains(r.allow, method) }

// settings is where what is written to the resource waits for the next boot,
// empty if it has no such place (ILO.md §10). Up to iLO 4 a link leads there.
func (r *resource) settings(uri string) string {
	id := ""
	for _, pointer := range []string{"/@Redfish.Settings/SettingsObject/@odata.id", "/Links/Settings/@odata.id", "/links/Settings/href"} {
		if s, _ := at(r.body, pointer).(string); id == "" {
			id = s
		}
	}
	if !strings.HasPrefix(id, "/") || ilopath.Canonical(id) == ilopath.Canonical(uri) {
		return ""
	}
	return (&url.URL{Path: id}).EscapedPath()
}

// members are the keys of a collection's members; ok is false if the resource is
// no collection.
func (r *resource) members() (keys []string, ok bool) {
	list, ok := r.body["Members"].([]any)
	for _, member := range list {
		if id, _ := at(member, "/@odata.id").(string); id != "" {
			keys = append(keys, ilopath.Canonical(id))
		}
	}
	return keys, ok
}

// frame are the properties that name and describe a resource and are not
// written.
var frame = []string{"Id", "Name", "Description", "Actions", "Links", "Members"}

// writable is a body without what a PUT does not take back.
func writable(body map[string]any) json.RawMessage {
	o := map[string]any{}
	for name, v := range body {
		if _, secrets := redact(v); !secrets && !secret.Value(name, v) && !strings.HasPrefix(name, "@") && !slices.Contains(frame, name) {
			o[name] = v
		}
	}
	return encode(o)
}

// encode is json.Marshal for values that came from JSON.
func encode(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil { // a number that no JSON has, which decode does not let in
		return json.RawMessage("null")
	}
	return data
}
