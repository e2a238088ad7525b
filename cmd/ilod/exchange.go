package main

import (
	"fmt"
	"io"
	"net/http"
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
