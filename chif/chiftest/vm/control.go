//go:build linux

package vm

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
)

// serveControl answers plain HTTP/1.1 requests, one after the other, that the
// guest writes to its serial line. It returns nil when the line is closed.
func serveControl(line io.ReadWriter, h http.Handler) error {
	r := bufio.NewReader(line)
	for {
		if _, err := r.Peek(1); err != nil {
			return nil
		}
		request, err := http.ReadRequest(r)
		if err != nil {
			return fmt.Errorf("control line: %w", err)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request)
		if _, err := io.Copy(io.Discard, request.Body); err != nil {
			return fmt.Errorf("control line: %w", err)
		}
		response := w.Result()
		response.ContentLength = int64(w.Body.Len())
		var b bytes.Buffer
		if err := response.Write(&b); err != nil {
			return fmt.Errorf("control line: %w", err)
		}
		if _, err := line.Write(b.Bytes()); err != nil {
			return nil
		}
	}
}
