package gateway

import (
	"bytes"
	"compress/gzip"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/agent/transaction"
)

// largeBody is a size in bytes. Only a few bodies over it are checked at the same time.
const largeBody = 64 << 10

// maxUnzipped is more than strict JSON may have, in bytes.
const maxUnzipped = 5 << 20

// strict refuses the body of a write to the iLO that is JSON, or might be taken
// for it, but not strict JSON (see schema.ParseObject): of two readers of such a
// body each might find something else in it. An admin can switch this off.
func (g *Gateway) strict(c *call, body []byte) *failure {
	if len(body) == 0 || !g.clients.Limits().StrictJSON {
		return nil
	}
	switch encoding := strings.ToLower(c.Header.Get("Content-Encoding")); {
	case len(c.Header["Content-Encoding"]) > 1, encoding != "" && encoding != "identity" && encoding != "gzip":
		return &failure{status: http.StatusUnsupportedMediaType, key: "HeaderInvalid", args: []string{"Content-Encoding"}, text: "A write may be compressed only with gzip."}
	case encoding == "gzip":
		if err := c.purse.Take(maxUnzipped); err != nil {
			return g.explain(c, err)
		}
		defer c.purse.Give(maxUnzipped)
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err == nil {
			body, err = io.ReadAll(io.LimitReader(z, maxUnzipped))
		}
		if err != nil {
			return &failure{status: http.StatusBadRequest, key: "HeaderInvalid", args: []string{"Content-Encoding"}, text: "The body is not gzip."}
		}
	}
	if !mayBeJSON(c.Header, body) {
		return nil
	}
	return g.mustBeStrict(c, body)
}

// mayBeJSON reports a body that says to be JSON or does not say what it is, and
// one that looks like it, since not every service looks at the type.
func mayBeJSON(h http.Header, body []byte) bool {
	body = bytes.TrimPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("\ufeff"))
	if body = bytes.TrimLeft(body, " \t\r\n"); len(body) > 0 && (body[0] == '{' || body[0] == '[') {
		return true
	}
	types := h["Content-Type"]
	if len(types) != 1 {
		return true
	}
	kind, _, _ := mime.ParseMediaType(types[0])
	return kind == "" || strings.HasSuffix(kind, "json")
}

// mustBeStrict refuses a body that is not strict JSON.
func (g *Gateway) mustBeStrict(c *call, body []byte) *failure {
	if len(body) > largeBody {
		g.parsing <- struct{}{}
		defer func() { <-g.parsing }()
	}
	if _, bad := schema.ParseObject(body); bad != nil {
		return g.explain(c, &transaction.ViolationError{Violations: []transaction.Violation{*bad}})
	}
	return nil
}
