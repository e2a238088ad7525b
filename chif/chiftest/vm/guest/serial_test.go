//go:build linux

package guest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"

	"golang.org/x/term"
)

// serial is an http.RoundTripper that writes each request as plain HTTP/1.1 to
// a serial line, one after the other.
type serial struct {
	mu   sync.Mutex
	line *os.File
	r    *bufio.Reader
}

func openSerial(path string) (*serial, error) {
	line, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if _, err := term.MakeRaw(int(line.Fd())); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &serial{line: line, r: bufio.NewReader(line)}, nil
}

// RoundTrip reads the whole answer, so that the next request finds the line idle.
func (s *serial) RoundTrip(request *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := request.Write(s.line); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(s.r, request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, err
}
