package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/ilod/ilod/agent/client"
)

// exchange sends a request and reads the whole answer.
func exchange(rt http.RoundTripper, req *http.Request) (*http.Response, []byte, error) {
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	body, err := readBody(req, resp)
	return resp, body, err
}

// accepted is exchange, with an error for an answer that is not a success.
func accepted(rt http.RoundTripper, req *http.Request) (*http.Response, []byte, error) {
	resp, body, err := exchange(rt, req)
	if err == nil && !isSuccess(resp) {
		err = client.NewError(resp, body)
	}
	return resp, body, err
}

// readBody reads the whole body of an answer and closes it.
func readBody(req *http.Request, resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", req.Method, req.URL.RequestURI(), err)
	}
	return body, nil
}

func isSuccess(resp *http.Response) bool { return resp.StatusCode/100 == 2 }

// setBody gives a request a body that can be sent again.
func setBody(req *http.Request, data []byte) {
	req.ContentLength = int64(len(data))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	req.Body, _ = req.GetBody()
}
