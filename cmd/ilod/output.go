package main

import (
	"encoding/json"
	"io"
	"net/http"

	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/server/selection"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

// outputForm has errors and arrays in JSON if the client session is set so.
type outputForm struct {
	http.RoundTripper
	a *app
}

func (o outputForm) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := o.RoundTripper.RoundTrip(req)
	if err == nil && resp.Header.Get(clients.OutputHeader) == "json" {
		o.a.json = true
	}
	return resp, err
}

// printJSON prints a value in JSON, indented for people.
func (a *app) printJSON(v any) error {
	_, err := io.WriteString(a.stdout, selection.JSON(v, "  "))
	return err
}

// writeJSON prints a document on one line.
func (a *app) writeJSON(v any) error { return json.NewEncoder(a.stdout).Encode(v) }

// showProgress shows how far a reader is, until the function is called that it returns.
func (a *app) showProgress(reader *selection.Reader) (end func()) {
	progress := terminal.NewProgress(a.stderr)
	reader.Progress = progress.Show
	return progress.End
}
