package clients

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/budget"
)

// maxBody bounds an answer that is rewritten, in bytes without compression.
const maxBody = 16 << 20

// errTooLarge: an answer is over what may be read of it.
var errTooLarge = errors.New("the answer is too large")

// rewriteLinks gives the links of a JSON document to resources another form and
// keeps every other byte.
func rewriteLinks(doc []byte, form func(string) string) []byte {
	out, done := make([]byte, 0, len(doc)), 0
	for l := range links(doc) {
		if l.next {
			continue
		}
		text, err := json.Marshal(form(unquote(doc[l.start:l.end])))
		if err != nil {
			continue // a string can be encoded
		}
		out, done = append(append(out, doc[done:l.start]...), text...), l.end
	}
	return append(out, doc[done:]...)
}

// linkForm is the function that gives a link the form of ReturnedPath.
func linkForm(v api.Variables) func(string) string {
	if v.ReturnedPath == leaf {
		return func(link string) string {
			path, fragment, found := strings.Cut(link, "#")
			path = strings.TrimRight(path, "/")
			path = path[strings.LastIndexByte(path, '/')+1:]
			if found {
				path += "#" + fragment
			}
			return path
		}
	}
	return func(link string) string {
		n := len(v.ActivePath)
		switch {
		case len(link) > n && strings.EqualFold(link[:n], v.ActivePath):
			return link[n:]
		case strings.EqualFold(strings.TrimSuffix(link, "/"), strings.TrimSuffix(v.ActivePath, "/")):
			return "."
		}
		return link // not below it
	}
}

// rewriteAnswer gives the links of a JSON answer the session's form. Its ETag
// was about other bytes.
func rewriteAnswer(resp *http.Response, v api.Variables, method string, purse *budget.Purse) error {
	if !isJSON(resp.Header) {
		return nil
	}
	resp.Header.Del("ETag")
	resp.Header.Del("Content-Length")
	if method == http.MethodHead {
		resp.ContentLength = -1
		return nil
	}
	working := 2 * resp.ContentLength
	if err := purse.Take(working); err != nil {
		_ = resp.Body.Close()
		return err
	}
	defer purse.Give(working) // what comes out counts as the answer
	body, err := content(resp, maxBody)
	if err != nil {
		return err
	}
	if json.Valid(body) {
		body = rewriteLinks(body, linkForm(v))
	}
	setBody(resp, body)
	return nil
}

// isJSON tells whether an answer says that it is JSON. An iLO always says what
// its answer is.
func isJSON(h http.Header) bool {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// content reads an answer's body, without compression, and closes it. It fails
// with errTooLarge.
func content(resp *http.Response, limit int) ([]byte, error) {
	defer resp.Body.Close()
	in := io.Reader(resp.Body)
	switch encoding := strings.ToLower(resp.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("the answer's gzip: %w", err)
		}
		in = z
	default:
		return nil, fmt.Errorf("the answer's encoding %.32q is not known", encoding)
	}
	body, err := io.ReadAll(io.LimitReader(in, int64(limit)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case len(body) > limit:
		return nil, errTooLarge
	}
	return body, nil
}
