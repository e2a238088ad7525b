package gateway

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ilod/ilod/agent/budget"
	"github.com/ilod/ilod/agent/clients"
)

// maxJudged bounds an answer that is looked through, in bytes.
const maxJudged = 8 << 20

// Way is the way of requests to next, which knows nothing of roles: the room of
// the client sessions, and below it the judgement of answers that hold more than
// the path says. Options.Next is made of it.
func Way(next http.RoundTripper, sessions *clients.Registry) *clients.Stage {
	return &clients.Stage{Next: reach{next}, Registry: sessions, Allowed: Allowed}
}

// reach judges requests with a query by what their answers hold, for all roles
// that are refused anything.
//
// The route of a path says who may read that resource, but $expand puts others
// into the answer, which ones only the iLO knows, and the next firmware may know
// further options. Therefore it is not the query that is judged but the answer:
// it is refused as a whole if it holds any part of a resource that a plain GET
// would refuse. An unfolded resource tells its path in @odata.id; with $select it
// might not, so the two do not go together. What cannot be looked through is
// refused. An iLO 4, whose older bodies have no @odata.id, has no query options.
type reach struct{ next http.RoundTripper }

// ReachError refuses a request that reaches further than the path that it names.
type ReachError struct {
	Path string // what it reaches; empty if there is no telling
	why  string
}

func (e *ReachError) Error() string {
	if e.Path != "" {
		return "the answer to this query holds a part of " + e.Path
	}
	return e.why
}

func (v reach) RoundTrip(r *http.Request) (*http.Response, error) {
	role, _ := r.Context().Value(roleKey{}).(Role)
	if r.URL.RawQuery == "" || role == Admin {
		return v.next.RoundTrip(r)
	}
	if !isRead(r.Method) || hides(r.URL.RawQuery) {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		if !isRead(r.Method) {
			return nil, &ReachError{why: "only reads have a query"}
		}
		return nil, &ReachError{why: "$select hides what $expand unfolds"}
	}
	out := r.Clone(r.Context())
	out.Method = http.MethodGet
	out.Header.Del("Accept-Encoding")
	out.Header.Del("Range")
	resp, err := v.next.RoundTrip(out)
	if err != nil || resp.StatusCode/100 != 2 {
		return resp, err
	}
	defer resp.Body.Close()
	size := int64(maxJudged)
	if resp.ContentLength >= 0 && resp.Header.Get("Content-Encoding") == "" {
		size = min(size, resp.ContentLength)
	}
	purse := budget.Of(r.Context())
	if err := purse.Take(size); err != nil {
		return nil, err
	}
	defer purse.Give(size) // whoever hands the answer on counts it
	body, err := plainBody(resp)
	if err != nil {
		return nil, err
	}
	refused, err := foreign(body, func(u *url.URL) bool { return Allowed(r.Context(), u) })
	switch {
	case err != nil:
		return nil, err
	case refused != "":
		return nil, &ReachError{Path: refused}
	}
	answer := *resp
	answer.Header = resp.Header.Clone()
	answer.Header.Del("Content-Encoding")
	answer.Header.Set("Content-Length", strconv.Itoa(len(body)))
	answer.ContentLength, answer.Body, answer.Request = int64(len(body)), io.NopCloser(bytes.NewReader(body)), r
	if r.Method == http.MethodHead {
		answer.Body = http.NoBody
	}
	return &answer, nil
}

// hides reports a query that might unfold resources without their paths.
func hides(query string) bool {
	for range 3 { // as often as somebody below could decode it
		if plain, err := url.QueryUnescape(query); err == nil {
			query = plain
		}
	}
	query = strings.ToLower(query)
	return strings.Contains(query, "expand") && strings.Contains(query, "select")
}

// plainBody reads an answer that is to be looked through.
func plainBody(resp *http.Response) ([]byte, error) {
	in := io.Reader(resp.Body)
	switch encoding := strings.ToLower(resp.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("the answer's gzip: %w", err)
		}
		in = z
	default:
		return nil, &ReachError{why: fmt.Sprintf("the answer has the encoding %.32q", encoding)}
	}
	body, err := io.ReadAll(io.LimitReader(in, maxJudged+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case len(body) > maxJudged:
		return nil, &ReachError{why: fmt.Sprintf("the answer is over %d MiB", maxJudged>>20)}
	case len(bytes.TrimSpace(body)) > 0 && !json.Valid(body):
		return nil, &ReachError{why: "the answer is not JSON"}
	}
	return body, nil
}

// maxNested bounds how deep the values of an answer that is looked through lie in
// each other. The answers of iLOs are some ten levels deep.
const maxNested = 500

// foreign returns the first resource that a valid JSON document, or an empty one,
// holds a part of and that is not allowed. It reads the document once, from its
// beginning to its end.
func foreign(doc []byte, allowed func(*url.URL) bool) (path string, err error) {
	s := search{json.NewDecoder(bytes.NewReader(doc)), allowed}
	path, err = s.next(0)
	if err == io.EOF && len(bytes.TrimSpace(doc)) == 0 {
		err = nil
	}
	return path, err
}

// ofLink are the properties of an object that only leads to a resource, as in
// the ResourceDirectory.
var ofLink = []string{"@odata.type", "@odata.etag", "ETag", "HttpMethods", "MemberType"}

// search is foreign at a place of a document.
type search struct {
	*json.Decoder
	allowed func(*url.URL) bool
}

// next is foreign for the next value, which lies in depth others.
func (s search) next(depth int) (string, error) {
	begin, err := s.Token()
	if err != nil {
		return "", err
	}
	return s.in(begin, depth)
}

// in is foreign for the value that begins with a token. What was asked for
// itself, at the top, may have a name for an @odata.id, as a schema has.
func (s search) in(begin json.Token, depth int) (string, error) {
	delim, nested := begin.(json.Delim)
	if !nested {
		return "", nil
	}
	if depth == maxNested {
		return "", &ReachError{why: fmt.Sprintf("the answer is over %d levels deep", maxNested)}
	}
	var ids []string
	link := true
	for s.More() {
		if delim == '[' {
			if refused, err := s.next(depth + 1); refused != "" || err != nil {
				return refused, err
			}
			continue
		}
		name, err := s.Token()
		if err != nil {
			return "", err
		}
		value, err := s.Token()
		if err != nil {
			return "", err
		}
		id, isPath := value.(string)
		switch {
		case name != "@odata.id":
			link = link && slices.Contains(ofLink, name.(string))
		case isPath: // in a schema it is an object that describes one, and no path
			ids = append(ids, id)
		}
		if refused, err := s.in(value, depth+1); refused != "" || err != nil {
			return refused, err
		}
	}
	for _, id := range ids {
		u, err := url.Parse(strings.ReplaceAll(id, " ", "%20"))
		if named := depth == 0 && !strings.Contains(id, "/"); !link && !named && (err != nil || !s.allowed(u)) {
			return fmt.Sprintf("%.200q", id), nil
		}
	}
	_, err := s.Token()
	return "", err
}
