package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
)

// ask sends a request without body for one of the agent's own resources.
func (a *app) ask(ctx context.Context, rt http.RoundTripper, method, path string) ([]byte, error) {
	_, body, err := a.tell(ctx, rt, method, path, nil)
	return body, err
}

// tell is ask with a document, if that is not nil, and with the whole answer.
func (a *app) tell(ctx context.Context, rt http.RoundTripper, method, path string, doc any) (*http.Response, []byte, error) {
	var data []byte
	if doc != nil {
		var err error
		if data, err = json.Marshal(doc); err != nil {
			return nil, nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://ilo"+path, nil)
	if err != nil {
		return nil, nil, err
	}
	if data != nil {
		setBody(req, data)
		req.Header.Set("Content-Type", "application/json")
	}
	return accepted(rt, req)
}

// setBody gives a request a body that can be sent again.
func setBody(req *http.Request, data []byte) {
	req.ContentLength = int64(len(data))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	req.Body, _ = req.GetBody()
}
