package redfisherror

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// maxBody bounds what FromResponse reads, in bytes.
const maxBody = 1 << 20

// Error is a request that the service answered with a status other than 2xx.
type Error struct {
	Method   string
	Path     string // path and query of the request
	Status   int    // HTTP status code
	Messages []Message
}

// New describes the answer resp, whose body has been read into body.
func New(resp *http.Response, body []byte) *Error {
	e := &Error{Status: resp.StatusCode, Messages: Parse(body)}
	if r := resp.Request; r != nil {
		e.Method, e.Path = r.Method, r.URL.RequestURI()
	}
	return e
}

// FromResponse is New for an answer whose body has not been read. It reads up
// to 1 MiB of the body; a body that cannot be read leaves Messages empty. The
// caller closes the body.
func FromResponse(resp *http.Response) *Error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return New(resp, body)
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %d %s", e.Method, e.Path, e.Status, http.StatusText(e.Status))
	for _, m := range e.Messages {
		b.WriteString(": " + m.String())
	}
	return b.String()
}

// Has reports whether one of the messages has one of the keys, whatever its
// registry and version (ILO.md §3).
func (e *Error) Has(keys ...string) bool {
	return slices.ContainsFunc(e.Messages, func(m Message) bool { return slices.Contains(keys, m.Key()) })
}

// Kind names a message by its registry and key, whatever the version, as in
// "Ilod.NoTransaction". errors.Is finds it in an Error.
type Kind string

// Error is the name itself; an *Error has the message for people.
func (k Kind) Error() string { return string(k) }

// Is reports whether one of the messages is of the Kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && slices.ContainsFunc(e.Messages, func(m Message) bool {
		registry, _, _ := strings.Cut(m.ID, ".")
		return Kind(registry+"."+m.Key()) == k
	})
}
